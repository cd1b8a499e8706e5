//! Turns: saves of one session run one after the other, in the order in which they came.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::session_id::SessionId;

/// Who waits: its latest waker. Out of the queue, or given up, when there is only one owner left.
type Ticket = Rc<RefCell<Waker>>;

/// Whose turn it is to save a session.
#[derive(Debug, Default)]
pub(super) struct Turns {
    busy: RefCell<HashSet<SessionId>>,
    waiting: RefCell<HashMap<SessionId, VecDeque<Ticket>>>,
}

impl Turns {
    /// Sessions that are being saved, and those that wait for it.
    pub(super) fn len(&self) -> usize {
        self.busy.borrow().len() + self.waiting.borrow().len()
    }

    /// Waits until no other save of `id` runs, and keeps others out until the turn is dropped.
    pub(super) async fn take(&self, id: SessionId) -> Turn<'_> {
        let mut waiter = Waiter {
            turns: self,
            id,
            ticket: None,
        };
        poll_fn(|context| {
            if self.busy.borrow_mut().insert(id) {
                waiter.ticket = None;
                return Poll::Ready(Turn { turns: self, id });
            }
            match &waiter.ticket {
                Some(queued) if Rc::strong_count(queued) > 1 => {
                    queued.replace(context.waker().clone());
                }
                called => {
                    // Whoever was called and found the turn taken again stays first.
                    let is_first = called.is_some();
                    let new: Ticket = Rc::new(RefCell::new(context.waker().clone()));
                    let mut waiting = self.waiting.borrow_mut();
                    let queue = waiting.entry(id).or_default();
                    match is_first {
                        true => queue.push_front(new.clone()),
                        false => queue.push_back(new.clone()),
                    }
                    waiter.ticket = Some(new);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Calls the next in the queue who still waits.
    fn call_next(&self, id: &SessionId) {
        if let Some(next) = self.next(id) {
            next.borrow().wake_by_ref();
        }
    }

    /// The next in the queue who still waits.
    fn next(&self, id: &SessionId) -> Option<Ticket> {
        let mut waiting = self.waiting.borrow_mut();
        let queue = waiting.get_mut(id)?;
        let next =
            std::iter::from_fn(|| queue.pop_front()).find(|ticket| Rc::strong_count(ticket) > 1);
        if queue.is_empty() {
            waiting.remove(id);
        }
        next
    }
}

/// A save's turn; over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    id: SessionId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.busy.borrow_mut().remove(&self.id);
        self.turns.call_next(&self.id);
    }
}

/// Someone in the queue. Whoever was called and gives up before taking the turn hands the call on.
struct Waiter<'t> {
    turns: &'t Turns,
    id: SessionId,
    ticket: Option<Ticket>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let was_called = |ticket: &Ticket| Rc::strong_count(ticket) == 1;
        let is_called = self.ticket.as_ref().is_some_and(was_called);
        if is_called && !self.turns.busy.borrow().contains(&self.id) {
            self.turns.call_next(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    fn id() -> SessionId {
        SessionId::parse(&"a".repeat(40)).unwrap()
    }

    #[test]
    fn turns_come_one_by_one_in_order_and_a_waiter_that_gave_up_is_passed_over() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = pin!(turns.take(id())).poll(&mut context) else {
            panic!("the first turn is free");
        };
        let mut second = Box::pin(turns.take(id()));
        let mut third = Box::pin(turns.take(id()));
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert_eq!(turns.waiting.borrow()[&id()].len(), 2);
        drop(second);
        drop(first);
        assert!(turns.waiting.borrow().is_empty());
        assert!(third.as_mut().poll(&mut context).is_ready());
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_who_is_called_and_gives_up_hands_the_call_on() {
        let turns = Turns::default();
        let mut deaf = Context::from_waker(Waker::noop());
        let first = Box::pin(turns.take(id())).as_mut().poll(&mut deaf);
        let (mut second, mut third) = (Box::pin(turns.take(id())), Box::pin(turns.take(id())));
        assert!(second.as_mut().poll(&mut deaf).is_pending());
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let mut context = Context::from_waker(&waker);
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert_eq!(bell.0.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
