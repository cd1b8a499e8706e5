//! The PostgreSQL driver: sessions in one table, shared by all hosts that reach the server.
//!
//! Decides which connection an operation runs on, and what is tried again on it. SQL is in `table`; what happens when a
//! connection ends, and time limits, are the matter of `remote`.

mod dial;
mod fault;
mod layout;
mod leases;
mod pool;
mod rows;
mod several;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::dial::{Connection, Dial};
use self::fault::Fault;
use self::layout::Names;
use self::pool::Pool;
use self::table::{Desk, Table};
use super::remote::{Failure, Outcome, Remote, Server as RemoteServer};
use super::together::Together;
use super::together::calls::{Change, Found, New};
use super::{Acquired, Bounds, Created, Owner, Page, Record, Removed, Replaced, Sweep, Touched};
use crate::clock::Millis;
use crate::config::{Server, TableName};
use crate::error::Result;
use crate::session_id::SessionId;

/// How often an operation is tried on one connection, where its table was missing or altered, or another transaction was
/// in the way.
const TRIES: usize = 4;
/// Payloads of more bytes are written by themselves.
const MOST_SHARED: usize = 64 * 1024;

/// Sessions in a table of a PostgreSQL database.
///
/// Shape: see the schema in `layout`. A table that is missing is made, with its schema, one that node-session filled is used
/// as it is. Connecting happens at the first use, and again at the next call when it failed. A table that somebody drops while
/// it is in use is made again by the next call, and is empty; one that is altered is looked at anew.
///
/// # Errors
///
/// `ERR_SESSION_READ` and `ERR_SESSION_WRITE` carry the server's own first line and its SQLSTATE.
///
/// Compat: `lib/handler/DatabaseSessionHandler.js`, over `sails-postgresql`.
struct Postgres {
    pool: Pool,
    names: Names,
    bounds: Bounds,
    /// The statements, once the table has been looked at.
    table: Mutex<Option<Arc<Table>>>,
    loads: Together<SessionId, Found>,
    creates: Together<New, ()>,
    replaces: Together<Change, ()>,
}

/// A driver for `table` on a server.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG` for certificates and keys that cannot be read.
pub(super) fn open(
    server: &Server,
    table: &TableName,
    bounds: Bounds,
) -> Result<Remote<impl RemoteServer + use<>>> {
    let patience = bounds.read_patience.min(bounds.write_patience).duration();
    let pool = Pool::new(Dial::new(server, bounds)?, server.pool_size, patience);
    let postgres = Postgres {
        pool,
        names: Names::new(table),
        bounds,
        table: Mutex::default(),
        loads: Together::default(),
        creates: Together::default(),
        replaces: Together::default(),
    };
    Ok(Remote::new(postgres, bounds))
}

