//! Texts that were checked lately, with what was found in them: most requests of a visitor load the same text again.

use std::cell::RefCell;
use std::sync::Arc;

use crate::recent::{Recent, Remembered};
use crate::session::Base;
use crate::session_id::SessionId;

/// What is remembered of the sessions loaded last. A memory driver's records share their texts with it.
#[derive(Debug, Default)]
pub(super) struct Parsed(RefCell<Recent<Base>>);

impl Remembered for Base {
    fn bytes(&self) -> usize {
        self.size()
    }
}

impl Parsed {
    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The base of a session's text, if exactly that text was checked before.
    pub(super) fn find(&self, id: &SessionId, text: &Arc<str>) -> Option<Base> {
        let mut bases = self.0.borrow_mut();
        bases.get(id).filter(|base| base.is_of(text)).cloned()
    }

    /// Remembers the base of a session's text.
    pub(super) fn remember(&self, id: &SessionId, base: &Base) {
        self.0.borrow_mut().keep(id, base.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_is_found_again() {
        let id = SessionId::generate().unwrap();
        let parsed = Parsed::default();
        parsed.remember(&id, &Base::parse(Arc::from("{}"), 10).unwrap());
        assert!(parsed.find(&id, &Arc::from("{}")).is_some());
        assert!(parsed.find(&id, &Arc::from("{ }")).is_none());
    }
}
