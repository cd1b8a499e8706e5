//! Texts that were checked lately, with what was found in them: most requests of a visitor load the same text again.

use std::cell::RefCell;
use std::sync::Arc;

use hashlink::LruCache;

use crate::session::Base;
use crate::session_id::SessionId;

/// Most sessions whose text is remembered.
const MOST: usize = 1_024;
/// Most bytes of text that are remembered together. A memory driver's records share theirs with this.
const MOST_BYTES: usize = 8 << 20;

/// What is remembered of the sessions loaded last.
pub(super) struct Parsed(RefCell<Remembered>);

struct Remembered {
    bases: LruCache<SessionId, Base>,
    bytes: usize,
}

impl Default for Parsed {
    fn default() -> Self {
        let bases = LruCache::new(MOST);
        Parsed(RefCell::new(Remembered { bases, bytes: 0 }))
    }
}

impl Parsed {
    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().bases.len()
    }

    /// The base of a session's text, if exactly that text was checked before.
    pub(super) fn find(&self, id: &SessionId, text: &Arc<str>) -> Option<Base> {
        let mut remembered = self.0.borrow_mut();
        remembered
            .bases
            .get(id)
            .filter(|base| base.is_of(text))
            .cloned()
    }

    /// Remembers the base of a session's text.
    pub(super) fn remember(&self, id: &SessionId, base: &Base) {
        let mut remembered = self.0.borrow_mut();
        if remembered.bases.len() == MOST && !remembered.bases.contains_key(id) {
            remembered.forget_oldest();
        }
        let earlier = remembered.bases.insert(*id, base.clone());
        remembered.bytes -= earlier.map_or(0, |earlier| earlier.size());
        remembered.bytes += base.size();
        while remembered.bytes > MOST_BYTES {
            remembered.forget_oldest();
        }
    }
}

impl Remembered {
    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.bases.remove_lru() {
            self.bytes -= oldest.size();
        }
    }
}

impl std::fmt::Debug for Parsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parsed({} sessions)", self.0.borrow().bases.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Base {
        Base::parse(Arc::from(text), 10).unwrap()
    }

    #[test]
    fn only_the_very_text_is_found_again() {
        let id = SessionId::generate().unwrap();
        let parsed = Parsed::default();
        parsed.remember(&id, &base("{}"));
        assert!(parsed.find(&id, &Arc::from("{}")).is_some());
        assert!(parsed.find(&id, &Arc::from("{ }")).is_none());
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let parsed = Parsed::default();
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        for _ in 0..20 {
            parsed.remember(&SessionId::generate().unwrap(), &base(&large));
        }
        assert!(parsed.0.borrow().bytes <= MOST_BYTES);
        for _ in 0..2 * MOST {
            parsed.remember(&SessionId::generate().unwrap(), &base("{}"));
        }
        let remembered = parsed.0.borrow();
        assert_eq!((remembered.bases.len(), remembered.bytes), (MOST, 2 * MOST));
    }
}
