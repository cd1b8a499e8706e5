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
    /// Waits until no other save of `id` runs, and keeps others out until the turn is dropped.
    pub(super) async fn take(&self, id: SessionId) -> Turn<'_> {
        let mut ticket: Option<Ticket> = None;
        poll_fn(|context| {
            if self.busy.borrow_mut().insert(id) {
                return Poll::Ready(Turn { turns: self, id });
            }
            match &ticket {
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
                    ticket = Some(new);
                }
            }
            Poll::Pending
        })
        .await
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
        if let Some(next) = self.turns.next(&self.id) {
            next.borrow().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

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
}
