//! Ids that visitors may have been given already while their records are still being made.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::session_id::SessionId;

/// The ids whose records are being made.
#[derive(Debug, Default)]
pub(super) struct Creating(RefCell<HashMap<SessionId, Making>>);

/// A record that is being made.
#[derive(Debug, Default)]
struct Making {
    /// By so many saves.
    saves: usize,
    /// Who waits for it.
    waiting: Vec<Waker>,
}

impl Creating {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether the record of `id` is being made.
    pub(super) fn has(&self, id: &SessionId) -> bool {
        self.0.borrow().contains_key(id)
    }

    /// Waits until the record of `id` is not being made any more.
    pub(super) async fn done(&self, id: &SessionId) {
        poll_fn(|context| match self.0.borrow_mut().get_mut(id) {
            None => Poll::Ready(()),
            Some(making) => {
                making.waiting.push(context.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    /// Notes that the record of `id` is being made, until the note is dropped.
    pub(super) fn note(&self, id: SessionId) -> Note<'_> {
        self.0.borrow_mut().entry(id).or_default().saves += 1;
        Note { creating: self, id }
    }
}

/// A record is being made while this exists, whatever becomes of the save that makes it.
#[derive(Debug)]
pub(super) struct Note<'c> {
    creating: &'c Creating,
    id: SessionId,
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        let mut ids = self.creating.0.borrow_mut();
        let Some(making) = ids.get_mut(&self.id) else {
            return;
        };
        making.saves -= 1;
        if making.saves > 0 {
            return;
        }
        let made = ids.remove(&self.id);
        drop(ids);
        made.into_iter()
            .flat_map(|made| made.waiting)
            .for_each(Waker::wake);
    }
}
