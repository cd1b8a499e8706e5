//! Turns: saves of one session run one after the other.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::session_id::SessionId;

/// Whose turn it is to save a session.
#[derive(Debug, Default)]
pub(super) struct Turns {
    busy: RefCell<HashSet<SessionId>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Turns {
    /// Waits until no other save of `id` runs, and keeps others out until the turn is dropped.
    pub(super) async fn take(&self, id: SessionId) -> Turn<'_> {
        poll_fn(|context| {
            if self.busy.borrow_mut().insert(id) {
                return Poll::Ready(Turn { turns: self, id });
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// A save's turn; over when it is dropped.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    id: SessionId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.busy.borrow_mut().remove(&self.id);
        let waiting = std::mem::take(&mut *self.turns.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }
}
