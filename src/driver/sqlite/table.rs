//! The table: each operation of the contract as SQL on one connection.
//!
//! Runs on whatever thread calls it and waits for nobody longer than its connection's busy timeout says. Opens nothing.
//!
//! ```sql
//! CREATE TABLE "sessions" (
//!   "id"           TEXT PRIMARY KEY NOT NULL,  -- the 40 characters
//!   "payload"      TEXT,                       -- JSON.stringify(payload): a JSON string, mostly of JSON
//!   "lastActivity" BIGINT                      -- milliseconds since 1970-01-01 UTC
//! )
//! ```
//!
//! A table that somebody else made is used as it is, whatever its types, collations and further columns.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::failure::Outcome;
use super::fresh::Fresh;
use super::leases::Leases;
use crate::clock::{Millis, is_idle};
use crate::driver::column::{self, QUOTES, WORST_ESCAPE};
use crate::driver::{
    Acquired, Bounds, Created, Cursor, Owner, Page, Record, Removed, Replaced, Sweep, Touched,
};
use crate::error::{Code, Error};
use crate::session_id::SessionId;

// `{table}` stands for the quoted name, `{this}` for the condition that picks the row of id ?1.

/// Compared twice: as the column was declared, so that its index is used, and byte by byte.
const THIS: &str = r#""id" = ?1 AND "id" = ?1 COLLATE BINARY"#;

/// A payload longer than ?2 bytes is measured, but not read.
const LOAD: &str = r#"SELECT octet_length("payload"), "lastActivity",
    CASE WHEN octet_length("payload") <= ?2 THEN "payload" END FROM {table} WHERE {this}"#;
/// Needs no unique index to tell that the id is there, and heeds one that calls two ids equal.
const CREATE: &str = r#"INSERT INTO {table} ("id", "payload", "lastActivity") SELECT ?1, ?2, ?3
    WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {this}) ON CONFLICT DO NOTHING"#;
const REPLACE: &str = r#"UPDATE {table} SET "payload" = ?2, "lastActivity" = ?3
    WHERE {this} AND "payload" = ?4 COLLATE BINARY"#;
const OVERWRITE: &str = r#"UPDATE {table} SET "payload" = ?2, "lastActivity" = ?3 WHERE {this}"#;
const REMOVE: &str = r#"DELETE FROM {table} WHERE {this} AND "payload" = ?2 COLLATE BINARY"#;
const TOUCH: &str = r#"UPDATE {table} SET "lastActivity" = ?2
    WHERE {this} AND coalesce("lastActivity", 0) < ?2"#;
const EXISTS: &str = r#"SELECT 1 FROM {table} WHERE {this}"#;
const DESTROY: &str = r#"DELETE FROM {table} WHERE {this}"#;
/// Changes whenever another connection commits.
const VERSION: &str = "PRAGMA {schema}.data_version";
const SWEEP: &str = r#"DELETE FROM {table} WHERE rowid IN
    (SELECT rowid FROM {table} WHERE "lastActivity" < ?1 LIMIT ?2)"#;
/// For a table without rowids. The second look at the time spares a row whose id is equal in another case.
const SWEEP_BY_ID: &str = r#"DELETE FROM {table} WHERE "lastActivity" < ?1 AND "id" IN
    (SELECT "id" FROM {table} WHERE "lastActivity" < ?1 LIMIT ?2)"#;

/// Ids only, in an order that outlives whatever is done to the table meanwhile. An index that compares byte by byte, which
/// is what the table has unless somebody declared another collation, is all that is read.
const SCAN: &str = r#"SELECT "id" FROM {table} WHERE "id" > ?1 COLLATE BINARY AND typeof("id") = 'text'
    AND octet_length("id") = 40 AND "id" NOT GLOB '*[^A-Za-z0-9_-]*'
    ORDER BY "id" COLLATE BINARY LIMIT ?2"#;

