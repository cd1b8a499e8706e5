//! The table: each operation of the contract as SQL on one connection.
//!
//! Retries nothing that a connection broke, and opens none. Each change is one statement, which the server does whole or
//! not at all.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio_postgres::Row as PgRow;
use tokio_postgres::types::{FromSql, ToSql};

use super::dial::{Connection, allow};
use super::fault::Fault;
use super::layout::{Activity, Names};
use super::leases::Leases;
use super::rows::{Row, Swap, longest_column, swap};
use super::several::Several;
use crate::clock::Millis;
use crate::driver::column::{self, Known};
use crate::driver::{Acquired, Created, Cursor, Owner, Page, Record, Sweep, Touched};
use crate::session_id::SessionId;

// `{table}` stands for the quoted name, `{this}` for the condition that picks the row of id $1, `{activity}` for the time as
// a number.

/// Compared twice: as the column was declared, so that its index is used, and byte by byte.
const THIS: &str = r#""id" = $1 AND "id"::text COLLATE "C" = $1::text"#;

/// A payload longer than $2 bytes is measured, but not sent.
const LOAD: &str = r#"SELECT octet_length("payload")::bigint, CASE WHEN octet_length("payload") <= $2::bigint
    THEN "payload"::text END, "lastActivity"::text FROM {table} WHERE {this}"#;
/// Needs no unique index to tell that the id is there, and heeds one that calls two ids equal.
const CREATE: &str = r#"INSERT INTO {table} ("id", "payload", "lastActivity") SELECT $1::text, $2::text, $3::bigint
    WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {this}) ON CONFLICT DO NOTHING"#;
const REPLACE: &str = r#"UPDATE {table} SET "payload" = $2, "lastActivity" = $3::bigint
    WHERE {this} AND "payload"::text COLLATE "C" = $4::text"#;
const REMOVE: &str =
    r#"DELETE FROM {table} WHERE {this} AND "payload"::text COLLATE "C" = $2::text"#;
const TOUCH: &str = r#"UPDATE {table} SET "lastActivity" = $2::bigint
    WHERE {this} AND coalesce({activity}, 0) < $2::bigint"#;
const EXISTS: &str = r#"SELECT 1 FROM {table} WHERE {this}"#;
const DESTROY: &str = r#"DELETE FROM {table} WHERE {this}"#;
/// Waits for nobody. The second look at the time spares a row whose id is equal in another way.
const SWEEP: &str = r#"DELETE FROM {table} WHERE {activity} < $1::bigint AND "id" = ANY (ARRAY(
    SELECT "id" FROM {table} WHERE {activity} < $1::bigint LIMIT $2::bigint FOR UPDATE SKIP LOCKED))"#;
const SCAN: &str =
    r#"SELECT "id"::text FROM {table} WHERE "id" > $1 ORDER BY "id" LIMIT $2::bigint"#;

/// A text that holds something else than a number has no time.
const TEXT_AS_NUMBER: &str =
    r#"CASE WHEN "lastActivity" ~ '^[0-9]{1,18}$' THEN "lastActivity"::bigint END"#;

/// The statements for a table of a certain layout.
pub(super) struct Table {
    load: String,
    create: String,
    replace: String,
    remove: String,
    touch: String,
    exists: String,
    destroy: String,
    sweep: String,
    scan: String,
    leases: Leases,
    /// The statements for several rows, and whether the table's columns take them.
    pub(super) several: Several,
    pub(super) takes_several: AtomicBool,
    pub(super) known: Known,
    pub(super) most: usize,
    /// How long a statement may take, and how long a step of a sweep may.
    usual: Duration,
    sweeping: Duration,
}

impl Table {
    /// `most` is the largest payload in bytes.
    pub(super) fn new(names: &Names, activity: Activity, most: usize, usual: Duration) -> Self {
        let activity = match activity {
            Activity::Number => r#""lastActivity""#,
            Activity::Text => TEXT_AS_NUMBER,
        };
        let sql = |text: &str| {
            let text = text.replace("{table}", &names.table);
            text.replace("{this}", THIS).replace("{activity}", activity)
        };
        Self {
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
            remove: sql(REMOVE),
            touch: sql(TOUCH),
            exists: sql(EXISTS),
            destroy: sql(DESTROY),
            sweep: sql(SWEEP),
            scan: sql(SCAN),
            leases: Leases::new(&names.locks),
            several: Several::new(&names.table),
            takes_several: AtomicBool::new(true),
            known: Known::default(),
            most,
            usual,
            sweeping: usual.max(Duration::from_secs(20)),
        }
    }
}

type Outcome<T> = Result<T, Fault>;
pub(super) type Value<'v> = &'v (dyn ToSql + Sync);

/// A table, over a connection.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) connection: Arc<Connection>,
    pub(super) table: Arc<Table>,
}

