//! What all drivers of servers have in common: calls that go over a network, on the pool's thread, each with a time limit.
//!
//! Knows the contract and no protocol: a [`Server`] speaks one. Decides what is asked once more when a connection broke, and
//! what its answer means then.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::{
    Acquired, Answer, Bounds, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced,
    Sweep, Touched, Visited,
};
use crate::clock::{Millis, is_idle};
use crate::error::{Code, Error, Result, io_name};
use crate::event_loop;
use crate::panics::point;
use crate::session_id::SessionId;
use crate::worker;

/// Calls that may be under way at a time.
const MOST_CALLS: usize = 10_000;
/// Attempts at one call. A server that is being stopped may still take connections, and break one after the other.
const ATTEMPTS: usize = 4;
/// How long a step of a sweep and a page of a scan may take.
const LONG_PATIENCE: Duration = Duration::from_secs(25);

/// Why a server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection could not be made: nothing was asked.
    Unreached(Reason),
    /// The connection could not be made for as long as the call may take: the server was waited for.
    Late(Reason),
    /// The connection ended: what was asked may have been done or not.
    Broken(Reason),
    /// The server refused, and did nothing.
    Refused(Reason),
    /// The record is not one that can be used.
    Unusable(Error),
}

/// What the server or the system said, without credentials or what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// The sentence.
    pub(super) message: String,
    /// The server's own short name for it (`57P01`, `OOM`), or the system's (`ECONNREFUSED`).
    pub(super) code: Option<String>,
}

impl Reason {
    /// What the system says of a connection.
    pub(super) fn of_io(error: &std::io::Error) -> Self {
        Reason {
            message: error.to_string(),
            code: io_name(error).map(str::to_owned),
        }
    }
}

/// What a server's operations give.
pub(super) type Outcome<T> = std::result::Result<T, Failure>;

/// A server with records, in the words of the contract: [`Driver`] tells what each operation has to do.
///
/// Every operation is one attempt, which goes on for as long as it is waited for.
pub(super) trait Server: Send + Sync + 'static {
    /// What messages call it, such as `Redis`.
    const NAME: &'static str;
    /// It is asked on the thread whose call it is, where that has an event loop for its sockets.
    const IS_ASKED_IN_PLACE: bool = false;

    /// The record, however long it has been idle. One with a payload of more than `most` bytes is `too_large`; one that is far
    /// larger is never in memory whole.
    fn load(
        &self,
        id: &SessionId,
        most: usize,
    ) -> impl Future<Output = Outcome<Option<Record>>> + Send;
    /// The record, and how its activity is recorded unless the last is less than `interval` ago or it is idle; see
    /// [`Driver::visit`]. The servers that cannot do both in one trip only load.
    fn visit(
        &self,
        id: &SessionId,
        most: usize,
        visit: Visit,
    ) -> impl Future<Output = Outcome<Option<Visited>>> + Send {
        let _ = visit;
        async move {
            let record = self.load(id, most).await?;
            Ok(record.map(Visited::unrecorded))
        }
    }
    fn create(
        &self,
        id: &SessionId,
        payload: &Arc<str>,
        now: Millis,
    ) -> impl Future<Output = Outcome<Created>> + Send;
    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> impl Future<Output = Outcome<Replaced>> + Send;
    fn remove(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
    ) -> impl Future<Output = Outcome<Removed>> + Send;
    fn touch(&self, id: &SessionId, now: Millis) -> impl Future<Output = Outcome<Touched>> + Send;
    fn destroy(&self, id: &SessionId) -> impl Future<Output = Outcome<()>> + Send;
    fn sweep(&self, cutoff: Millis, limit: usize) -> impl Future<Output = Outcome<Sweep>> + Send;
    fn scan(&self, after: Option<&str>, limit: usize)
    -> impl Future<Output = Outcome<Page>> + Send;
    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> impl Future<Output = Outcome<Acquired>> + Send;
    fn release(&self, id: &SessionId, owner: Owner) -> impl Future<Output = Outcome<()>> + Send;

    /// See [`Driver::expires_by_itself`].
    fn expires_by_itself(&self) -> bool {
        false
    }

    /// See [`Driver::take_warning`].
    fn take_warning(&self) -> Option<String> {
        None
    }
}

/// When a request comes, and what counts then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// The request's instant.
    pub(super) now: Millis,
    /// The first last activity with which a record is not idle.
    pub(super) live_from: Millis,
    /// The latest last activity with which the request has to be recorded.
    pub(super) due_to: Millis,
}

/// What a call does, which decides how long it is waited for and what its failure is called.
#[derive(Clone, Copy, Debug)]
enum Does {
    Read,
    Write,
    Sweep,
    Scan,
}

