//! The Redis driver, for Redis and Valkey: one server, the one that sentinels name, or a cluster.
//!
//! Knows how a record and a lease stand in a key. What all drivers of servers share is in `remote.rs`.
//!
//! | key | type | holds | lives |
//! |---|---|---|---|
//! | `<prefix><id>` | hash | `payload`: the stored text, UTF-8; `lastActivity`: decimal, ms since 1970 by the application's clock | the idle timeout and a minute; as much longer as `lastActivity` lies ahead |
//! | `<prefix>lock:<id>` | string | the owner, 32 digits of `0-9 a-f`; a space; the lease's end, decimal, ms | the lease and a minute |
//!
//! The server's clock removes keys, a minute late, so that clocks may differ; whether a record is idle is told by
//! `lastActivity` alone. Every change is one script on one key, hence atomic, and fit for a cluster.

mod call;
mod cluster;
mod dial;
mod fault;
mod link;
mod nodes;
mod policy;
mod resp;
mod scripts;
mod sentinel;
#[cfg(test)]
mod tests;
mod value;
mod walk;
mod wire;

use std::sync::Arc;

use self::call::{Call, Key};
use self::dial::Access;
use self::fault::Fault;
use self::link::Common;
use self::nodes::Nodes;
use self::policy::Policy;
use self::resp::{Part, Value};
use self::value::{number_of, parts, payload_of, text_of};
use self::walk::{Pass, Place};
use super::remote::{Failure, Outcome, Remote, Server, Visit, too_large};
use super::tls;
use super::{
    Acquired, Bounds, Created, Owner, Page, Record, Removed, Replaced, Sweep, Touched, Visited,
    foreign_cursor,
};
use crate::clock::Millis;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

/// How much longer than a record, or a lease, its key lives.
const GRACE: Millis = Millis(60_000);
/// Longest time that a key lives: a hundred years, which the server can still count.
const LONGEST: Millis = Millis(100 * 365 * 86_400_000);
/// What an answer may have beside a payload: a page of keys, or what a server tells of itself or of its cluster. Units: bytes.
const BESIDE: usize = 4 << 20;
/// Shortest and longest time that an attempt to connect may take. Units: milliseconds.
const CONNECT: (i64, i64) = (250, 5_000);

/// The driver for a connection's options.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG` for certificates that cannot be used. Nothing is connected before the first call.
pub(super) fn open(options: &config::Redis, bounds: Bounds) -> Result<Remote<RedisServer>> {
    Ok(Remote::new(server(options, bounds)?, bounds))
}

fn server(options: &config::Redis, bounds: Bounds) -> Result<RedisServer> {
    if let Some(tls) = &options.tls {
        tls::client_config(tls)?;
    }
    let patience = Millis((bounds.read_patience.0 / 2).clamp(CONNECT.0, CONNECT.1));
    let policy = Policy::default();
    let common = Common {
        access: Access {
            user: options.user.clone(),
            password: options.password.clone(),
            database: options.database,
            tls: options.tls.clone(),
            patience: patience.duration(),
            longest: bounds.max_payload.saturating_add(BESIDE),
        },
        policy: policy.clone(),
    };
    Ok(RedisServer {
        nodes: Nodes::new(&options.topology, common),
        pattern: walk::pattern(&options.prefix),
        prefix: options.prefix.clone(),
        lives: lives(bounds.idle_timeout),
        most: bounds.max_payload,
        pass: Pass::default(),
        policy,
    })
}

/// How long a key lives whose content ends after `time`.
fn lives(time: Millis) -> Millis {
    (time + GRACE).min(LONGEST)
}

/// The servers, and what the records are called there.
#[derive(Debug)]
pub(super) struct RedisServer {
    nodes: Nodes,
    prefix: String,
    /// What `SCAN` has to match.
    pattern: String,
    /// How long the key of a record lives.
    lives: Millis,
    /// The largest payload that comes over the network. Units: bytes.
    most: usize,
    pass: Pass,
    policy: Policy,
}

/// What a swap of what is expected came to.
enum Swapped {
    Done,
    Gone,
    Conflict(Arc<str>),
}

impl RedisServer {
    fn key<'t>(&'t self, id: &'t SessionId) -> Key<'t> {
        Key::of_record(&self.prefix, id)
    }

    fn lock_key<'t>(&'t self, id: &'t SessionId) -> Key<'t> {
        Key::of_lease(&self.prefix, id)
    }

    /// What a call for a record or a lease gives.
    async fn run(&self, call: &Call<'_>) -> Outcome<Value> {
        let given = self.nodes.run(call).await;
        given.map_err(|fault| match fault {
            // Of our commands only those on hashes and strings can say so: the key is none of ours.
            Fault::Said(said) if said.code == "WRONGTYPE" => corrupt(),
            fault => fault.into_failure(),
        })
    }

    async fn swap(&self, call: &Call<'_>) -> Outcome<Swapped> {
        match self.run(call).await? {
            Value::Int(0) => Ok(Swapped::Gone),
            Value::Int(1) => Ok(Swapped::Done),
            Value::Int(2) => Err(Failure::Unusable(too_large(self.most))),
            stored => payload_of(stored)
                .map(Swapped::Conflict)
                .ok_or_else(corrupt),
        }
    }
}

