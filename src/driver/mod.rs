//! THE CONTRACT: what a storage driver must do, and the table of those that are built in.
//!
//! A driver keeps records: an id, a payload and the instant of the last activity. It knows nothing of attributes,
//! flash data, cookies or encryption, and it never merges or retries: the manager does that, once for all drivers.

mod column;
#[cfg(test)]
pub(crate) mod conformance;
#[cfg(feature = "faults")]
pub mod faulty;
#[cfg(unix)]
pub mod file;
pub mod handler;
mod lease;
pub mod memory;
#[cfg(feature = "mysql")]
mod mysql;
mod pace;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod presence;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "network")]
mod remote;
pub mod sqlite;
#[cfg(feature = "network")]
mod tls;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod together;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::clock::Millis;
use crate::config::{Config, Connection, Engine, TouchDefault};
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

pub use lease::{Acquired, Owner};

#[cfg(test)]
pub(crate) use conformance::conformance;

/// A row of the table of drivers.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// What option `driver` calls it.
    pub name: &'static str,
    /// The engine that option `connection` has to lead to, where it takes a connection.
    pub engine: Option<Engine>,
    /// How often it prefers to record activity.
    pub touch: TouchDefault,
    /// Makes one.
    pub make: fn(&Config, Bounds) -> Result<Box<dyn Driver>>,
}

/// The drivers there are.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "memory",
        engine: None,
        touch: TouchDefault::EveryRequest,
        make: |config, bounds| Ok(Box::new(memory::Memory::new(bounds, config.max_sessions))),
    },
    #[cfg(unix)]
    BuiltIn {
        name: "file",
        engine: None,
        touch: TouchDefault::EveryRequest,
        make: |config, bounds| {
            Ok(Box::new(file::FileDriver::new(
                &config.files,
                bounds,
                config.durability,
            )))
        },
    },
    BuiltIn {
        name: "database",
        engine: Some(Engine::Sqlite),
        touch: TouchDefault::Seldom,
        make: |config, bounds| {
            let database = config.database.clone()?;
            let Connection::Sqlite(filename) = &database.connection else {
                return Err(misled());
            };
            Ok(Box::new(sqlite::Sqlite::over(
                filename,
                &database.table,
                bounds,
                config.durability,
            )))
        },
    },
    #[cfg(feature = "mysql")]
    BuiltIn {
        name: "database",
        engine: Some(Engine::MySql),
        touch: TouchDefault::Seldom,
        make: |config, bounds| {
            let database = config.database.clone()?;
            let Connection::MySql(server) = &database.connection else {
                return Err(misled());
            };
            let server = mysql::MySql::new(server, &database.table, bounds);
            Ok(Box::new(remote::Remote::new(server, bounds)))
        },
    },
    #[cfg(feature = "postgres")]
    BuiltIn {
        name: "database",
        engine: Some(Engine::Postgres),
        touch: TouchDefault::Seldom,
        make: |config, bounds| {
            let database = config.database.clone()?;
            let Connection::Postgres(server) = &database.connection else {
                return Err(misled());
            };
            Ok(Box::new(postgres::open(server, &database.table, bounds)?))
        },
    },
    #[cfg(feature = "redis")]
    BuiltIn {
        name: "redis",
        engine: Some(Engine::Redis),
        touch: TouchDefault::EveryRequest,
        make: |config, bounds| {
            let Connection::Redis(options) = &config.database.clone()?.connection else {
                return Err(misled());
            };
            Ok(Box::new(redis::open(options, bounds)?))
        },
    },
];

/// The error where a table is missing and has to be there already.
fn no_table(name: impl fmt::Display) -> Error {
    Error::new(Code::Config, format!("there is no table {name}"))
}

/// A row of the table was asked for with another engine's connection.
fn misled() -> Error {
    Error::new(
        Code::Internal,
        "a driver was given another engine's connection",
    )
}

/// The built-in driver that option `driver` names, for the engine that option `connection` leads to. Its first letter may
/// be upper-case, and `native` is another name of `file`.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG` for any other name. Compat: `__createDriver` in `lib/SessionManager.js`, word for word.
pub fn find(config: &Config) -> Result<&'static BuiltIn> {
    let name = &config.driver;
    let mut known = name.to_owned();
    if let Some(first) = known.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let engine = match known.as_str() {
        "database" | "redis" => Some(config.database.clone()?.connection.engine()),
        _ => None,
    };
    let known = if known == "native" { "file" } else { &known };
    let is_it = |driver: &&BuiltIn| match engine {
        Some(_) => driver.engine == engine,
        None => driver.engine.is_none() && driver.name == known,
    };
    let unknown = || Error::new(Code::Config, format!("Driver {name} not supported."));
    BUILT_IN.iter().find(is_it).ok_or_else(unknown)
}

