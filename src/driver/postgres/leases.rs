//! Leases of lock mode: a table beside the session table, made when the first lease is wanted.
//!
//! ```sql
//! CREATE TABLE "sessions_locks" (               -- the session table's name and `_locks`, in the same schema
//!   "id"    text COLLATE "C" PRIMARY KEY,       -- the 40 characters
//!   "owner" text NOT NULL,                      -- 32 digits of 0-9 a-f: one request of one process
//!   "until" bigint NOT NULL,                    -- the lease's end, milliseconds since 1970-01-01 UTC
//!   "kept"  boolean NOT NULL DEFAULT false      -- whether whoever asked last had it already
//! )
//! ```

use super::fault::Fault;
use super::layout::taking_turns;
use super::table::Desk;
use crate::clock::Millis;
use crate::driver::{Acquired, Owner};
use crate::session_id::SessionId;

// `{table}` stands for the quoted name.

const MAKE: &str = r#"CREATE TABLE IF NOT EXISTS {table} ("id" text COLLATE "C" PRIMARY KEY, "owner" text NOT NULL,
    "until" bigint NOT NULL, "kept" boolean NOT NULL DEFAULT false)"#;
/// Whoever waits asks often, and locks no row by that: only who may get the lease writes. What is written is decided by the
/// row as it is then, whatever `latest` has seen.
const ACQUIRE: &str = r#"WITH latest AS (SELECT "owner", "until" FROM {table} WHERE "id" = $1::text),
    granted AS (INSERT INTO {table} AS held ("id", "owner", "until")
        SELECT $1::text, $2::text, $3::bigint
        WHERE NOT EXISTS (SELECT 1 FROM latest WHERE "owner" <> $2::text AND "until" > $4::bigint)
        ON CONFLICT ("id") DO UPDATE SET "owner" = excluded."owner", "until" = excluded."until",
            "kept" = held."owner" = excluded."owner"
        WHERE held."owner" = excluded."owner" OR held."until" <= $4::bigint
        RETURNING "kept")
    SELECT (SELECT "kept" FROM granted), (SELECT "until" FROM latest)"#;
const RELEASE: &str = r#"DELETE FROM {table} WHERE "id" = $1::text AND "owner" = $2::text"#;
const SWEEP: &str = r#"DELETE FROM {table} WHERE "id" = ANY (ARRAY(
    SELECT "id" FROM {table} WHERE "until" < $1::bigint FOR UPDATE SKIP LOCKED))"#;

/// The statements for the table of leases.
pub(super) struct Leases {
    make: String,
    acquire: String,
    release: String,
    sweep: String,
}

impl Leases {
    /// The table of that (quoted) name, which need not be there.
    pub(super) fn new(quoted: &str) -> Self {
        let sql = |text: &str| text.replace("{table}", quoted);
        Self {
            make: taking_turns() + &sql(MAKE),
            acquire: sql(ACQUIRE),
            release: sql(RELEASE),
            sweep: sql(SWEEP),
        }
    }

    pub(super) async fn acquire(
        &self,
        desk: &Desk,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Result<Acquired, Fault> {
        loop {
            let acquired = match self.ask(desk, id, owner, lease, now).await {
                Err(Fault::Missing(_)) => {
                    desk.connection.client.batch_execute(&self.make).await?;
                    self.ask(desk, id, owner, lease, now).await?
                }
                acquired => acquired?,
            };
            // Somebody else was quicker, after this statement had looked: the next one sees who.
            if let Some(acquired) = acquired {
                return Ok(acquired);
            }
        }
    }

    async fn ask(
        &self,
        desk: &Desk,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Result<Option<Acquired>, Fault> {
        let until = now + lease;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&id.as_str(), &owner.to_string(), &until.0, &now.0];
        let rows = desk.query(&self.acquire, &values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (kept, latest): (Option<bool>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(match (kept, latest) {
            (Some(true), _) => Some(Acquired::Kept),
            (Some(false), _) => Some(Acquired::Granted),
            (None, Some(until)) if until > now.0 => Some(Acquired::Held(Millis(until))),
            (None, _) => None,
        })
    }

    pub(super) async fn release(
        &self,
        desk: &Desk,
        id: &SessionId,
        owner: Owner,
    ) -> Result<(), Fault> {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&id.as_str(), &owner.to_string()];
        if_there(desk.execute(&self.release, &values).await)
    }

    /// Removes the leases that ended before `cutoff`.
    pub(super) async fn sweep(&self, desk: &Desk, cutoff: Millis) -> Result<(), Fault> {
        if_there(desk.execute(&self.sweep, &[&cutoff.0]).await)
    }
}

/// Where the table is missing there is nothing to do.
fn if_there(outcome: Result<u64, Fault>) -> Result<(), Fault> {
    match outcome {
        Ok(_) | Err(Fault::Missing(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}
