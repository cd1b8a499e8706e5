//! The connection to one server: made when it is needed, shared by all calls, and given up when it is silent.
//!
//! Sends one command and gives its answer. Which server a key is on, and what a refusal means, is `nodes.rs`'s matter.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value, cmd};

use super::dial::{Access, Target};
use super::fault::{Fault, answered};
use super::policy::Policy;

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
    Up(Live),
}

type Attempt = Shared<BoxFuture<'static, Result<Live, Fault>>>;

/// A connection in use.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// When it was made.
    since: Instant,
    /// When the oldest question was asked that was given up without an answer, and none has come since. Units: milliseconds
    /// after `since`, or `NONE`.
    unanswered: Arc<AtomicI64>,
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
    pub(super) async fn send(self: &Arc<Self>, command: &Cmd) -> Result<Value, Fault> {
        self.through(|mut connection| async move {
            connection
                .send_packed_command(command)
                .await
                .map_err(Fault::from)
        })
        .await
    }

    /// The same of a server that takes over the key's slot just now.
    pub(super) async fn send_asking(self: &Arc<Self>, command: &Cmd) -> Result<Value, Fault> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(cmd("ASKING")).add_command(command.clone());
        self.through(|mut connection| async move {
            let answers = connection.send_packed_commands(&both, 0, 2).await?;
            let last = answers.into_iter().next_back();
            last.ok_or_else(|| Fault::unsent("the server gave no answer", None))
        })
        .await
    }

    async fn through<F: Future<Output = Result<Value, Fault>>>(
        self: &Arc<Self>,
        ask: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<Value, Fault> {
        let live = self.live().await?;
        let mut watch = Watch {
            link: self,
            live: &live,
            begun: Instant::now(),
            is_answered: false,
        };
        let answer = ask(live.connection.clone()).await.and_then(answered);
        watch.is_answered = true;
        match &answer {
            Err(Fault::Lost(_) | Fault::Unsent(_)) => self.drop_connection(&live),
            _ => live.unanswered.store(NONE, Ordering::Relaxed),
        }
        answer
    }

    /// The connection; made if there is none. All who ask meanwhile wait for the same attempt, which goes on when they do not.
    async fn live(self: &Arc<Self>) -> Result<Live, Fault> {
        let attempt = match &mut *self.state() {
            State::Up(live) => return Ok(live.clone()),
            State::Connecting(attempt) => attempt.clone(),
            state @ State::Idle => {
                let attempt = self.clone().connect().boxed().shared();
                tokio::spawn(attempt.clone());
                *state = State::Connecting(attempt.clone());
                attempt
            }
        };
        attempt.await
    }

    async fn connect(self: Arc<Self>) -> Result<Live, Fault> {
        let ending = Ending(&self);
        let access = &self.common.access;
        let connection = tokio::time::timeout(2 * access.patience, self.target.dial(access)).await;
        let late = |_| Fault::unsent("the server does not answer", Some("ETIMEDOUT"));
        let connection = connection.map_err(late)??;
        let live = Live {
            connection,
            since: Instant::now(),
            unanswered: Arc::new(AtomicI64::new(NONE)),
        };
        *self.state() = State::Up(live.clone());
        drop(ending);
        self.common.policy.look_at(live.connection.clone());
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
    fn drop_connection(&self, dropped: &Live) {
        let mut state = self.state();
        let is_it = |live: &Live| Arc::ptr_eq(&live.unanswered, &dropped.unanswered);
        if matches!(&*state, State::Up(live) if is_it(live)) {
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
    live: &'l Live,
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
