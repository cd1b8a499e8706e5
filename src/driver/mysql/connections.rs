//! Connections to a server: a bounded number of them, made when they are wanted and kept for the next call.
//!
//! Knows nothing of what is asked. Whoever borrows a connection gives it back when its answer has come whole;
//! otherwise it is closed, so that none with half an answer in it is ever used again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::Opts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::dial::{Open, options};
use super::fault::{Fault, Kind};
use crate::config::Server;
use crate::driver::presence::{self, Presence};

/// A connection that was idle for longer is asked whether it lives, before it is used. A server that was restarted, or a
/// router that forgot it, is found out by that; the question costs a round trip.
const FRESH: Duration = Duration::from_secs(1);
/// How long that answer may take.
const PING_PATIENCE: Duration = Duration::from_millis(500);
/// A connection that nobody needed for so long is closed.
const SPARE: Duration = Duration::from_secs(60);
/// How long a call waits for a connection of this process to come back, when the server has none to spare.
const CROWDED: Duration = Duration::from_secs(1);
const CROWDED_PAUSE: Duration = Duration::from_millis(20);
/// How old a connection has to be before a server that takes no writes is looked up again.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(1);
/// The connections of one driver.
pub(super) struct Connections {
    opts: Opts,
    places: Arc<Semaphore>,
    shelf: Arc<Shelf>,
    presence: Arc<Presence>,
}

/// The connections that nobody uses; the one that was used last stands last.
#[derive(Default)]
struct Shelf(Mutex<VecDeque<Kept>>);

struct Kept {
    open: Open,
    since: Instant,
}

/// A borrowed connection. It is closed when it is dropped, unless it was given back.
pub(super) struct Borrowed {
    open: Option<Open>,
    shelf: Arc<Shelf>,
    presence: Arc<Presence>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connections {
    /// For calls that are given up after `patience`.
    pub(super) fn new(server: &Server, patience: Duration) -> Self {
        Self {
            opts: options(server),
            places: Arc::new(Semaphore::new(server.pool_size)),
            shelf: Arc::default(),
            presence: Arc::new(Presence::new(patience)),
        }
    }

    /// A connection, as soon as there is one.
    pub(super) async fn borrow(&self) -> Result<Borrowed, Fault> {
        let asked = Instant::now();
        let was_there = self.presence.is_recent();
        let place = self.places.clone().acquire_owned().await.ok();
        let mut borrowed = Borrowed {
            open: None,
            shelf: self.shelf.clone(),
            presence: self.presence.clone(),
            _place: place,
        };
        let begun = Instant::now();
        loop {
            if borrowed.take_kept().await {
                return Ok(borrowed);
            }
            match Open::dial(&self.opts).await {
                Ok(open) => {
                    borrowed.open = Some(open);
                    return Ok(borrowed);
                }
                Err(fault) if fault.kind == Kind::Crowded && begun.elapsed() < CROWDED => {
                    sleep(CROWDED_PAUSE).await;
                }
                Err(mut fault) if fault.kind == Kind::Broken && was_there => {
                    if !self.presence.has_time(asked) {
                        fault.kind = Kind::Away;
                        return Err(fault);
                    }
                    sleep(presence::PAUSE).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

impl Borrowed {
    /// Takes a connection that was kept, if one of them lives.
    async fn take_kept(&mut self) -> bool {
        while let Some(kept) = self.shelf.take() {
            let open = self.open.insert(kept.open);
            if kept.since.elapsed() < FRESH {
                return true;
            }
            if let Ok(true) = timeout(PING_PATIENCE, open.lives()).await {
                return true;
            }
            // The others were there when this one died.
            self.open = None;
            self.shelf.clear();
        }
        false
    }

    /// The connection itself.
    pub(super) fn open(&mut self) -> Option<&mut Open> {
        self.open.as_mut()
    }

    /// Puts the connection back for the next call.
    pub(super) fn give_back(mut self) {
        let Some(open) = self.open.take() else { return };
        let since = Instant::now();
        self.presence.confirm(since);
        let mut kept = self.shelf.lock();
        let is_spare = |kept: &Kept| since.duration_since(kept.since) > SPARE;
        let spare = match kept.front().is_some_and(is_spare) {
            true => kept.pop_front(),
            false => None,
        };
        kept.push_back(Kept { open, since });
        drop(kept);
        drop(spare);
    }

    /// Does with the connection what has to follow after an error.
    pub(super) fn settle(self, fault: &Fault) {
        let is_young = |open: &Open| open.age() < READ_ONLY_PAUSE;
        match fault.kind {
            Kind::Broken => self.shelf.clear(),
            Kind::ReadOnly if self.open.as_ref().is_some_and(is_young) => self.give_back(),
            Kind::ReadOnly => self.shelf.clear(),
            _ => self.give_back(),
        }
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was used last.
    fn take(&self) -> Option<Kept> {
        self.lock().pop_back()
    }

    fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        drop(all);
    }
}
