//! The queues of lock mode: which requests of this process wait for a session's lease, and which of them has it.
//!
//! Asks no driver and reads no clock; see `lock` for who does.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::lock::Lock;
use crate::clock::Millis;
use crate::driver::Owner;
use crate::session_id::SessionId;

/// Requests of one manager that may wait at the same time.
const MOST_WAITING: usize = 10_000;

/// The queues of one manager.
#[derive(Default)]
pub(super) struct Queues {
    by_session: RefCell<HashMap<SessionId, Queue>>,
    waiting: Cell<usize>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Rc<Lock>>,
    /// The lease that a request of this process has, and when it runs out.
    own: Option<(Owner, Millis)>,
    /// Since when requests of this process have had the lease one after the other.
    stint: Option<Millis>,
}

impl Queue {
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.wake();
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.own.is_none()
    }
}

impl Queues {
    /// Sessions whose lease requests of this process have or want.
    pub(super) fn len(&self) -> usize {
        self.by_session.borrow().len()
    }

    /// The last place in a session's queue, which is given up when it is dropped. `None` when too many wait already.
    pub(super) fn enter(queues: &Rc<Queues>, id: SessionId, lock: &Rc<Lock>) -> Option<Place> {
        if queues.waiting.get() >= MOST_WAITING {
            return None;
        }
        queues.waiting.set(queues.waiting.get() + 1);
        queues.with(&id, |queue| queue.waiting.push_back(lock.clone()));
        let (queues, lock) = (queues.clone(), lock.clone());
        Some(Place { queues, id, lock })
    }

    /// Notes that a request of this process has the lease.
    pub(super) fn granted(&self, id: &SessionId, owner: Owner, until: Millis, now: Millis) {
        self.with(id, |queue| {
            queue.own = Some((owner, until));
            queue.stint.get_or_insert(now);
        });
    }

    /// Notes that it has the lease no more.
    pub(super) fn ended(&self, id: &SessionId, owner: Owner) {
        self.with(id, |queue| {
            if queue.own.is_some_and(|(own, _)| own == owner) {
                queue.own = None;
                queue.wake_first();
            }
        });
    }

    /// Looks at a session's queue, which goes when there is nothing in it any more.
    fn with<T>(&self, id: &SessionId, look: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queues = self.by_session.borrow_mut();
        let queue = queues.entry(*id).or_default();
        let seen = look(queue);
        if queue.is_idle() {
            queues.remove(id);
        }
        seen
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queues({} sessions)", self.by_session.borrow().len())
    }
}

/// A request's place in a queue.
pub(super) struct Place {
    queues: Rc<Queues>,
    id: SessionId,
    lock: Rc<Lock>,
}

impl Place {
    pub(super) fn is_first(&self) -> bool {
        let is_mine = |first: &Rc<Lock>| Rc::ptr_eq(first, &self.lock);
        self.with(|queue| queue.waiting.front().is_some_and(is_mine))
    }

    /// When the lease that another request of this process has runs out; `None` when none has it.
    pub(super) fn own_lease(&self) -> Option<Millis> {
        self.with(|queue| queue.own.map(|(_, until)| until))
    }

    /// Whether this process's requests have had the lease for so long that others should get a chance. They then begin
    /// to count anew.
    pub(super) fn stint_is_over(&self, now: Millis, longest: Millis) -> bool {
        let is_long = |began: Millis| now - began >= longest;
        self.with(|queue| queue.stint.take_if(|began| is_long(*began)).is_some())
    }

    /// Notes that another process has the lease.
    pub(super) fn others_have_it(&self) {
        self.with(|queue| queue.stint = None);
    }

    fn with<T>(&self, look: impl FnOnce(&mut Queue) -> T) -> T {
        self.queues.with(&self.id, look)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queues.waiting.set(self.queues.waiting.get() - 1);
        let is_mine = |lock: &Rc<Lock>| Rc::ptr_eq(lock, &self.lock);
        self.with(|queue| {
            if let Some(place) = queue.waiting.iter().position(is_mine) {
                queue.waiting.remove(place);
                if place == 0 {
                    queue.wake_first();
                }
            }
        });
    }
}
