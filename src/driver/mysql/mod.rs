//! Driver `database` over MySQL and MariaDB: one row a session, each change one statement that compares what it replaces.
//!
//! Runs on the pool's thread, over connections of its own (`connections.rs`). The statements and the table are in `table.rs`.
//! What is tried again when a connection broke is decided in `remote.rs`; a statement that lost against another transaction is
//! repeated here, where that is known.

mod connections;
mod dial;
mod fault;
mod leases;
mod several;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Value;
use tokio::time::sleep;

use self::connections::Connections;
use self::dial::Reply;
use self::fault::{Fault, Kind};
use self::several::Several;
use self::table::{Locks, Sessions, Stored};
use super::column::{self, Known, QUOTES, WORST_ESCAPE};
use super::remote::{Failure, Outcome, Server};
use super::together::calls::{Change, New};
use super::{Acquired, Bounds, Created, Owner, Page, Record, Removed, Replaced, Sweep, Touched};
use crate::clock::Millis;
use crate::config::{self, TableName};
use crate::error::{Code, Error};
use crate::session_id::SessionId;

/// How long a statement waits for a lock, as it is set on each connection.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// Longest pause before a statement that lost against another is repeated.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How often a payload may be found written in another way each time it is compared.
const SPELLINGS: usize = 10;

/// A table on a server.
pub(super) struct MySql {
    connections: Connections,
    sessions: Sessions,
    locks: Locks,
    several: Several,
    known: Known,
    bounds: Bounds,
}

/// What became of a compare and swap.
enum Swap {
    Done,
    Conflict(Arc<str>),
    Gone,
}

impl MySql {
    pub(super) fn new(server: &config::Server, table: &TableName, bounds: Bounds) -> Self {
        let patience = bounds.read_patience.min(bounds.write_patience);
        let sessions = Sessions::new(table);
        Self {
            connections: Connections::new(server, patience.duration()),
            several: Several::new(&sessions.name, table),
            sessions,
            locks: Locks::new(table),
            known: Known::default(),
            bounds,
        }
    }

