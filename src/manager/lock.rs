//! Lock mode: the requests of one session take turns, each with a lease that the driver grants.
//!
//! Those of this process stand in a queue, and only its first asks the driver, whose lease may be another process's. A
//! lease is released when the response ends. It is not renewed while the application works, only by a save at its end,
//! so that nobody else comes in between; one that ran out goes to the next who wants it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::queue::{Place, Queues};
use super::timer::at_most;
use super::{Backing, Manager};
use crate::clock::Millis;
use crate::config::Locking;
use crate::driver::{Acquired, Driver, Owner};
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

/// Pauses between two questions after a lease of another process: the first, and the longest. Units: milliseconds.
const PAUSES: (i64, i64) = (2, 16);
/// How long the requests of one process may follow each other before those of another get a chance, and how long that
/// is: longer than the others pause. Units: milliseconds.
const STINT: Millis = Millis(100);
const CHANCE: Millis = Millis(30);
/// What a question is given that comes when `lockWait` is over: a busy thread may have come to it late.
const LAST_QUESTION: Millis = Millis(100);
/// How long the end of a response waits until its lease is released. One that is not runs out by itself.
const RELEASE_LIMIT: Millis = Millis(500);

/// One request's hold on its session.
pub struct Lock {
    times: Locking,
    owner: OnceCell<Owner>,
    held: RefCell<Option<Held>>,
    /// Another request had the session in between: nothing of this one's may be stored any more.
    is_lost: Cell<bool>,
    is_given_up: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A lease that was granted. The next in the queue is told when this is dropped: by a release, or because the response
/// will never end, and then keeps its lease until that runs out.
struct Held {
    owner: Owner,
    id: SessionId,
    until: Millis,
    driver: Rc<dyn Driver>,
    queues: Rc<Queues>,
}

impl Lock {
    /// A lock for the session of one request. Nothing is held yet.
    pub fn new(times: Locking) -> Rc<Self> {
        Rc::new(Lock {
            times,
            owner: OnceCell::new(),
            held: RefCell::default(),
            is_lost: Cell::new(false),
            is_given_up: Cell::new(false),
            waker: RefCell::default(),
        })
    }

    fn owner(&self) -> Result<Owner> {
        if let Some(owner) = self.owner.get() {
            return Ok(*owner);
        }
        let owner = Owner::generate()?;
        Ok(*self.owner.get_or_init(|| owner))
    }