/// One connection, and the statements for the session table behind it.
#[derive(Debug)]
pub(super) struct Table {
    connection: Connection,
    bounds: Bounds,
    load: String,
    create: String,
    replace: String,
    overwrite: String,
    remove: String,
    touch: String,
    exists: String,
    destroy: String,
    sweep: String,
    scan: String,
    version: String,
    leases: Leases,
    /// What was read and written lately. Whatever writes to a record takes it out first.
    fresh: RefCell<Fresh>,
}

impl Table {
    /// The table of those (quoted) names, which is there, and that of its leases, which need not be.
    pub(super) fn new(
        connection: Connection,
        (schema, table): (&str, &str),
        leases: &str,
        bounds: Bounds,
    ) -> Self {
        let name = format!("{schema}.{table}");
        let sql = |text: &str| text.replace("{table}", &name).replace("{this}", THIS);
        let by_rowid = sql(SWEEP);
        let has_rowid = connection.prepare(&by_rowid).is_ok();
        Self {
            bounds,
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
            overwrite: sql(OVERWRITE),
            remove: sql(REMOVE),
            touch: sql(TOUCH),
            exists: sql(EXISTS),
            destroy: sql(DESTROY),
            sweep: if has_rowid {
                by_rowid
            } else {
                sql(SWEEP_BY_ID)
            },
            scan: sql(SCAN),
            version: VERSION.replace("{schema}", schema),
            leases: Leases::new(leases),
            fresh: RefCell::default(),
            connection,
        }
    }