/// Whether the certificates and keys that the configured driver was given can be read, so far as that is known before it is
/// used.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG` names the part of `connection.ssl`.
pub fn check(config: &Config) -> Result<()> {
    let Ok(BuiltIn {
        engine: Some(_), ..
    }) = find(config)
    else {
        return Ok(());
    };
    match config.database.as_ref().map(|it| it.connection.tls()) {
        #[cfg(feature = "network")]
        Ok(Some(tls)) => tls::client_config(tls).map(drop),
        _ => Ok(()),
    }
}

/// The driver as it is used: itself, but with the feature `faults` one whose operations panic where a test says so.
pub fn as_tested(driver: Rc<dyn Driver>) -> Rc<dyn Driver> {
    #[cfg(feature = "faults")]
    let driver = Rc::new(faulty::Faulty(driver));
    driver
}

/// What an acknowledged write survives, for drivers that keep files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however sudden. A power loss can undo the writes of the last seconds, and a file that was
    /// written in the last of them can be empty after it.
    #[default]
    Process,
    /// A power loss too: a write is acknowledged when the disk has it.
    Disk,
}

/// One stored session, as a driver gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stored text, exactly as it was written.
    pub payload: Arc<str>,
    /// When the session was last written or touched.
    pub last_activity: Millis,
}

/// A record that a request has come for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visited {
    /// The record as it was.
    pub record: Record,
    /// The request is recorded as activity already.
    pub is_recorded: bool,
}

impl Visited {
    /// A record that was only looked at.
    fn unrecorded(record: Record) -> Self {
        Visited {
            record,
            is_recorded: false,
        }
    }
}

/// What became of `create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The record is stored.
    Created,
    /// A record of that id is there already, and was left as it is.
    Exists,
}

/// What became of `replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new payload is stored.
    Replaced,
    /// Another payload than the expected one is stored; it was left as it is.
    Conflict(Arc<str>),
    /// There is no such record; none was made.
    Gone,
}

/// What became of `remove`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The record was there, as expected, and is no more.
    Removed,
    /// Another payload than the expected one is stored; it was left as it is.
    Conflict(Arc<str>),
    /// There is no such record.
    Gone,
}

/// What became of `touch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The record's last activity is now at least the given instant.
    Touched,
    /// There is no such record.
    Gone,
}

/// The bounds a driver is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Longest silence after which `load` still gives the record, measured from its last activity.
    pub idle_timeout: Millis,
    /// Largest payload in bytes that is read or written.
    pub max_payload: usize,
    /// How long a load may wait for others before the driver itself gives it up: a little less than its caller waits.
    pub read_patience: Millis,
    /// The same for what changes something.
    pub write_patience: Millis,
}

/// A storage implementation.
///
/// All methods give an [`Answer`], a future that is ready at once when the driver could answer on the spot. A driver
/// never blocks the calling thread for longer than a page-cached file, an idle SQLite or a map in memory takes; what
/// may take longer goes to another thread. `now` is the application's clock; a driver reads no clock of its own.
///
/// Compare and swap: `expected` is a payload as this driver gave or took it, and is compared byte by byte.
pub trait Driver: fmt::Debug {
    /// The record of `id`, or `None` when there is none or it has been idle for too long.
    ///
    /// An idle record reads as `None` from the first millisecond past `Bounds::idle_timeout`, swept or not.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_READ` when the storage cannot be read: an error is never `None`. `ERR_SESSION_TOO_LARGE` when the
    /// payload exceeds `Bounds::max_payload` (a far larger one is not read into memory), `ERR_SESSION_CORRUPT` when what is stored
    /// cannot be a payload at all (not UTF-8, not the documented encoding). The record is left as it is.
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>>;

    /// `load`, and `touch` of what it gives, for storages where the two take less together than one after the other. The others
    /// leave the touch to the end of the request.
    ///
    /// Records nothing where the last activity is less than `interval` ago, nor where it cannot be written: the record is given
    /// all the same.
    fn visit(&self, id: &SessionId, now: Millis, interval: Millis) -> Answer<Option<Visited>> {
        let _ = interval;
        self.load(id, now)
            .map(|record| record.map(Visited::unrecorded))
    }

    /// Stores a new record; never overwrites one. An idle record still counts as there.
    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created>;