    /// Runs one statement, again and again while other transactions are in its way.
    async fn ask(&self, sql: &str, values: &[Value]) -> Result<Reply, Fault> {
        let begun = Instant::now();
        let patience = self.bounds.write_patience.duration();
        let mut pause = Duration::from_millis(1);
        loop {
            let fault = match self.ask_once(sql, values.to_vec()).await {
                Ok(reply) => return Ok(reply),
                Err(fault) => fault,
            };
            match fault.kind {
                Kind::Again => {}
                Kind::Locked if begun.elapsed() + LOCK_WAIT < patience => {}
                _ => return Err(fault),
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }

    async fn ask_once(&self, sql: &str, values: Vec<Value>) -> Result<Reply, Fault> {
        let borrowed = self.connections.borrow().await;
        let mut borrowed = borrowed.map_err(Fault::unreached)?;
        let answer = match borrowed.open() {
            Some(open) => open.ask(sql, values).await,
            None => Err(Fault::refused("there is no connection", "ENOTCONN")),
        };
        match &answer {
            Ok(_) => borrowed.give_back(),
            Err(fault) => borrowed.settle(fault),
        }
        answer
    }

    /// The same; `make` makes the table that it needs where that is missing.
    async fn ask_made(&self, make: &str, sql: &str, values: &[Value]) -> Result<Reply, Fault> {
        match self.ask(sql, values).await {
            Err(fault) if fault.kind == Kind::NoTable => {
                self.ask(make, &[]).await?;
                self.ask(sql, values).await
            }
            answer => answer,
        }
    }

    /// A statement for the session table.
    async fn session(&self, sql: &str, values: &[Value]) -> Result<Reply, Fault> {
        let answer = match self.sessions.has_to_exist {
            true => self.ask(sql, values).await,
            false => self.ask_made(&self.sessions.make, sql, values).await,
        };
        answer.map_err(|mut fault| {
            match fault.kind {
                Kind::Narrow => {
                    fault.reason.message = self.sessions.widening(&fault.reason.message)
                }
                Kind::NoTable if self.sessions.has_to_exist => {
                    fault.kind = Kind::Absent;
                    fault.reason.message = self.sessions.name.clone();
                }
                _ => {}
            }
            fault
        })
    }

    async fn read(&self, id: &SessionId, most: usize) -> Outcome<Option<Stored>> {
        let longest = longest_column(most);
        let values = [longest.into(), text(id.as_str()), text(id.as_str())];
        let reply = self.session(&self.sessions.load, &values).await?;
        let row = reply.rows.into_iter().next();
        let stored = row.map(|row| Stored::of_row(row, longest));
        stored.transpose().map_err(Failure::Unusable)
    }

    /// Changes the row of `id` by `sql`, whose first values are `new`, if its payload is `expected`.
    async fn swap(
        &self,
        sql: &str,
        new: &[Value],
        id: &SessionId,
        (expected, column): (&Arc<str>, &str),
    ) -> Outcome<Swap> {
        let mut known = column.as_bytes().to_vec();
        for _ in 0..SPELLINGS {
            let mut values = new.to_vec();
            values.extend([text(id.as_str()), text(id.as_str()), Value::Bytes(known)]);
            if self.session(sql, &values).await?.found > 0 {
                return Ok(Swap::Done);
            }
            let Some(stored) = self.read(id, self.bounds.max_payload).await? else {
                return Ok(Swap::Gone);
            };
            let payload = stored.payload(self.bounds.max_payload, column::decode);
            let payload = payload.map_err(Failure::Unusable)?;
            if payload != *expected {
                return Ok(Swap::Conflict(payload));
            }
            // Somebody else has written the same in another way.
            known = stored.column;
        }
        let message = "a session's payload cannot be compared with what is stored";
        Err(Failure::Unusable(Error::new(Code::Write, message)))
    }
}

/// Most bytes of a column whose payload has at most so many.
fn longest_column(most: usize) -> i64 {
    let longest = most.saturating_mul(WORST_ESCAPE).saturating_add(QUOTES);
    i64::try_from(longest).unwrap_or(i64::MAX)
}

fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn rows(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

impl Server for MySql {
    const NAME: &'static str = "MySQL";

    async fn load(&self, id: &SessionId, most: usize) -> Outcome<Option<Record>> {
        let several = async |ids: Vec<SessionId>| self.load_several(&ids).await;
        if most == self.bounds.max_payload
            && self.several.takes(&[])
            && let Some(found) = self.several.loads.ask(*id, several).await?
        {
            return found.map_err(Failure::Unusable);
        }
        let Some(stored) = self.read(id, most).await? else {
            return Ok(None);
        };
        let record = stored.record(most, |column| self.known.decode(id, column));
        record.map(Some).map_err(Failure::Unusable)
    }

    async fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Outcome<Created> {
        let several = async |new: Vec<New>| self.create_several(&new).await;
        if self.several.takes(&[payload]) {
            let new = New::of(id, payload, now);
            if let Some(()) = self.several.creates.ask(new, several).await? {
                return Ok(Created::Created);
            }
        }
        let column = column::encode(payload).into_bytes();
        let values = [text(id.as_str()), Value::Bytes(column), now.0.into()];
        match self.session(&self.sessions.create, &values).await {
            Ok(_) => Ok(Created::Created),
            Err(fault) if fault.kind == Kind::Duplicate => Ok(Created::Exists),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Outcome<Replaced> {
        let several = async |changes: Vec<Change>| self.replace_several(&changes).await;
        if self.several.takes(&[expected, payload]) {
            let (new, expected) = (New::of(id, payload, now), expected.clone());
            let change = Change { new, expected };
            if let Some(()) = self.several.replaces.ask(change, several).await? {
                return Ok(Replaced::Replaced);
            }
        }
        let column = self.known.column(id, expected);
        let new = [text(&self.known.encode(id, payload)), now.0.into()];
        let swap = self.swap(&self.sessions.replace, &new, id, (expected, &column));
        Ok(match swap.await? {
            Swap::Done => Replaced::Replaced,
            Swap::Conflict(current) => Replaced::Conflict(current),
            Swap::Gone => Replaced::Gone,
        })
    }

    async fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Outcome<Removed> {
        let column = self.known.column(id, expected);
        let swap = self.swap(&self.sessions.remove, &[], id, (expected, &column));
        Ok(match swap.await? {
            Swap::Done => Removed::Removed,
            Swap::Conflict(current) => Removed::Conflict(current),
            Swap::Gone => Removed::Gone,
        })
    }

    async fn touch(&self, id: &SessionId, now: Millis) -> Outcome<Touched> {
        let this = [text(id.as_str()), text(id.as_str())];
        let [first, second] = this.clone();
        let values = [now.0.into(), first, second, now.0.into()];
        let moved = self.session(&self.sessions.touch, &values).await?.found > 0;
        let is_there = moved || {
            let reply = self.session(&self.sessions.exists, &this).await?;
            !reply.rows.is_empty()
        };
        Ok(match is_there {
            true => Touched::Touched,
            false => Touched::Gone,
        })
    }

    async fn destroy(&self, id: &SessionId) -> Outcome<()> {
        let this = [text(id.as_str()), text(id.as_str())];
        self.session(&self.sessions.destroy, &this).await?;
        Ok(())
    }

    async fn sweep(&self, cutoff: Millis, limit: usize) -> Outcome<Sweep> {
        let values = [cutoff.0.into(), rows(limit)];
        let found = self.session(&self.sessions.sweep, &values).await?.found;
        let removed = usize::try_from(found).unwrap_or(usize::MAX);
        let done = removed < limit;
        if done {
            // The records are gone already; leases that stay are removed by the next sweep.
            self.sweep_leases(cutoff, limit).await.ok();
        }
        Ok(Sweep { removed, done })
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Outcome<Page> {
        let reply = match after {
            None => self.session(&self.sessions.scan, &[rows(limit)]).await?,
            Some(after) => {
                let values = [text(after), rows(limit)];
                self.session(&self.sessions.scan_after, &values).await?
            }
        };
        let is_full = reply.rows.len() >= limit;
        let of = |mut row: mysql_async::Row| row.take_opt::<String, _>(0)?.ok();
        let ids: Vec<_> = reply.rows.into_iter().filter_map(of).collect();
        Ok(Page {
            next: ids
                .last()
                .filter(|_| is_full)
                .map(|last| last.as_str().into()),
            ids: ids.iter().filter_map(|id| SessionId::parse(id)).collect(),
        })
    }

    async fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        self.acquire_lease(id, owner, lease, now).await
    }

    async fn release(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        self.release_lease(id, owner).await
    }
}
