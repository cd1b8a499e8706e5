//! The session table: what is known of its columns, and how it is made where there is none.
//!
//! ```sql
//! CREATE TABLE "sessions" (
//!   "id"           text COLLATE "C" PRIMARY KEY,  -- the 40 characters
//!   "payload"      text,                          -- JSON.stringify(payload): a JSON string, mostly of JSON
//!   "lastActivity" bigint                         -- milliseconds since 1970-01-01 UTC
//! );
//! CREATE INDEX "sessions_lastActivity" ON "sessions" ("lastActivity")
//! ```
//!
//! A table that somebody else made is used as it is. Its columns are looked at once, since `lastActivity` may be a number or a
//! text, or too narrow for milliseconds. The collation keeps the index right when the system's own collations change.

use super::dial::Connection;
use super::fault::Fault;
use crate::config::TableName;
use crate::driver::no_table;
use crate::driver::remote::Reason;

/// Most bytes of a name that PostgreSQL keeps; it cuts off the rest.
const MOST_NAME: usize = 63;
/// Any number, which this package's processes agree on: they make tables one after the other.
const MAKING: i64 = 0x6e6f_6465_7365_7373;

const COLUMNS: &str = r#"SELECT a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
    t.typcategory::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped"#;
const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1::text)";

/// The names of a table and of what belongs to it, quoted.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The session table, with its schema where one is given.
    pub(super) table: String,
    /// The table of leases, in the same schema.
    pub(super) locks: String,
    schema: Option<String>,
    index: String,
    /// Whether none of this is made where it is missing.
    has_to_exist: bool,
}

impl Names {
    pub(super) fn new(table: &TableName) -> Self {
        let schema = table.schema().map(str::to_owned);
        let with_schema = |name: &str| match table.schema() {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        };
        Self {
            table: with_schema(table.name()),
            locks: with_schema(&beside(table.name(), "_locks")),
            schema,
            index: quote(&beside(table.name(), "_lastActivity")),
            has_to_exist: table.has_to_exist(),
        }
    }
}

/// The name of what stands beside a table: never cut off by the server, which could make it the table's own.
fn beside(table: &str, ending: &str) -> String {
    let most = MOST_NAME - ending.len();
    let kept: String = table.chars().take(most).collect();
    format!("{kept}{ending}")
}

/// An identifier as SQL writes it, whatever its characters.
fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// What the `lastActivity` column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Number,
    Text,
}

/// Looks at the table, and makes it first where there is none.
pub(super) async fn prepare(connection: &Connection, names: &Names) -> Result<Activity, Fault> {
    if let Some(activity) = look(connection, names).await? {
        return Ok(activity);
    }
    if names.has_to_exist {
        return Err(no_table(&names.table).into());
    }
    make(connection, names).await?;
    look(connection, names).await?.ok_or_else(|| {
        let message = format!("table {} was made and is not there", names.table);
        Fault::Refused(reason(message))
    })
}

async fn look(connection: &Connection, names: &Names) -> Result<Option<Activity>, Fault> {
    let statement = connection.statement(COLUMNS).await?;
    let rows = connection.client.query(&statement, &[&names.table]).await?;
    let mut columns: Vec<(String, String, String)> = Vec::new();
    for row in rows {
        columns.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    if columns.is_empty() {
        return Ok(None);
    }
    for name in ["id", "payload"] {
        column(&columns, name, names)?;
    }
    let (_, kind, category) = column(&columns, "lastActivity", names)?;
    match (category.as_str(), kind.as_str()) {
        ("N", "bigint" | "numeric" | "double precision") => Ok(Some(Activity::Number)),
        ("S", _) => Ok(Some(Activity::Text)),
        _ => {
            let message = format!(
                "column \"lastActivity\" of table {table} is of type {kind}, which holds no milliseconds: ALTER TABLE {table} \
                 ALTER COLUMN \"lastActivity\" TYPE bigint",
                table = names.table
            );
            Err(Fault::Refused(reason(message)))
        }
    }
}

fn column<'c>(
    columns: &'c [(String, String, String)],
    name: &str,
    names: &Names,
) -> Result<&'c (String, String, String), Fault> {
    let found = columns.iter().find(|column| column.0 == name);
    found.ok_or_else(|| {
        let message = format!(
            "table {} has no column \"{name}\", spelt exactly so",
            names.table
        );
        Fault::Refused(reason(message))
    })
}

fn reason(message: String) -> Reason {
    Reason {
        message,
        code: None,
    }
}

/// Several processes may do so at the same time: each waits for the one before, and finds what it made.
async fn make(connection: &Connection, names: &Names) -> Result<(), Fault> {
    let mut sql = taking_turns();
    if let Some(schema) = &names.schema {
        let statement = connection.statement(HAS_SCHEMA).await?;
        let row = connection.client.query_one(&statement, &[schema]).await?;
        // Not asked of a user who may not make one, where there is one.
        if !row.try_get::<_, bool>(0)? {
            sql += &format!("CREATE SCHEMA IF NOT EXISTS {};", quote(schema));
        }
    }
    let Names { table, index, .. } = names;
    sql += &format!(
        r#"CREATE TABLE IF NOT EXISTS {table}
               ("id" text COLLATE "C" PRIMARY KEY, "payload" text, "lastActivity" bigint);
           CREATE INDEX IF NOT EXISTS {index} ON {table} ("lastActivity");"#
    );
    Ok(connection.client.batch_execute(&sql).await?)
}

/// What several processes do one after the other begins with it. Statements that are sent at once are one transaction, with
/// whose end the turn ends.
pub(super) fn taking_turns() -> String {
    format!("SELECT pg_advisory_xact_lock({MAKING});")
}
