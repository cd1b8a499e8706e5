//! Leases of lock mode: a table beside the session table, made when the first lease is wanted.
//!
//! Runs on whatever thread calls it, on the session table's connection. Opens nothing.
//!
//! ```sql
//! CREATE TABLE "sessions_locks" (          -- the session table's name and `_locks`, in the same schema
//!   "id"    TEXT PRIMARY KEY NOT NULL,     -- the 40 characters
//!   "owner" TEXT NOT NULL,                 -- 32 digits of 0-9 a-f: one request of one process
//!   "until" BIGINT NOT NULL                -- the lease's end, milliseconds since 1970-01-01 UTC
//! ) WITHOUT ROWID
//! ```

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::failure::{Failure, Outcome};
use crate::clock::Millis;
use crate::driver::lease::Lease;
use crate::driver::{Acquired, Owner};
use crate::session_id::SessionId;

// `{table}` stands for the quoted name.

const MAKE: &str = r#"CREATE TABLE IF NOT EXISTS {table}
    ("id" TEXT PRIMARY KEY NOT NULL, "owner" TEXT NOT NULL, "until" BIGINT NOT NULL) WITHOUT ROWID"#;
const LATEST: &str = r#"SELECT "owner", "until" FROM {table} WHERE "id" = ?1"#;
const GRANT: &str =
    r#"INSERT OR REPLACE INTO {table} ("id", "owner", "until") VALUES (?1, ?2, ?3)"#;
const RELEASE: &str = r#"DELETE FROM {table} WHERE "id" = ?1 AND "owner" = ?2"#;
const SWEEP: &str = r#"DELETE FROM {table} WHERE "until" < ?1"#;

/// The statements for the table of leases.
#[derive(Debug)]
pub(super) struct Leases {
    make: String,
    latest: String,
    grant: String,
    release: String,
    sweep: String,
}

impl Leases {
    /// The table of that (quoted) name, which need not be there.
    pub(super) fn new(quoted: &str) -> Self {
        let sql = |text: &str| text.replace("{table}", quoted);
        Self {
            make: sql(MAKE),
            latest: sql(LATEST),
            grant: sql(GRANT),
            release: sql(RELEASE),
            sweep: sql(SWEEP),
        }
    }

    pub(super) fn acquire(
        &self,
        connection: &Connection,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        let wish = |latest: Option<Lease>| {
            latest.map_or(Acquired::Granted, |latest| latest.acquired(owner, now))
        };
        // Whoever waits asks often, and must not keep writers out each time.
        let glance = match self.latest(connection, id) {
            Err(failure) if failure.lacks_table() => {
                connection.execute_batch(&self.make)?;
                None
            }
            glance => glance?,
        };
        if let Acquired::Held(until) = wish(glance) {
            return Ok(Acquired::Held(until));
        }
        let alone = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let acquired = wish(self.latest(connection, id)?);
        if !matches!(acquired, Acquired::Held(_)) {
            let values = params![id.as_str(), owner.to_string(), (now + lease).0];
            connection.prepare_cached(&self.grant)?.execute(values)?;
            alone.commit()?;
        }
        Ok(acquired)
    }

    pub(super) fn release(
        &self,
        connection: &Connection,
        id: &SessionId,
        owner: Owner,
    ) -> Outcome<()> {
        let values = params![id.as_str(), owner.to_string()];
        if_there(connection.prepare_cached(&self.release), |mut statement| {
            statement.execute(values)
        })
    }

    /// Removes the leases that ended before `cutoff`.
    pub(super) fn sweep(&self, connection: &Connection, cutoff: Millis) -> Outcome<()> {
        if_there(connection.prepare_cached(&self.sweep), |mut statement| {
            statement.execute([cutoff.0])
        })
    }

    fn latest(&self, connection: &Connection, id: &SessionId) -> Outcome<Option<Lease>> {
        let mut statement = connection.prepare_cached(&self.latest)?;
        let row = statement.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
        let row: Option<(String, i64)> = row.optional()?;
        // An owner that is none of ours holds nothing.
        let lease = |(owner, until): (String, i64)| {
            let until = Millis(until);
            Owner::parse(&owner).map(|owner| Lease { owner, until })
        };
        Ok(row.and_then(lease))
    }
}

/// Runs a statement that has nothing to do when the table is missing.
fn if_there<S>(
    prepared: rusqlite::Result<S>,
    run: impl FnOnce(S) -> rusqlite::Result<usize>,
) -> Outcome<()> {
    match prepared.and_then(run).map_err(Failure::from) {
        Err(failure) if !failure.lacks_table() => Err(failure),
        _ => Ok(()),
    }
}