    /// Puts `payload` in the place of `expected`, and records the activity.
    ///
    /// Succeeds on an idle record that is still there: a request that loaded it counts as activity.
    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced>;

    /// Removes the record if its payload is `expected`.
    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed>;

    /// Records activity at `now`; leaves the payload alone and never moves the last activity backwards.
    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched>;

    /// Removes the record. Removing one that is not there is a success.
    fn destroy(&self, id: &SessionId) -> Answer<()>;

    /// Removes up to about `limit` records whose last activity is before `cutoff`; gives how many it removed.
    ///
    /// One bounded step, done off the calling thread. `Sweep::done` says that a whole pass has ended.
    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep>;

    /// Ids of records, idle ones too, page by page: from the beginning, or from where the page before ended.
    ///
    /// What is stored or removed meanwhile may be among them or not; an id may come twice. `limit` is about how many ids a page
    /// has; one without any need not be the last. A page may be asked for again until the one after it has been asked for.
    /// No payload is read, and listing is no activity.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_READ`, also for a storage that cannot tell, and for a cursor that cannot be gone on from: whoever lists
    /// then begins anew.
    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page>;

    /// Whether the storage removes idle records by itself, so that sweeping is for the impatient.
    fn expires_by_itself(&self) -> bool {
        false
    }

    /// Whether it keeps connections open, which go when it is dropped.
    fn has_connections(&self) -> bool {
        false
    }

    /// Gives `owner` the lease of `id` for `lease` from `now` on, unless another has it: for lock mode only.
    ///
    /// Of two owners who ask at the same time, in whatever process, one gets it. A lease ends by `release` or at
    /// `now + lease`, and is then anybody's. Whoever has one and asks again is told whether it was `Kept`, also past its
    /// end if nobody else has had it since; only then has nobody else come in between. A lease has nothing to do with a
    /// record, which need not be there.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_WRITE` and `ERR_SESSION_TIMEOUT` as for a record; nothing is held then, or runs out by itself.
    fn acquire(&self, id: &SessionId, owner: Owner, lease: Millis, now: Millis)
    -> Answer<Acquired>;

    /// Ends `owner`'s lease of `id`. Where it has none, nothing happens, which is a success.
    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()>;

    /// Whether leases keep out other processes too, or only requests in this one.
    fn shares_leases(&self) -> bool;

    /// Whether an `ERR_SESSION_TIMEOUT` of this driver tells that the storage is held up as a whole, and not one record.
    fn times_out_as_a_whole(&self) -> bool {
        true
    }

    /// A sentence that the application should be warned with, once: it became known only now.
    fn take_warning(&self) -> Option<String> {
        None
    }
}

/// What one step of a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Records removed in this step.
    pub removed: usize,
    /// Whether the pass over the storage is complete.
    pub done: bool,
}

/// Where a page of a scan ended, in words of the driver's own.
pub type Cursor = Arc<str>;

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Ids of records.
    pub ids: Vec<SessionId>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
}

/// The error for a cursor that this driver has not given, or does not know any more.
fn foreign_cursor() -> Error {
    Error::new(
        Code::Read,
        "the listing of sessions cannot be gone on with, and has to begin anew",
    )
}

/// A driver's reply: at hand, or on its way from another thread.
pub enum Answer<T> {
    /// The reply is at hand; `None` once it has been taken.
    Ready(Option<Result<T>>),
    /// The reply comes from elsewhere.
    Later(Pin<Box<dyn Future<Output = Result<T>>>>),
}

impl<T> Answer<T> {
    /// A reply that is at hand.
    pub fn now(result: Result<T>) -> Self {
        Answer::Ready(Some(result))
    }

    /// The reply, made into another one when it is there.
    fn map<U: 'static>(self, change: impl FnOnce(T) -> U + 'static) -> Answer<U>
    where
        T: 'static,
    {
        match self {
            Answer::Ready(result) => Answer::Ready(result.map(|result| result.map(change))),
            Answer::Later(reply) => Answer::later(async move { reply.await.map(change) }),
        }
    }

    /// A reply that a future will give.
    pub fn later(future: impl Future<Output = Result<T>> + 'static) -> Self {
        Answer::Later(Box::pin(future))
    }
}

impl<T: Unpin> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match self.get_mut() {
            Answer::Ready(result) => {
                let polled_again =
                    || Err(Error::new(Code::Internal, "an answer was asked for twice"));
                Poll::Ready(result.take().unwrap_or_else(polled_again))
            }
            Answer::Later(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Ready(_) => "Answer::Ready",
            Answer::Later(_) => "Answer::Later",
        })
    }
}