impl Postgres {
    /// Runs an operation on a connection, and once more on the same where that may do better.
    async fn run<T, F>(&self, operation: impl Fn(Desk) -> F) -> Outcome<T>
    where
        F: Future<Output = std::result::Result<T, Fault>>,
    {
        let held = self.pool.take().await?;
        let Some(connection) = held.connection().cloned() else {
            return Err(Fault::Late.into());
        };
        let mut tries = 1;
        loop {
            let fault = match self.attempt(&connection, &operation).await {
                Ok(value) => {
                    drop(connection);
                    held.give_back();
                    return Ok(value);
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Missing(_) | Fault::Stale(_) if tries < TRIES => {
                    connection.forget();
                    *self.table() = None;
                }
                Fault::Clash(_) if tries < TRIES => {}
                fault => {
                    held.settle(&fault);
                    return Err(fault.into());
                }
            }
            tries += 1;
        }
    }

    /// Runs one statement for `calls` calls; none has an answer where the server refuses that.
    async fn run_several<T: Clone, F>(
        &self,
        calls: usize,
        operation: impl Fn(Desk) -> F,
    ) -> Outcome<Vec<Option<T>>>
    where
        F: Future<Output = std::result::Result<Vec<Option<T>>, Fault>>,
    {
        let refused = match self.run(operation).await {
            Err(Failure::Refused(reason)) if !fault::is_late(&reason) => reason,
            outcome => return outcome,
        };
        if fault::is_of_the_statement(&refused)
            && let Some(table) = &*self.table()
        {
            table.takes_several.store(false, Ordering::Relaxed);
        }
        Ok(vec![None; calls])
    }

    /// Whether calls may share a statement.
    fn shares(&self, payloads: &[&str]) -> bool {
        let is_short = |payload: &&str| payload.len() <= MOST_SHARED;
        let takes = |table: &Arc<Table>| table.takes_several.load(Ordering::Relaxed);
        payloads.iter().all(is_short) && self.table().as_ref().is_none_or(takes)
    }

    async fn attempt<T, F>(
        &self,
        connection: &Arc<Connection>,
        operation: &impl Fn(Desk) -> F,
    ) -> std::result::Result<T, Fault>
    where
        F: Future<Output = std::result::Result<T, Fault>>,
    {
        let known = self.table().clone();
        let table = match known {
            Some(table) => table,
            None => self.look(connection).await?,
        };
        let connection = connection.clone();
        operation(Desk { connection, table }).await
    }

    /// Finds out about the table, which is made where it is missing.
    async fn look(&self, connection: &Connection) -> std::result::Result<Arc<Table>, Fault> {
        let activity = layout::prepare(connection, &self.names).await?;
        let table = Table::new(&self.names, activity, self.bounds.max_payload, self.usual());
        let table = Arc::new(table);
        *self.table() = Some(table.clone());
        Ok(table)
    }

    fn usual(&self) -> Duration {
        dial::statement_time(self.bounds)
    }

    /// Held for a line at a time.
    fn table(&self) -> MutexGuard<'_, Option<Arc<Table>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RemoteServer for Postgres {
    const NAME: &'static str = "PostgreSQL";

    async fn load(&self, id: &SessionId, most: usize) -> Outcome<Option<Record>> {
        let several = async |ids: Vec<SessionId>| {
            let ids = &*ids;
            let load = |desk: Desk| async move { desk.load_several(ids).await };
            self.run_several(ids.len(), load).await
        };
        if most == self.bounds.max_payload
            && self.shares(&[])
            && let Some(found) = self.loads.ask(*id, several).await?
        {
            return found.map_err(Failure::Unusable);
        }
        self.run(async |desk| desk.load(id, most).await).await
    }

    async fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Outcome<Created> {
        let several = async |new: Vec<New>| {
            let new = &*new;
            let create = |desk: Desk| async move { desk.create_several(new).await };
            self.run_several(new.len(), create).await
        };
        if self.shares(&[payload]) {
            let new = New::of(id, payload, now);
            if let Some(()) = self.creates.ask(new, several).await? {
                return Ok(Created::Created);
            }
        }
        self.run(async |desk| desk.create(id, payload, now).await)
            .await
    }

    async fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Outcome<Replaced> {
        let several = async |changes: Vec<Change>| {
            let changes = &*changes;
            let replace = |desk: Desk| async move { desk.replace_several(changes).await };
            self.run_several(changes.len(), replace).await
        };
        if self.shares(&[expected, payload]) {
            let (new, expected) = (New::of(id, payload, now), expected.clone());
            let change = Change { new, expected };
            if let Some(()) = self.replaces.ask(change, several).await? {
                return Ok(Replaced::Replaced);
            }
        }
        let swap = self.run(async |desk| desk.replace(id, expected, payload, now).await);
        swap.await.map(Replaced::from)
    }

    async fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Outcome<Removed> {
        let swap = self.run(async |desk| desk.remove(id, expected).await);
        swap.await.map(Removed::from)
    }

    async fn touch(&self, id: &SessionId, now: Millis) -> Outcome<Touched> {
        self.run(async |desk| desk.touch(id, now).await).await
    }

    async fn destroy(&self, id: &SessionId) -> Outcome<()> {
        self.run(async |desk| desk.destroy(id).await).await
    }

    async fn sweep(&self, cutoff: Millis, limit: usize) -> Outcome<Sweep> {
        self.run(async |desk| desk.sweep(cutoff, limit).await).await
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Outcome<Page> {
        self.run(async |desk| desk.scan(after, limit).await).await
    }

    async fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        self.run(async |desk| desk.acquire(id, owner, lease, now).await)
            .await
    }

    async fn release(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        self.run(async |desk| desk.release(id, owner).await).await
    }
}
