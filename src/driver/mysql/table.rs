//! The statements: each operation of the contract as SQL over the documented table, which is made when it is missing.
//!
//! Text only: runs nothing. What stands in a column, and what a row means, is told here too.
//!
//! ```sql
//! CREATE TABLE `sessions` (
//!   `id`           VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
//!   `payload`      LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
//!                                         -- JSON.stringify(payload): a JSON string, mostly of JSON
//!   `lastActivity` BIGINT NOT NULL,       -- milliseconds since 1970-01-01 UTC
//!   KEY (`lastActivity`)
//! ) ENGINE=InnoDB
//!
//! CREATE TABLE `sessions_locks` (         -- for lock mode, made when the first lease is wanted
//!   `id`    VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
//!   `owner` CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,   -- one request of one process
//!   `until` BIGINT NOT NULL               -- the lease's end, milliseconds since 1970-01-01 UTC
//! ) ENGINE=InnoDB
//! ```
//!
//! A session table that somebody else made is used as it is, whatever its types, collations and further columns, as long as
//! `id` is a key of it.

use std::sync::Arc;

use mysql_async::{Row, Value};

use crate::clock::Millis;
use crate::config::TableName;
use crate::driver::Record;
use crate::error::{Code, Error};

// `{table}` stands for the quoted name, `{this}` for the condition that picks one row by its id, given twice.

/// Compared twice: as the column was declared, so that its index is used, and byte by byte. The column's own bytes depend
/// on its character set.
const THIS: &str = "`id` = ? AND CAST(CONVERT(`id` USING utf8mb4) AS BINARY) = ?";
const HAS_PAYLOAD: &str = "CAST(CONVERT(`payload` USING utf8mb4) AS BINARY) = ?";

const MAKE: &str = "CREATE TABLE IF NOT EXISTS {table} (
    `id` VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    `payload` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `lastActivity` BIGINT NOT NULL, KEY (`lastActivity`)) ENGINE=InnoDB";
/// A payload longer than the given bytes is measured, but not read.
const LOAD: &str = "SELECT octet_length(`payload`), `lastActivity`,
    CASE WHEN octet_length(`payload`) <= ? THEN `payload` END FROM {table} WHERE {this}";
const CREATE: &str = "INSERT INTO {table} (`id`, `payload`, `lastActivity`) VALUES (?, ?, ?)";
const REPLACE: &str =
    "UPDATE {table} SET `payload` = ?, `lastActivity` = ? WHERE {this} AND {payload}";
const REMOVE: &str = "DELETE FROM {table} WHERE {this} AND {payload}";
const TOUCH: &str =
    "UPDATE {table} SET `lastActivity` = ? WHERE {this} AND coalesce(`lastActivity`, 0) < ?";
const EXISTS: &str = "SELECT 1 FROM {table} WHERE {this}";
const DESTROY: &str = "DELETE FROM {table} WHERE {this}";
const SWEEP: &str = "DELETE FROM {table} WHERE `lastActivity` < ? LIMIT ?";
/// In the order of the column's own key, in which no two ids are equal.
const SCAN: &str = "SELECT `id` FROM {table} ORDER BY `id` LIMIT ?";
const SCAN_AFTER: &str = "SELECT `id` FROM {table} WHERE `id` > ? ORDER BY `id` LIMIT ?";

const MAKE_LOCKS: &str = "CREATE TABLE IF NOT EXISTS {table} (
    `id` VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    `owner` CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `until` BIGINT NOT NULL) ENGINE=InnoDB";
const LEASE: &str = "SELECT `owner`, `until` FROM {table} WHERE `id` = ?";
const GRANT: &str = "INSERT INTO {table} (`id`, `owner`, `until`) VALUES (?, ?, ?)";
/// Only if the lease is still the one that was seen.
const REGRANT: &str =
    "UPDATE {table} SET `owner` = ?, `until` = ? WHERE `id` = ? AND `owner` = ? AND `until` = ?";
const RELEASE: &str = "DELETE FROM {table} WHERE `id` = ? AND `owner` = ?";
const SWEEP_LOCKS: &str = "DELETE FROM {table} WHERE `until` < ? LIMIT ?";

/// The statements for the session table.
#[derive(Debug)]
pub(super) struct Sessions {
    /// The quoted name.
    pub(super) name: String,
    /// Whether it is not to be made where it is missing.
    pub(super) has_to_exist: bool,
    pub(super) make: String,
    pub(super) load: String,
    pub(super) create: String,
    pub(super) replace: String,
    pub(super) remove: String,
    pub(super) touch: String,
    pub(super) exists: String,
    pub(super) destroy: String,
    pub(super) sweep: String,
    pub(super) scan: String,
    pub(super) scan_after: String,
}

