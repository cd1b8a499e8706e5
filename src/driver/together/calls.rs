//! What calls that are asked as one have to say, and which of them cannot be.

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

/// What a call asks.
pub(in crate::driver) trait Question {
    /// Whether one has to be done before the other, so that they are not asked as one.
    fn clashes(&self, other: &Self) -> bool;
}

/// A load.
impl Question for SessionId {
    fn clashes(&self, _: &Self) -> bool {
        false
    }
}

impl Question for New {
    fn clashes(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Question for Change {
    fn clashes(&self, other: &Self) -> bool {
        self.new.clashes(&other.new)
    }
}
