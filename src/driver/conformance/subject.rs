//! A driver as the laws see it: every answer waited for, every error a failed law.
//!
//! Only makes the laws short; judges nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::clock::Millis;
use crate::driver::{
    Acquired, Answer, Bounds, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced,
    Sweep, Touched, Visited,
};
use crate::error::Result;
use crate::session_id::{ID_CHARS, SessionId};
use crate::worker;

use super::Fixture;

/// The instant at which most laws begin: a day in 2026, since drivers may use the storage's own stamps.
pub(super) const START: Millis = Millis(1_795_000_000_000);

/// The bounds of most laws: five minutes of silence, 1 MiB of payload.
pub(super) const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(300_000),
    max_payload: 1 << 20,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};

/// Steps after which a pass of a sweep, or a listing, counts as endless.
pub(super) const MOST_STEPS: usize = 10_000;

/// The instant `ms` milliseconds after [`START`].
pub(super) fn at(ms: i64) -> Millis {
    START + Millis(ms)
}

/// The id that begins with `text`.
pub(super) fn id(text: &str) -> SessionId {
    let padded = format!("{text:x<ID_CHARS$}");
    SessionId::parse(&padded).expect("a test's id is valid")
}

/// The `number`th id; different for each number.
pub(super) fn numbered(number: usize) -> SessionId {
    id(&format!("n{number}_"))
}

/// A driver under test.
pub(super) struct Subject(Box<dyn Driver>);

impl Subject {
    /// The fixture's driver, with the usual bounds.
    pub(super) fn of(fixture: &dyn Fixture) -> Self {
        Self::bounded(fixture, BOUNDS)
    }

    pub(super) fn bounded(fixture: &dyn Fixture, bounds: Bounds) -> Self {
        Self(fixture.open(bounds))
    }

    /// A further instance over the fixture's storage; `None` when that is impossible.
    pub(super) fn another(fixture: &dyn Fixture) -> Option<Self> {
        fixture.reopen(BOUNDS).map(Self)
    }

    pub(super) fn another_bounded(fixture: &dyn Fixture, bounds: Bounds) -> Option<Self> {
        fixture.reopen(bounds).map(Self)
    }

    /// What calls give that are made in one turn.
    pub(super) fn at_once<T: Unpin>(
        &self,
        calls: impl FnOnce(&dyn Driver) -> Vec<Answer<T>>,
    ) -> Vec<T> {
        let answers = worker::collect(|| calls(&*self.0));
        worker::send();
        let all_work = |answer: Answer<T>| block_on(answer).expect("it works");
        answers.into_iter().map(all_work).collect()
    }

    pub(super) fn load(&self, id: &SessionId, now: Millis) -> Option<Record> {
        self.try_load(id, now).expect("load works")
    }

    pub(super) fn try_load(&self, id: &SessionId, now: Millis) -> Result<Option<Record>> {
        block_on(self.0.load(id, now))
    }

    pub(super) fn visit(&self, id: &SessionId, now: Millis, interval: Millis) -> Option<Visited> {
        block_on(self.0.visit(id, now, interval)).expect("a visit works")
    }

    /// The payload that is stored now; an idle record has none.
    pub(super) fn payload(&self, id: &SessionId, now: Millis) -> Option<String> {
        self.load(id, now).map(|record| record.payload.to_string())
    }

    /// The last activity of a record that must be live at `now`.
    pub(super) fn activity(&self, id: &SessionId, now: Millis) -> Millis {
        self.load(id, now)
            .expect("the record is live")
            .last_activity
    }

    pub(super) fn create(&self, id: &SessionId, payload: &str, now: Millis) -> Created {
        self.try_create(id, payload, now).expect("create works")
    }

    pub(super) fn try_create(&self, id: &SessionId, payload: &str, now: Millis) -> Result<Created> {
        block_on(self.0.create(id, &Arc::from(payload), now))
    }

    pub(super) fn replace(
        &self,
        id: &SessionId,
        expected: &str,
        payload: &str,
        now: Millis,
    ) -> Replaced {
        self.try_replace(id, expected, payload, now)
            .expect("replace works")
    }

    pub(super) fn try_replace(
        &self,
        id: &SessionId,
        expected: &str,
        payload: &str,
        now: Millis,
    ) -> Result<Replaced> {
        let (expected, payload) = (Arc::from(expected), Arc::from(payload));
        block_on(self.0.replace(id, &expected, &payload, now))
    }

    pub(super) fn remove(&self, id: &SessionId, expected: &str) -> Removed {
        block_on(self.0.remove(id, &Arc::from(expected))).expect("remove works")
    }

    pub(super) fn touch(&self, id: &SessionId, now: Millis) -> Touched {
        block_on(self.0.touch(id, now)).expect("touch works")
    }

    pub(super) fn destroy(&self, id: &SessionId) {
        block_on(self.0.destroy(id)).expect("destroy works");
    }

    pub(super) fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Acquired {
        block_on(self.0.acquire(id, owner, lease, now)).expect("acquire works")
    }

    pub(super) fn release(&self, id: &SessionId, owner: Owner) {
        block_on(self.0.release(id, owner)).expect("release works");
    }

    /// One page of a listing.
    pub(super) fn page(&self, after: Option<&Cursor>, limit: usize) -> Page {
        block_on(self.0.scan(after, limit)).expect("scan works")
    }

    /// One step of a sweep.
    pub(super) fn step(&self, cutoff: Millis, limit: usize) -> Sweep {
        block_on(self.0.sweep(cutoff, limit)).expect("sweep works")
    }

    /// Steps until the pass is done; gives how many records it removed.
    pub(super) fn sweep(&self, cutoff: Millis, limit: usize) -> usize {
        let mut removed = 0;
        for _ in 0..MOST_STEPS {
            let step = self.step(cutoff, limit);
            removed += step.removed;
            if step.done {
                return removed;
            }
        }
        panic!("a pass of the sweep does not end");
    }
}

/// Wakes the thread that waits for an answer.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for what `future` gives.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