    /// Gives up waiting, because nobody is there any more who could be answered.
    pub fn give_up(&self) {
        self.is_given_up.set(true);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until `is_over`, or until this lock is given up.
    async fn wait(&self, is_over: impl Fn() -> bool) {
        poll_fn(|context| {
            if is_over() || self.is_given_up.get() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Held {
    fn terms(&self) -> (Owner, SessionId, Millis) {
        (self.owner, self.id, self.until)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.queues.ended(&self.id, self.owner);
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lock(held: {})", self.held.borrow().is_some())
    }
}

impl Manager {
    /// Waits for the lease of a session that is to be locked.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_LOCK_TIMEOUT` after `lockWait`, or when the lock was given up; the driver's error when it cannot say.
    pub(super) async fn acquire(
        &self,
        id: SessionId,
        lock: &Rc<Lock>,
        driver: &Rc<dyn Driver>,
    ) -> Result<()> {
        if lock.held.borrow().is_some() {
            return Ok(());
        }
        let late = self.clock.now() + lock.times.wait;
        let place = Queues::enter(&self.queues, id, lock).ok_or_else(overcrowded)?;
        let mut pause = PAUSES.0;
        loop {
            self.wait_for_turn(lock, &place, late).await?;
            if driver.shares_leases() && place.stint_is_over(self.clock.now(), STINT) {
                self.pause(lock, CHANCE.0, late).await?;
            }
            match self.ask(lock, id, late, driver).await? {
                Acquired::Granted | Acquired::Kept => return self.check_wanted(lock).await,
                Acquired::Held(_) if self.clock.now() >= late => return Err(timed_out(lock)),
                Acquired::Held(until) => {
                    place.others_have_it();
                    self.pause(lock, self.jitter(pause), late.min(until))
                        .await?;
                    pause = PAUSES.1.min(2 * pause);
                }
            }
        }
    }

    /// Waits to be the first in the queue, and for the end of the lease that a request of this process has.
    async fn wait_for_turn(&self, lock: &Lock, place: &Place, late: Millis) -> Result<()> {
        loop {
            let (is_first, own) = (place.is_first(), place.own_lease());
            let now = self.clock.now();
            if is_first && own.is_none_or(|until| until <= now) {
                return Ok(());
            }
            if lock.is_given_up.get() {
                return Err(given_up());
            }
            if now >= late {
                return Err(timed_out(lock));
            }
            let until = own.filter(|_| is_first).unwrap_or(late).min(late);
            let has_changed = || (place.is_first(), place.own_lease()) != (is_first, own);
            self.wait_until(lock, until, has_changed).await?;
        }
    }

    async fn pause(&self, lock: &Lock, millis: i64, latest: Millis) -> Result<()> {
        let until = latest.min(self.clock.now() + Millis(millis));
        self.wait_until(lock, until, || false).await
    }

    async fn wait_until(&self, lock: &Lock, due: Millis, is_over: impl Fn() -> bool) -> Result<()> {
        let left = due - self.clock.now();
        at_most(&self.clock, left, lock.wait(is_over)).await?;
        Ok(())
    }

    /// Asks the driver for the lease, and notes it when it is granted.
    async fn ask(
        &self,
        lock: &Lock,
        id: SessionId,
        late: Millis,
        driver: &Rc<dyn Driver>,
    ) -> Result<Acquired> {
        if lock.is_given_up.get() {
            return Err(given_up());
        }
        let now = self.clock.now();
        let (owner, lease) = (lock.owner()?, lock.times.lease);
        let asked = driver.acquire(&id, owner, lease, now);
        // What is granted too late runs out by itself.
        let answer = at_most(&self.clock, LAST_QUESTION.max(late - now), asked).await?;
        let acquired = answer.unwrap_or_else(|| Err(timed_out(lock)))?;
        if !matches!(acquired, Acquired::Held(_)) {
            let until = now + lease;
            self.queues.granted(&id, owner, until, now);
            let (driver, queues) = (driver.clone(), self.queues.clone());
            lock.held.replace(Some(Held {
                owner,
                id,
                until,
                driver,
                queues,
            }));
        }
        Ok(acquired)
    }

    /// Releases at once what was granted to a request that is not there any more.
    async fn check_wanted(&self, lock: &Lock) -> Result<()> {
        if !lock.is_given_up.get() {
            return Ok(());
        }
        self.unlock(lock).await?;
        Err(given_up())
    }

    /// Releases the lease, if there is one.
    ///
    /// # Errors
    ///
    /// The driver's, and `ERR_SESSION_TIMEOUT` when it does not answer; the lease then runs out by itself.
    pub async fn unlock(&self, lock: &Lock) -> Result<()> {
        let Some(held) = lock.held.take() else {
            return Ok(());
        };
        let released = held.driver.release(&held.id, held.owner);
        let silent = || {
            let message = "cannot release a session's lock: the storage does not answer";
            Err(Error::new(Code::Timeout, message))
        };
        let answer = at_most(&self.clock, RELEASE_LIMIT, released).await?;
        answer.unwrap_or_else(silent)
    }

    /// Makes sure that the lease lasts until a save that begins now has ended: for `saveTimeout`.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_LOCK_LOST`; see [`Manager::confirm_lease`].
    pub(super) async fn secure_lease(&self, backing: &Backing) -> Result<()> {
        let Some(lock) = &backing.lock else {
            return Ok(());
        };
        let until = lock.held.borrow().as_ref().map(|held| held.until);
        match until {
            Some(until) if until - self.clock.now() >= self.config.save_timeout => Ok(()),
            _ => self.confirm_lease(backing).await,
        }
    }

    /// Makes sure that no other request has had the lease since it was granted.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_LOCK_LOST` when one had it: what this request read may be outdated, so nothing of it may be stored.
    pub(super) async fn confirm_lease(&self, backing: &Backing) -> Result<()> {
        match &backing.lock {
            // In a box, so that saves without a lock have no room for it.
            Some(lock) => Box::pin(self.confirm(lock, backing)).await,
            None => Ok(()),
        }
    }

    async fn confirm(&self, lock: &Lock, backing: &Backing) -> Result<()> {
        if lock.is_lost.get() {
            return Err(lost());
        }
        let held = lock.held.borrow().as_ref().map(Held::terms);
        // A session that began with this request is nobody else's yet.
        let Some((owner, id, until)) = held else {
            return Ok(());
        };
        let now = self.clock.now();
        let lease = self.config.save_timeout.max(until - now);
        match backing.driver.acquire(&id, owner, lease, now).await? {
            Acquired::Kept => {
                if let Some(held) = lock.held.borrow_mut().as_mut() {
                    held.until = now + lease;
                }
                self.queues.granted(&id, owner, now + lease, now);
                Ok(())
            }
            Acquired::Granted => {
                lock.is_lost.set(true);
                self.unlock(lock).await?;
                Err(lost())
            }
            Acquired::Held(_) => {
                lock.is_lost.set(true);
                drop(lock.held.take());
                Err(lost())
            }
        }
    }

    /// A pause of about `pause` milliseconds, so that those who wait do not ask in step.
    fn jitter(&self, pause: i64) -> i64 {
        pause / 2 + 1 + i64::from(self.draw()) % pause
    }
}

fn timed_out(lock: &Lock) -> Error {
    let wait = lock.times.wait.0;
    let message = format!("the session's lock was not free within {wait} ms");
    Error::new(Code::LockTimeout, message)
}

fn overcrowded() -> Error {
    let message = "too many requests wait for the locks of sessions already";
    Error::new(Code::LockTimeout, message)
}

fn given_up() -> Error {
    let message = "the connection closed while its request waited for the session's lock";
    Error::new(Code::LockTimeout, message)
}

fn lost() -> Error {
    let message = "the session's lock ran out and another request took it; nothing was saved";
    Error::new(Code::LockLost, message)
}

#[cfg(test)]
mod tests;