impl Sessions {
    pub(super) fn new(table: &TableName) -> Self {
        let name = quoted(table, "");
        let sql = |text: &str| {
            let text = text.replace("{table}", &name).replace("{this}", THIS);
            text.replace("{payload}", HAS_PAYLOAD)
        };
        Self {
            make: sql(MAKE),
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
            remove: sql(REMOVE),
            touch: sql(TOUCH),
            exists: sql(EXISTS),
            destroy: sql(DESTROY),
            sweep: sql(SWEEP),
            scan: sql(SCAN),
            scan_after: sql(SCAN_AFTER),
            has_to_exist: table.has_to_exist(),
            name,
        }
    }

    /// What to do about a column that cannot hold what has to be stored; `text` is what the server said of it.
    pub(super) fn widening(&self, text: &str) -> String {
        let is_named = |column: &str| {
            text.contains(&format!("'{column}'")) || text.contains(&format!("`{column}`"))
        };
        let columns = [
            ("lastActivity", "BIGINT NOT NULL"),
            (
                "id",
                "VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
            ),
            (
                "payload",
                "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
            ),
        ];
        let named = columns.iter().find(|(column, _)| is_named(column));
        let (column, wide) = named.unwrap_or(&columns[2]);
        let name = &self.name;
        format!("the column `{column}` cannot hold it: ALTER TABLE {name} MODIFY `{column}` {wide}")
    }
}

/// The statements for the table of leases.
#[derive(Debug)]
pub(super) struct Locks {
    pub(super) make: String,
    pub(super) lease: String,
    pub(super) grant: String,
    pub(super) regrant: String,
    pub(super) release: String,
    pub(super) sweep: String,
}

impl Locks {
    /// For the leases of that session table.
    pub(super) fn new(table: &TableName) -> Self {
        let name = quoted(table, "_locks");
        let sql = |text: &str| text.replace("{table}", &name);
        Self {
            make: sql(MAKE_LOCKS),
            lease: sql(LEASE),
            grant: sql(GRANT),
            regrant: sql(REGRANT),
            release: sql(RELEASE),
            sweep: sql(SWEEP_LOCKS),
        }
    }
}

fn quoted(table: &TableName, suffix: &str) -> String {
    let name = format!("`{}{suffix}`", table.name());
    match table.schema() {
        Some(schema) => format!("`{schema}`.{name}"),
        None => name,
    }
}

/// A session's row: its payload column as it is stored, and the instant.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) column: Vec<u8>,
    pub(super) last_activity: Millis,
}

impl Stored {
    /// A row of [`Sessions::load`], which was asked for at most `longest` bytes.
    pub(super) fn of_row(mut row: Row, longest: i64) -> Result<Self, Error> {
        let mut next = |index| row.take::<Value, _>(index).unwrap_or(Value::NULL);
        let last_activity = to_millis(&next(1));
        if matches!(next(0), Value::Int(bytes) if bytes > longest) {
            return Err(too_large());
        }
        match next(2) {
            Value::Bytes(column) => Ok(Self {
                column,
                last_activity,
            }),
            _ => Err(corrupt()),
        }
    }

    /// The record, given what unwraps its payload's column.
    pub(super) fn record(
        &self,
        most: usize,
        unwrap: impl FnOnce(&[u8]) -> Option<Arc<str>>,
    ) -> Result<Record, Error> {
        Ok(Record {
            payload: self.payload(most, unwrap)?,
            last_activity: self.last_activity,
        })
    }

    /// The payload, given what unwraps its column.
    pub(super) fn payload(
        &self,
        most: usize,
        unwrap: impl FnOnce(&[u8]) -> Option<Arc<str>>,
    ) -> Result<Arc<str>, Error> {
        let payload = unwrap(&self.column).ok_or_else(corrupt)?;
        match payload.len() <= most {
            true => Ok(payload),
            false => Err(too_large()),
        }
    }
}

/// The instant in a `lastActivity` column.
///
/// Numbers, and numbers that an adapter stored as text, are read. Anything else, NULL included, counts as 0: a row
/// without a time is as old as can be, and so reads as nothing.
fn to_millis(value: &Value) -> Millis {
    Millis(match value {
        Value::Int(millis) => *millis,
        Value::UInt(millis) => i64::try_from(*millis).unwrap_or(i64::MAX),
        Value::Float(millis) => *millis as i64,
        Value::Double(millis) => *millis as i64,
        Value::Bytes(text) => {
            let text = std::str::from_utf8(text).unwrap_or_default();
            let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
            whole.parse().unwrap_or(0)
        }
        Value::NULL | Value::Date(..) | Value::Time(..) => 0,
    })
}

fn too_large() -> Error {
    Error::new(
        Code::TooLarge,
        "the session's payload is larger than `maxBytes`",
    )
}

fn corrupt() -> Error {
    Error::new(
        Code::Corrupt,
        "the session's payload column holds no JSON string",
    )
}