    /// Sets how long each following statement waits for other connections.
    pub(super) fn set_patience(&self, patience: Duration) -> Outcome<()> {
        Ok(self.connection.busy_timeout(patience)?)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins a transaction in which nobody else writes. Dropped before it is committed, it does nothing.
    pub(super) fn begin(&self) -> Outcome<Transaction<'_>> {
        let immediate = TransactionBehavior::Immediate;
        Ok(Transaction::new_unchecked(&self.connection, immediate)?)
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Forgets what was read and written lately.
    pub(super) fn forget(&self) {
        self.fresh.borrow_mut().clear();
    }

    pub(super) fn load(&self, id: &SessionId, now: Millis) -> Outcome<Option<Record>> {
        let wanted = |last_activity| !is_idle(last_activity, now, self.bounds.idle_timeout);
        let mut fresh = self.fresh.borrow_mut();
        if fresh.is_worth_asking() {
            fresh.is_at(self.version()?);
            if let Some(known) = fresh.find(id) {
                return Ok(wanted(known.last_activity).then(|| known.clone()));
            }
        }
        let found = self.read(id, wanted)?;
        if let Some(record) = &found {
            fresh.keep(id, record.clone());
        }
        Ok(found)
    }

    fn version(&self) -> Outcome<i64> {
        let mut statement = self.connection.prepare_cached(&self.version)?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Takes out what was known of a record that is about to be written to.
    fn known(&self, id: &SessionId) -> Option<Record> {
        self.fresh.borrow_mut().take(id)
    }

    pub(super) fn create(&self, id: &SessionId, payload: &str, now: Millis) -> Outcome<Created> {
        self.known(id);
        let values = params![id.as_str(), column::encode(payload), now.0];
        let inserted = self
            .connection
            .prepare_cached(&self.create)?
            .execute(values)?;
        Ok(if inserted == 0 {
            Created::Exists
        } else {
            Created::Created
        })
    }

    pub(super) fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Outcome<Replaced> {
        self.known(id);
        let column = column::encode(payload);
        let compare = || {
            let values = params![id.as_str(), column, now.0, column::encode(expected)];
            self.connection
                .prepare_cached(&self.replace)?
                .execute(values)
        };
        let force = || {
            let values = params![id.as_str(), column, now.0];
            self.connection
                .prepare_cached(&self.overwrite)?
                .execute(values)
        };
        Ok(match self.swap(id, expected, compare, force)? {
            Swap::Done => {
                let record = Record {
                    payload: payload.clone(),
                    last_activity: now,
                };
                self.fresh.borrow_mut().keep(id, record);
                Replaced::Replaced
            }
            Swap::Conflict(current) => Replaced::Conflict(current),
            Swap::Gone => Replaced::Gone,
        })
    }

    pub(super) fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Outcome<Removed> {
        self.known(id);
        let compare = || {
            let values = params![id.as_str(), column::encode(expected)];
            self.connection
                .prepare_cached(&self.remove)?
                .execute(values)
        };
        let force = || {
            let mut statement = self.connection.prepare_cached(&self.destroy)?;
            statement.execute([id.as_str()])
        };
        Ok(match self.swap(id, expected, compare, force)? {
            Swap::Done => Removed::Removed,
            Swap::Conflict(current) => Removed::Conflict(current),
            Swap::Gone => Removed::Gone,
        })
    }

    pub(super) fn touch(&self, id: &SessionId, now: Millis) -> Outcome<Touched> {
        let known = self.known(id);
        let values = params![id.as_str(), now.0];
        let moved = self
            .connection
            .prepare_cached(&self.touch)?
            .execute(values)?;
        if let Some(mut record) = known.filter(|_| moved > 0) {
            record.last_activity = now;
            self.fresh.borrow_mut().keep(id, record);
        }
        let there = moved > 0 || {
            let mut statement = self.connection.prepare_cached(&self.exists)?;
            statement.exists([id.as_str()])?
        };
        Ok(if there {
            Touched::Touched
        } else {
            Touched::Gone
        })
    }

    pub(super) fn destroy(&self, id: &SessionId) -> Outcome<()> {
        self.known(id);
        let mut statement = self.connection.prepare_cached(&self.destroy)?;
        statement.execute([id.as_str()])?;
        Ok(())
    }

    pub(super) fn sweep(&self, cutoff: Millis, limit: usize) -> Outcome<Sweep> {
        self.forget();
        let limit = limit.max(1);
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(&self.sweep)?;
        let removed = statement.execute(params![cutoff.0, rows])?;
        let done = removed < limit;
        if done {
            // The records are gone already; leases that stay are removed by the next sweep.
            self.leases.sweep(&self.connection, cutoff).ok();
        }
        Ok(Sweep { removed, done })
    }

    /// The next ids in their order. A cursor is the last one of the page before.
    pub(super) fn scan(&self, after: Option<&Cursor>, limit: usize) -> Outcome<Page> {
        let rows = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let after = after.map_or("", |cursor| cursor);
        let mut statement = self.connection.prepare_cached(&self.scan)?;
        let mut rows = statement.query(params![after, rows])?;
        let mut ids = Vec::new();
        let mut found = 0;
        while let Some(row) = rows.next()? {
            found += 1;
            ids.extend(row.get_ref(0)?.as_str().ok().and_then(SessionId::parse));
        }
        let is_full = found == limit.max(1);
        let last = ids.last().filter(|_| is_full);
        let next = last.map(|id: &SessionId| Arc::from(id.as_str()));
        Ok(Page { ids, next })
    }

    pub(super) fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        self.leases.acquire(&self.connection, id, owner, lease, now)
    }

    pub(super) fn release(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        self.leases.release(&self.connection, id, owner)
    }

    /// Copies what the write-ahead log holds into the database file, so that writers may begin the log anew.
    ///
    /// Writers go on meanwhile, and may never let it end. A log longer than `most_pages` therefore stops them for the
    /// rest, which is what they have written in that while.
    pub(super) fn checkpoint(&self, most_pages: usize) -> Outcome<()> {
        let pages = self.checkpoint_as("PRAGMA wal_checkpoint(PASSIVE)")?;
        if usize::try_from(pages).is_ok_and(|pages| pages > most_pages) {
            self.checkpoint_as("PRAGMA wal_checkpoint(RESTART)")?;
        }
        Ok(())
    }

    /// Copies the same and empties the log's file, unless somebody is using it.
    pub(super) fn truncate_log(&self) -> Outcome<()> {
        self.checkpoint_as("PRAGMA wal_checkpoint(PASSIVE)")?;
        self.set_patience(Duration::ZERO)?;
        self.checkpoint_as("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }

    /// Gives the pages that are in the log; -1 when there is none.
    fn checkpoint_as(&self, pragma: &str) -> Outcome<i64> {
        let mut statement = self.connection.prepare_cached(pragma)?;
        Ok(statement.query_row([], |row| row.get(1))?)
    }

    /// Writes by `compare`, which compares what is stored as we would have written it, and by `force` when somebody else
    /// has written the same payload in another way. Both tell how many rows they wrote.
    fn swap(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        compare: impl Fn() -> rusqlite::Result<usize>,
        force: impl Fn() -> rusqlite::Result<usize>,
    ) -> Outcome<Swap> {
        if compare()? > 0 {
            return Ok(Swap::Done);
        }
        // From here on nobody else writes, so what is read is what `force` will overwrite.
        let alone = match self.is_in_transaction() {
            true => None,
            false => Some(self.begin()?),
        };
        match self.read(id, |_| true)? {
            None => Ok(Swap::Gone),
            Some(current) if current.payload != *expected => Ok(Swap::Conflict(current.payload)),
            Some(_) => {
                force()?;
                alone.map(Transaction::commit).transpose()?;
                Ok(Swap::Done)
            }
        }
    }

    /// The record of `id`, if its last activity is wanted.
    fn read(&self, id: &SessionId, wanted: impl Fn(Millis) -> bool) -> Outcome<Option<Record>> {
        let longest = self
            .bounds
            .max_payload
            .saturating_mul(WORST_ESCAPE)
            .saturating_add(QUOTES);
        let longest = i64::try_from(longest).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(&self.load)?;
        let mut rows = statement.query(params![id.as_str(), longest])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let last_activity = to_millis(row.get_ref(1)?);
        if !wanted(last_activity) {
            return Ok(None);
        }
        let length: Option<i64> = row.get(0)?;
        if length.is_some_and(|bytes| bytes > longest) {
            return Err(too_large().into());
        }
        let payload = match row.get_ref(2)? {
            ValueRef::Text(column) => column::decode(column).ok_or_else(corrupt)?,
            _ => return Err(corrupt().into()),
        };
        if payload.len() > self.bounds.max_payload {
            return Err(too_large().into());
        }
        Ok(Some(Record {
            payload,
            last_activity,
        }))
    }
}

/// What became of a compare and swap.
enum Swap {
    Done,
    Conflict(Arc<str>),
    Gone,
}

/// The instant in a `lastActivity` column.
///
/// Numbers, and numbers that an adapter stored as text, are read. Anything else, NULL included, counts as 0: a row
/// without a time is as old as can be, and so reads as nothing. No sweep removes it, nor did the original's.
fn to_millis(value: ValueRef<'_>) -> Millis {
    Millis(match value {
        ValueRef::Integer(millis) => millis,
        ValueRef::Real(millis) => millis as i64,
        ValueRef::Text(text) => {
            let digits = std::str::from_utf8(text).unwrap_or_default();
            digits.parse().unwrap_or(0)
        }
        ValueRef::Null | ValueRef::Blob(_) => 0,
    })
}

pub(super) fn too_large() -> Error {
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

/// Makes the session table and its index, unless there is a table of that name: that one is used as it is.
///
/// Several processes may do so at the same time; one makes it and the others find it.
pub(super) fn create_if_missing(connection: &Connection, schema: &str, table: &str) -> Outcome<()> {
    if is_there(connection, schema, table)? {
        return Ok(());
    }
    let alone = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if !is_there(connection, schema, table)? {
        let (schema, index) = (quote(schema), quote(&format!("{table}_lastActivity")));
        let table = quote(table);
        connection.execute_batch(&format!(
            r#"CREATE TABLE IF NOT EXISTS {schema}.{table}
                   ("id" TEXT PRIMARY KEY NOT NULL, "payload" TEXT, "lastActivity" BIGINT);
               CREATE INDEX IF NOT EXISTS {schema}.{index} ON {table} ("lastActivity");"#
        ))?;
    }
    Ok(alone.commit()?)
}

pub(super) fn is_there(connection: &Connection, schema: &str, table: &str) -> Outcome<bool> {
    let sql = format!(
        "SELECT 1 FROM {}.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE",
        quote(schema)
    );
    let found = connection.query_row(&sql, [table], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// An identifier as SQL writes it, whatever its characters.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
