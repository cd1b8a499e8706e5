//! What calls that are asked as one have to say, and which of them can share a question.

use std::sync::Arc;

use crate::clock::Millis;
use crate::driver::Record;
use crate::error::Error;
use crate::session_id::SessionId;

/// What a load found.
pub(in crate::driver) type Found = Result<Option<Record>, Error>;

/// A record to be stored.
pub(in crate::driver) struct New {
    pub(in crate::driver) id: SessionId,
    pub(in crate::driver) payload: Arc<str>,
    pub(in crate::driver) now: Millis,
}

impl New {
    pub(in crate::driver) fn of(id: &SessionId, payload: &Arc<str>, now: Millis) -> Self {
        let (id, payload) = (*id, payload.clone());
        Self { id, payload, now }
    }
}

/// A record to be stored in place of another.
pub(in crate::driver) struct Change {
    pub(in crate::driver) new: New,
    pub(in crate::driver) expected: Arc<str>,
}

/// Where each id stands first: of two calls for one record, the second is made when the first is done.
pub(in crate::driver) fn once<C>(calls: &[C], id: impl Fn(&C) -> &SessionId) -> Vec<usize> {
    let is_first = |at: &usize| {
        let mut before = calls[..*at].iter();
        !before.any(|other| id(other) == id(&calls[*at]))
    };
    (0..calls.len()).filter(is_first).collect()
}