/// The driver over one server.
pub(super) struct Remote<S> {
    server: Arc<S>,
    bounds: Bounds,
    calls: Arc<AtomicUsize>,
}

impl<S: Server> Remote<S> {
    pub(super) fn new(server: S, bounds: Bounds) -> Self {
        Self {
            server: Arc::new(server),
            bounds,
            calls: Arc::default(),
        }
    }

    /// Lets a call run, here or on the pool. It goes on when nobody waits for its answer any more, but not past its limit: what a
    /// server has begun to do is not undone by looking away.
    ///
    /// It is made where it then stays: most of it is room, and to move it takes as long as to allocate it.
    #[inline]
    fn ask<T: Send + 'static, F: Future<Output = Outcome<T>> + Send>(
        &self,
        does: Does,
        call: impl FnOnce() -> F + Send + 'static,
    ) -> Answer<T> {
        let Some(place) = Place::take(&self.calls) else {
            let full = format!("{} has too much to do", S::NAME);
            return Answer::now(Err(Error::new(Code::Timeout, full)));
        };
        let patience = match does {
            Does::Read => self.bounds.read_patience.duration(),
            Does::Write => self.bounds.write_patience.duration(),
            Does::Sweep | Does::Scan => LONG_PATIENCE,
        };
        let call = move || async move {
            let outcome = call().await;
            drop(place);
            point("worker");
            outcome
        };
        if S::IS_ASKED_IN_PLACE && event_loop::is_there() {
            let asked = worker::in_place(patience, Box::pin(call()));
            return Answer::later(asked.map(move |asked| Self::told(does, asked)));
        }
        let asked = worker::spawn(patience, call());
        Answer::later(asked.map(move |asked| Self::told(does, asked)))
    }

    fn told<T>(does: Does, asked: Result<Option<Outcome<T>>>) -> Result<T> {
        match asked? {
            Some(outcome) => outcome.map_err(|failure| failure.into_error(does, S::NAME)),
            None => Err(late(does, S::NAME)),
        }
    }

    fn fits(&self, payload: &str) -> Result<()> {
        let fits = payload.len() <= self.bounds.max_payload;
        let too_large = || too_large(self.bounds.max_payload);
        fits.then_some(()).ok_or_else(too_large)
    }
}

/// A place among the calls that are under way; free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(calls: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Place(calls.clone());
        let before = calls.fetch_add(1, Ordering::Relaxed);
        (before < MOST_CALLS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Does {
    fn verb(self) -> &'static str {
        match self {
            Does::Read => "read the session from",
            Does::Write => "write the session to",
            Does::Sweep => "sweep",
            Does::Scan => "list the sessions of",
        }
    }
}

impl Failure {
    fn into_error(self, does: Does, name: &str) -> Error {
        let reason = match self {
            Failure::Unusable(error) => return error,
            // Silence, which opens the circuit, whatever was asked.
            Failure::Late(reason) => {
                return late(does, name).because(reason.message, reason.code);
            }
            Failure::Unreached(reason) if reason.code.as_deref() == Some("ETIMEDOUT") => {
                return late(does, name).because(reason.message, reason.code);
            }
            Failure::Unreached(reason) | Failure::Broken(reason) | Failure::Refused(reason) => {
                reason
            }
        };
        let code = match does {
            Does::Read | Does::Scan => Code::Read,
            Does::Write | Does::Sweep => Code::Write,
        };
        let message = format!("cannot {} {name}", does.verb());
        Error::new(code, message).because(reason.message, reason.code)
    }
}

fn late(does: Does, name: &str) -> Error {
    let message = format!("cannot {} {name}: it does not answer", does.verb());
    Error::new(Code::Timeout, message)
}

/// A payload of more bytes than are allowed.
pub(super) fn too_large(most: usize) -> Error {
    Error::new(
        Code::TooLarge,
        format!("a session's payload is larger than {most} bytes"),
    )
}

/// The same call again where its connection broke; the flag tells that an earlier one may have been done.
async fn again<T, F: Future<Output = Outcome<T>>>(call: impl Fn() -> F) -> (Outcome<T>, bool) {
    let mut may_be_done = false;
    for attempt in 1..ATTEMPTS {
        match call().await {
            Err(Failure::Broken(_)) => may_be_done = true,
            Err(Failure::Unreached(_)) if attempt == 1 => {}
            outcome => return (outcome, may_be_done),
        }
    }
    (call().await, may_be_done)
}

/// The first attempt was done, or somebody else's change came after it: that cannot be told.
fn in_doubt<T>() -> Outcome<T> {
    let message = "the connection broke while a session was written, and it has been changed since";
    Err(Failure::Unusable(Error::new(Code::Timeout, message)))
}

