//! The connections of one driver: at most so many, made when they are wanted, and kept for the next call.
//!
//! Knows nothing of what is asked. A connection that was not given back is closed, so that none with half an answer in it
//! is used again; when one ends, those that were made before that are not trusted either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::dial::{Connection, Dial};
use super::fault::Fault;
use crate::driver::presence::{self, Presence};
use crate::error::{Code, Error};

/// How long a call that finds the server full waits for one of this process's own connections, before it looks again.
const FULL_PAUSE: Duration = Duration::from_millis(100);
/// A connection that nobody needed for so long is closed.
const SPARE: Duration = Duration::from_secs(60);

/// The connections to one server.
pub(super) struct Pool {
    dial: Dial,
    places: Semaphore,
    idle: Mutex<Idle>,
    /// A connection has become idle.
    freed: Notify,
    /// How long a server may be silent until it counts as stuck.
    silence: Duration,
    presence: Presence,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last stands last.
    connections: Vec<(Arc<Connection>, Instant)>,
    /// Connections of earlier generations are not used any more.
    generation: u64,
}

impl Pool {
    /// At most `size` connections, for calls that are given up after `patience`.
    pub(super) fn new(dial: Dial, size: usize, patience: Duration) -> Self {
        Self {
            dial,
            places: Semaphore::new(size),
            idle: Mutex::default(),
            freed: Notify::new(),
            silence: patience / 2,
            presence: Presence::new(patience),
        }
    }

    /// A connection, as soon as there is one.
    pub(super) async fn take(&self) -> Result<Held<'_>, Fault> {
        let begun = Instant::now();
        let was_there = self.presence.is_recent();
        let place = self.places.acquire().await.map_err(|_| closed())?;
        loop {
            if let Some(connection) = self.take_idle() {
                return Ok(Held::new(self, place, connection));
            }
            let generation = self.idle().generation;
            // In a box: every call has room for it otherwise, which is most of what it would take.
            match Box::pin(self.dial.connect(generation)).await {
                Ok(connection) => return Ok(Held::new(self, place, Arc::new(connection))),
                // Others hog the server, but some of its connections are ours.
                Err(Fault::Full(_)) if self.dial.open() > 0 => {
                    timeout(FULL_PAUSE, self.freed.notified()).await.ok();
                }
                // Being restarted, by its own word or as far as that is known.
                Err(fault @ Fault::Unreached(_)) if was_there || fault.is_between() => {
                    if !self.presence.has_time(begun) {
                        return Err(fault.in_spite_of_waiting());
                    }
                    sleep(presence::PAUSE).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    fn take_idle(&self) -> Option<Arc<Connection>> {
        let mut idle = self.idle();
        while let Some((connection, _)) = idle.connections.pop() {
            if !connection.client.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn put_back(&self, connection: Arc<Connection>) {
        let now = Instant::now();
        let mut idle = self.idle();
        if connection.generation == idle.generation && !connection.client.is_closed() {
            idle.connections.push((connection, now));
        }
        let is_spare = |(_, since): &(_, Instant)| now.duration_since(*since) > SPARE;
        if idle.connections.first().is_some_and(is_spare) {
            idle.connections.remove(0);
        }
        drop(idle);
        self.presence.confirm(now);
        self.freed.notify_one();
    }

    /// A connection has ended: those of its generation are likely to have ended too.
    fn distrust(&self, ended: &Connection) {
        let mut idle = self.idle();
        if ended.generation == idle.generation {
            idle.generation += 1;
            idle.connections.clear();
        }
    }

    /// Held for a few lines at a time, in which nothing waits.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Fault {
    Fault::Unusable(Error::new(Code::Internal, "the connections are closed"))
}

/// A connection in use.
pub(super) struct Held<'p> {
    pool: &'p Pool,
    _place: SemaphorePermit<'p>,
    connection: Option<Arc<Connection>>,
    since: Instant,
}

impl<'p> Held<'p> {
    fn new(pool: &'p Pool, place: SemaphorePermit<'p>, connection: Arc<Connection>) -> Self {
        Self {
            pool,
            _place: place,
            connection: Some(connection),
            since: Instant::now(),
        }
    }

    /// The connection itself; there until it is given back.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.connection.as_ref()
    }

    /// Gives it back after its answer has come whole.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put_back(connection);
        }
    }

    /// Does with it what has to follow after something went wrong.
    pub(super) fn settle(mut self, fault: &Fault) {
        if fault.leaves_connection_usable() {
            return self.give_back();
        }
        let Some(connection) = self.connection.take() else {
            return;
        };
        // A server that takes no writes may have been replaced by another one: that is found out by the next connection.
        if !matches!(fault, Fault::ReadOnly(_)) {
            self.pool.distrust(&connection);
            connection.cut();
        }
    }
}

/// Its call was given up. A server that has not answered for a while will not answer on other connections either.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.since.elapsed() >= self.pool.silence {
            self.pool.distrust(&connection);
        }
        connection.cut();
    }
}