impl Desk {
    pub(super) async fn load(&self, id: &SessionId, most: usize) -> Outcome<Option<Record>> {
        let rows = self.rows(id, most).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let unwrap = |column: &[u8]| self.table.known.decode(id, column);
        Ok(Some(to_row::<&str>(row)?.record(most, unwrap)?))
    }

    pub(super) async fn create(
        &self,
        id: &SessionId,
        payload: &str,
        now: Millis,
    ) -> Outcome<Created> {
        let payload = column::encode(payload);
        let values: [Value; 3] = [&id.as_str(), &payload, &now.0];
        Ok(match self.execute(&self.table.create, &values).await? {
            0 => Created::Exists,
            _ => Created::Created,
        })
    }

    pub(super) async fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Outcome<Swap> {
        let known = &self.table.known;
        let (column, payload) = (known.column(id, expected), known.encode(id, payload));
        let write = async |stored: String| {
            let values: [Value; 4] = [&id.as_str(), &&*payload, &now.0, &stored];
            self.execute(&self.table.replace, &values).await
        };
        let look = || self.look(id, self.table.most);
        swap((expected, &column), self.table.most, write, look).await
    }

    pub(super) async fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Outcome<Swap> {
        let column = self.table.known.column(id, expected);
        let write = async |stored: String| {
            let values: [Value; 2] = [&id.as_str(), &stored];
            self.execute(&self.table.remove, &values).await
        };
        let look = || self.look(id, self.table.most);
        swap((expected, &column), self.table.most, write, look).await
    }

    pub(super) async fn touch(&self, id: &SessionId, now: Millis) -> Outcome<Touched> {
        let values: [Value; 2] = [&id.as_str(), &now.0];
        if self.execute(&self.table.touch, &values).await? > 0 {
            return Ok(Touched::Touched);
        }
        let rows = self.query(&self.table.exists, &[&id.as_str()]).await?;
        Ok(match rows.is_empty() {
            true => Touched::Gone,
            false => Touched::Touched,
        })
    }

    pub(super) async fn destroy(&self, id: &SessionId) -> Outcome<()> {
        self.execute(&self.table.destroy, &[&id.as_str()]).await?;
        Ok(())
    }

    /// A table without an index on `lastActivity` is read from end to end, which may take longer than a request waits.
    pub(super) async fn sweep(&self, cutoff: Millis, limit: usize) -> Outcome<Sweep> {
        let client = &self.connection.client;
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        client.batch_execute(&allow(self.table.sweeping)).await?;
        let swept = self.execute(&self.table.sweep, &[&cutoff.0, &rows]).await;
        let is_last = swept.as_ref().is_ok_and(|removed| *removed < rows as u64);
        if is_last {
            // The records are gone already; leases that stay are removed by the next sweep.
            self.table.leases.sweep(self, cutoff).await.ok();
        }
        client.batch_execute(&allow(self.table.usual)).await?;
        Ok(Sweep {
            removed: usize::try_from(swept?).unwrap_or(usize::MAX),
            done: is_last,
        })
    }

    pub(super) async fn scan(&self, after: Option<&str>, limit: usize) -> Outcome<Page> {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: [Value; 2] = [&after.unwrap_or(""), &most];
        let rows = self.query(&self.table.scan, &values).await?;
        let mut ids = Vec::with_capacity(rows.len());
        let mut last: Option<Cursor> = None;
        for row in &rows {
            let id: String = row.try_get(0)?;
            ids.extend(SessionId::parse(&id));
            last = Some(id.into());
        }
        let next = last.filter(|_| rows.len() >= limit);
        Ok(Page { ids, next })
    }

    pub(super) async fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        self.table.leases.acquire(self, id, owner, lease, now).await
    }

    pub(super) async fn release(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        self.table.leases.release(self, id, owner).await
    }

    async fn look(&self, id: &SessionId, most: usize) -> Outcome<Option<Row<String>>> {
        let rows = self.rows(id, most).await?;
        rows.first().map(to_row).transpose()
    }

    async fn rows(&self, id: &SessionId, most: usize) -> Outcome<Vec<PgRow>> {
        let longest = longest_column(most);
        let values: [Value; 2] = [&id.as_str(), &longest];
        self.query(&self.table.load, &values).await
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Outcome<u64> {
        let statement = self.connection.statement(sql).await?;
        Ok(self.connection.client.execute(&statement, values).await?)
    }

    pub(super) async fn query(&self, sql: &str, values: &[Value<'_>]) -> Outcome<Vec<PgRow>> {
        let statement = self.connection.statement(sql).await?;
        Ok(self.connection.client.query(&statement, values).await?)
    }
}

pub(super) fn to_row<'r, C: FromSql<'r>>(row: &'r PgRow) -> Outcome<Row<C>> {
    Ok(Row {
        length: row.try_get(0)?,
        column: row.try_get(1)?,
        last_activity: row.try_get(2)?,
    })
}