impl<S: Server> Driver for Remote<S> {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        let (server, id, bounds) = (self.server.clone(), *id, self.bounds);
        self.ask(Does::Read, move || async move {
            let (record, _) = again(|| server.load(&id, bounds.max_payload)).await;
            let is_live =
                |record: &Record| !is_idle(record.last_activity, now, bounds.idle_timeout);
            record.map(|record| record.filter(is_live))
        })
    }

    fn visit(&self, id: &SessionId, now: Millis, interval: Millis) -> Answer<Option<Visited>> {
        let (server, id, bounds) = (self.server.clone(), *id, self.bounds);
        let visit = Visit {
            now,
            live_from: now - bounds.idle_timeout,
            due_to: now - interval,
        };
        self.ask(Does::Read, move || async move {
            let (visited, _) = again(|| server.visit(&id, bounds.max_payload, visit)).await;
            let is_live = |visited: &Visited| {
                !is_idle(visited.record.last_activity, now, bounds.idle_timeout)
            };
            visited.map(|visited| visited.filter(is_live))
        })
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        if let Err(error) = self.fits(payload) {
            return Answer::now(Err(error));
        }
        let (server, id, payload) = (self.server.clone(), *id, payload.clone());
        self.ask(Does::Write, move || async move {
            match again(|| server.create(&id, &payload, now)).await {
                (Ok(Created::Exists), true) => {
                    let is_own = match Box::pin(server.load(&id, usize::MAX)).await {
                        Ok(stored) => stored.is_some_and(|record| record.payload == payload),
                        // What cannot be loaded is none of ours.
                        Err(Failure::Unusable(_)) => false,
                        Err(failure) => return Err(failure),
                    };
                    Ok(match is_own {
                        true => Created::Created,
                        false => Created::Exists,
                    })
                }
                (outcome, _) => outcome,
            }
        })
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        if let Err(error) = self.fits(payload) {
            return Answer::now(Err(error));
        }
        let (server, id) = (self.server.clone(), *id);
        let (expected, payload) = (expected.clone(), payload.clone());
        self.ask(Does::Write, move || async move {
            match again(|| server.replace(&id, &expected, &payload, now)).await {
                (Ok(Replaced::Conflict(stored)), true) if stored == payload => {
                    // Another request may have written the same from the same base; hardly in the same millisecond.
                    let stored = Box::pin(server.load(&id, usize::MAX)).await?;
                    let own = Record {
                        payload,
                        last_activity: now,
                    };
                    match stored == Some(own) {
                        true => Ok(Replaced::Replaced),
                        false => in_doubt(),
                    }
                }
                (Ok(Replaced::Conflict(_)), true) => in_doubt(),
                (outcome, _) => outcome,
            }
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        let (server, id, expected) = (self.server.clone(), *id, expected.clone());
        self.ask(Does::Write, move || async move {
            match again(|| server.remove(&id, &expected)).await {
                (Ok(Removed::Gone), true) => Ok(Removed::Removed),
                (outcome, _) => outcome,
            }
        })
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        let (server, id) = (self.server.clone(), *id);
        self.ask(Does::Write, move || async move {
            again(|| server.touch(&id, now)).await.0
        })
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        let (server, id) = (self.server.clone(), *id);
        self.ask(Does::Write, move || async move {
            again(|| server.destroy(&id)).await.0
        })
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        let server = self.server.clone();
        self.ask(Does::Sweep, move || async move {
            server.sweep(cutoff, limit.max(1)).await
        })
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        let (server, after) = (self.server.clone(), after.cloned());
        self.ask(Does::Scan, move || async move {
            let call = || server.scan(after.as_deref(), limit.max(1));
            again(call).await.0
        })
    }

    fn expires_by_itself(&self) -> bool {
        self.server.expires_by_itself()
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        let (server, id) = (self.server.clone(), *id);
        self.ask(Does::Write, move || async move {
            match again(|| server.acquire(&id, owner, lease, now)).await {
                // Whether it was kept or is new cannot be told, and new is the safe side.
                (Ok(Acquired::Kept), true) => Ok(Acquired::Granted),
                (outcome, _) => outcome,
            }
        })
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        let (server, id) = (self.server.clone(), *id);
        self.ask(Does::Write, move || async move {
            again(|| server.release(&id, owner)).await.0
        })
    }

    fn shares_leases(&self) -> bool {
        true
    }

    fn has_connections(&self) -> bool {
        true
    }

    fn take_warning(&self) -> Option<String> {
        self.server.take_warning()
    }
}

impl<S: Server> fmt::Debug for Remote<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.load(Ordering::Relaxed);
        write!(f, "Remote({}, {calls} calls)", S::NAME)
    }
}