/// The record in what a key's reading gives, unless its payload has more than `most` bytes.
fn record(read: Value, most: usize) -> Outcome<Option<Record>> {
    let Some([payload, last_activity]) = parts(read) else {
        return Err(corrupt());
    };
    if matches!((&payload, &last_activity), (Value::Nil, Value::Nil)) {
        return Ok(None);
    }
    let is_too_large = match &payload {
        Value::Text(text) => text.len() > most,
        other => *other == Value::TooLong,
    };
    if is_too_large {
        return Err(Failure::Unusable(too_large(most)));
    }
    let found = payload_of(payload).zip(number_of(&last_activity));
    let (payload, last_activity) = found.ok_or_else(corrupt)?;
    Ok(Some(Record {
        payload,
        last_activity: Millis(last_activity),
    }))
}

fn corrupt() -> Failure {
    let message = "what is stored in Redis is no session";
    Failure::Unusable(Error::new(Code::Corrupt, message))
}

impl Server for RedisServer {
    const NAME: &'static str = "Redis";
    const IS_ASKED_IN_PLACE: bool = true;

    async fn load(&self, id: &SessionId, most: usize) -> Outcome<Option<Record>> {
        let key = self.key(id);
        record(self.run(&Call::read(key)).await?, most)
    }

    async fn visit(&self, id: &SessionId, most: usize, visit: Visit) -> Outcome<Option<Visited>> {
        let key = self.key(id);
        let call = {
            let [now, live, due] = [visit.now, visit.live_from, visit.due_to].map(Part::from);
            let arguments = [now, live, due, self.lives.into(), most.into()];
            Call::read_and_run(&scripts::RECORD, key, &arguments)
        };
        let given = self.run(&call).await?;
        let [read, recorded] = parts(given).ok_or_else(corrupt)?;
        let visited = |record| Visited {
            record,
            is_recorded: recorded == Value::Int(1),
        };
        Ok(record(read, most)?.map(visited))
    }

    async fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Outcome<Created> {
        let key = self.key(id);
        let arguments = [Part::Text(payload), now.into(), self.lives.into()];
        let made = self
            .run(&Call::run(&scripts::CREATE, key, &arguments))
            .await?;
        Ok(match made {
            Value::Int(1) => Created::Created,
            _ => Created::Exists,
        })
    }

    async fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Outcome<Replaced> {
        let key = self.key(id);
        let call = {
            let [expected, payload] = [expected, payload].map(|text| Part::Text(text));
            let [now, lives] = [now, self.lives].map(Part::from);
            let arguments = [expected, payload, now, lives, self.most.into()];
            Call::run(&scripts::REPLACE, key, &arguments)
        };
        let swapped = self.swap(&call).await?;
        Ok(match swapped {
            Swapped::Done => Replaced::Replaced,
            Swapped::Gone => Replaced::Gone,
            Swapped::Conflict(stored) => Replaced::Conflict(stored),
        })
    }

    async fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Outcome<Removed> {
        let key = self.key(id);
        let arguments = [Part::Text(expected), self.most.into()];
        let swapped = self
            .swap(&Call::run(&scripts::REMOVE, key, &arguments))
            .await?;
        Ok(match swapped {
            Swapped::Done => Removed::Removed,
            Swapped::Gone => Removed::Gone,
            Swapped::Conflict(stored) => Removed::Conflict(stored),
        })
    }

    async fn touch(&self, id: &SessionId, now: Millis) -> Outcome<Touched> {
        let key = self.key(id);
        let arguments = [now, self.lives].map(Part::from);
        let touched = self
            .run(&Call::run(&scripts::TOUCH, key, &arguments))
            .await?;
        Ok(match touched {
            Value::Int(1) => Touched::Touched,
            _ => Touched::Gone,
        })
    }

    async fn destroy(&self, id: &SessionId) -> Outcome<()> {
        let key = self.key(id);
        self.run(&Call::run(&scripts::DESTROY, key, &[])).await?;
        Ok(())
    }

    async fn sweep(&self, cutoff: Millis, limit: usize) -> Outcome<Sweep> {
        let swept = self.sweep_on(cutoff, limit).await;
        swept.map_err(Fault::into_failure)
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Outcome<Page> {
        let place = match after.map(Place::parse) {
            None => Place::default(),
            Some(Some(place)) => place,
            Some(None) => return Err(Failure::Unusable(foreign_cursor())),
        };
        let page = self.page(place, limit).await;
        let (ids, next) = page.map_err(Fault::into_failure)?;
        let next = next.map(|place| place.to_string().into());
        Ok(Page { ids, next })
    }

    fn expires_by_itself(&self) -> bool {
        true
    }

    fn take_warning(&self) -> Option<String> {
        self.policy.take_warning()
    }

    async fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        let (key, owner) = (self.lock_key(id), owner.to_string());
        let [now, ends, lives] = [now, now + lease, lives(lease)].map(Part::from);
        let arguments = [Part::Text(&owner), now, ends, lives];
        match self
            .run(&Call::run(&scripts::ACQUIRE, key, &arguments))
            .await?
        {
            Value::Int(0) => Ok(Acquired::Granted),
            Value::Int(1) => Ok(Acquired::Kept),
            held => {
                let until = text_of(&held).and_then(|until| until.parse().ok());
                until
                    .map(|until| Acquired::Held(Millis(until)))
                    .ok_or_else(corrupt)
            }
        }
    }

    async fn release(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        let (key, owner) = (self.lock_key(id), owner.to_string());
        self.run(&Call::run(&scripts::RELEASE, key, &[Part::Text(&owner)]))
            .await?;
        Ok(())
    }
}
