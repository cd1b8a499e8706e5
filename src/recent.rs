//! What is remembered of the sessions that were in use last: of so many, and so many bytes, at most.

use std::fmt;

use hashlink::LruCache;

use crate::session_id::SessionId;

/// Most sessions of which something is remembered.
const MOST: usize = 1_024;
/// Most bytes that are remembered together.
const MOST_BYTES: usize = 8 << 20;

/// What can be remembered.
pub(crate) trait Remembered {
    /// Bytes that it keeps.
    fn bytes(&self) -> usize;
}

/// Values by session. One too many takes the place of the one that was asked for the longest ago.
pub(crate) struct Recent<V> {
    values: LruCache<SessionId, V>,
    bytes: usize,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        let values = LruCache::new(MOST);
        Recent { values, bytes: 0 }
    }
}

impl<V: Remembered> Recent<V> {
    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value of a session.
    pub(crate) fn get(&mut self, id: &SessionId) -> Option<&V> {
        self.values.get(id)
    }

    /// Remembers a value in the place of an earlier one.
    pub(crate) fn keep(&mut self, id: &SessionId, value: V) {
        self.take(id);
        if self.len() == MOST {
            self.forget_oldest();
        }
        self.bytes += value.bytes();
        self.values.insert(*id, value);
        while self.bytes > MOST_BYTES {
            self.forget_oldest();
        }
    }

    /// Forgets the value of a session; gives what it was.
    pub(crate) fn take(&mut self, id: &SessionId) -> Option<V> {
        let taken = self.values.remove(id);
        self.bytes -= taken.as_ref().map_or(0, V::bytes);
        taken
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.bytes = 0;
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.values.remove_lru() {
            self.bytes -= oldest.bytes();
        }
    }
}

impl<V: Remembered> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recent({} sessions)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Remembered for String {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let mut recent = Recent::default();
        let next = || SessionId::generate().unwrap();
        for _ in 0..20 {
            recent.keep(&next(), "x".repeat(1 << 20));
        }
        assert!(recent.bytes <= MOST_BYTES && recent.len() > 1);
        for _ in 0..2 * MOST {
            recent.keep(&next(), "{}".to_owned());
        }
        assert_eq!((recent.len(), recent.bytes), (MOST, 2 * MOST));
    }

    #[test]
    fn a_value_takes_the_place_of_an_earlier_one() {
        let (mut recent, id) = (Recent::default(), SessionId::generate().unwrap());
        recent.keep(&id, "first".to_owned());
        recent.keep(&id, "next".to_owned());
        assert_eq!((recent.len(), recent.bytes), (1, 4));
        assert_eq!(recent.take(&id).as_deref(), Some("next"));
        assert_eq!((recent.len(), recent.bytes), (0, 0));
    }
}
