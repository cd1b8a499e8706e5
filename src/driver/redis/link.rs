//! The connection to one server: made when it is needed, shared by all calls, and given up when it is silent.
//!
//! Sends a question and gives its answer. Which server a key is on, and what a refusal means, is `nodes.rs`'s matter.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::dial::{Access, Target};
use super::fault::Fault;
use super::policy::Policy;
use super::resp::{Outgoing, Value};
use super::wire::Wire;
use crate::clock;
use crate::error::Error;
use crate::worker;

/// A connection on which nothing has come back for this long, though something was asked, leads nowhere.
const SILENCE: Duration = Duration::from_secs(1);
/// No question is unanswered.
const NONE: i64 = -1;

/// What all links of a driver have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) access: Access,
    pub(super) policy: Policy,
}

/// The connection to one server.
pub(super) struct Link {
    target: Target,
    common: Arc<Common>,
    state: Mutex<State>,
}

enum State {
    /// There is no connection, and nobody has asked for one.
    Idle,
    /// One is being made, whoever waits for it.
    Connecting(Attempt),
    /// There is one.
    Up(Arc<Live>),
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Live>, Fault>>>;

/// A connection in use.
pub(super) struct Live {
    pub(super) wire: Wire,
    /// When it was made.
    since: Instant,
    /// When the oldest question was asked that was given up without an answer, and none has come since. Units: milliseconds
    /// after `since`, or `NONE`.
    unanswered: AtomicI64,
}

impl Link {
    pub(super) fn new(target: Target, common: Arc<Common>) -> Arc<Self> {
        Arc::new(Link {
            target,
            common,
            state: Mutex::new(State::Idle),
        })
    }

    /// What the server answers.
    pub(super) async fn send(self: &Arc<Self>, question: &impl Outgoing) -> Result<Value, Fault> {
        let live = self.live().await?;
        live.wire.settle();
        let mut watch = Watch {
            link: self,
            live: &live,
            begun: clock::instant(),
            is_answered: false,
        };
        let answer = live.wire.ask(question).await;
        watch.is_answered = true;
        match &answer {
            Err(Fault::Lost(_) | Fault::Unsent(_)) => self.drop_connection(&live),
            _ => live.unanswered.store(NONE, Ordering::Relaxed),
        }
        answer
    }

    /// The connection; made if there is none. All who ask meanwhile wait for the same attempt, which goes on when they do not.
    async fn live(self: &Arc<Self>) -> Result<Arc<Live>, Fault> {
        let attempt = match &mut *self.state() {
            State::Up(live) => return Ok(live.clone()),
            State::Connecting(attempt) => attempt.clone(),
            state @ State::Idle => {
                let attempt = self.clone().connect().boxed().shared();
                worker::go_on(attempt.clone().map(drop));
                *state = State::Connecting(attempt.clone());
                attempt
            }
        };
        let no_pool = |error: Error| Fault::unsent(error.message(), None);
        worker::inside(attempt).await.map_err(no_pool)?
    }

    async fn connect(self: Arc<Self>) -> Result<Arc<Live>, Fault> {
        let ending = Ending(&self);
        let access = &self.common.access;
        let wire = tokio::time::timeout(2 * access.patience, self.target.dial(access)).await;
        let late = |_| Fault::unsent("the server does not answer", Some("ETIMEDOUT"));
        let wire = wire.map_err(late)??;
        let live = Arc::new(Live {
            wire,
            since: Instant::now(),
            unanswered: AtomicI64::new(NONE),
        });
        *self.state() = State::Up(live.clone());
        drop(ending);
        self.common.policy.look_at(live.clone());
        Ok(live)
    }

    /// Gives the present connection up: the next call makes another.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        if matches!(*state, State::Up(_)) {
            *state = State::Idle;
        }
    }

    /// The same, unless another has been made already.
    fn drop_connection(&self, dropped: &Arc<Live>) {
        let mut state = self.state();
        if matches!(&*state, State::Up(live) if Arc::ptr_eq(live, dropped)) {
            *state = State::Idle;
        }
    }

    /// Held for a few lines at a time, in which nothing panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that has ended, however it did, is not waited for any more.
struct Ending<'l>(&'l Link);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, State::Connecting(_)) {
            *state = State::Idle;
        }
    }
}

/// Watches over a question. Given up without an answer, it may find that the connection leads nowhere.
struct Watch<'l> {
    link: &'l Link,
    live: &'l Arc<Live>,
    begun: Instant,
    is_answered: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let after = |instant: Instant| {
            let millis = instant
                .saturating_duration_since(self.live.since)
                .as_millis();
            i64::try_from(millis).unwrap_or(i64::MAX)
        };
        let unanswered = &self.live.unanswered;
        let begun = after(self.begun);
        let first =
            match unanswered.compare_exchange(NONE, begun, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => begun,
                Err(earlier) => earlier,
            };
        let silence = after(Instant::now()).saturating_sub(first);
        if u128::try_from(silence).is_ok_and(|silence| silence >= SILENCE.as_millis()) {
            self.link.drop_connection(self.live);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.state() {
            State::Idle => "idle",
            State::Connecting(_) => "connecting",
            State::Up(_) => "up",
        };
        write!(f, "Link({:?}, {state})", self.target)
    }
}
