//! Payload columns that were read lately, with the payloads in them.
//!
//! Most loads of a session read what the one before did, and to compare a column takes a tenth of the time that it takes to unwrap
//! it. Whoever finds the payload here has the very text that was given before, which others need not compare again either.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;

use super::decode;
use crate::session_id::SessionId;

/// Most columns that are kept.
const MOST: usize = 1_024;
/// Most bytes of columns that are kept together.
const MOST_BYTES: usize = 8 << 20;

/// Columns and their payloads, by the ids of their records.
pub(in crate::driver) struct Known(Mutex<Kept>);

struct Kept {
    pairs: LruCache<SessionId, Pair>,
    bytes: usize,
}

#[derive(Clone)]
struct Pair {
    column: Arc<[u8]>,
    payload: Arc<str>,
}

impl Default for Known {
    fn default() -> Self {
        let pairs = LruCache::new(MOST);
        Known(Mutex::new(Kept { pairs, bytes: 0 }))
    }
}

impl Known {
    /// What [`super::decode`] gives for the column of a record.
    pub(in crate::driver) fn decode(&self, id: &SessionId, column: &[u8]) -> Option<Arc<str>> {
        let earlier = self.kept().pairs.get(id).cloned();
        if let Some(pair) = earlier.filter(|pair| *pair.column == *column) {
            return Some(pair.payload);
        }
        let payload = decode(column)?;
        let pair = Pair {
            column: Arc::from(column),
            payload: payload.clone(),
        };
        self.kept().keep(id, pair);
        Some(payload)
    }

    /// Held for a line at a time, while nothing is compared or copied.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, id: &SessionId, pair: Pair) {
        let earlier = self.pairs.remove(id);
        self.bytes -= earlier.map_or(0, |pair| pair.column.len());
        if self.pairs.len() == MOST {
            self.forget_oldest();
        }
        self.bytes += pair.column.len();
        self.pairs.insert(*id, pair);
        while self.bytes > MOST_BYTES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.pairs.remove_lru() {
            self.bytes -= oldest.column.len();
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({} columns)", self.kept().pairs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_very_payload_is_given_again_until_the_column_is_another() {
        let (known, id) = (Known::default(), SessionId::generate().unwrap());
        let first = known.decode(&id, br#""{\"a\":1}""#).unwrap();
        let again = known.decode(&id, br#""{\"a\":1}""#).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(&*known.decode(&id, br#""{\"a\":2}""#).unwrap(), "{\"a\":2}");
        assert_eq!(&*known.decode(&id, b" {} ").unwrap(), " {} ");
        assert_eq!(known.decode(&id, b"no JSON string"), None);
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let known = Known::default();
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        for _ in 0..20 {
            known.decode(&SessionId::generate().unwrap(), large.as_bytes());
        }
        assert!(known.kept().bytes <= MOST_BYTES);
        for _ in 0..2 * MOST {
            known.decode(&SessionId::generate().unwrap(), b"{}");
        }
        let kept = known.kept();
        assert_eq!((kept.pairs.len(), kept.bytes), (MOST, 2 * MOST));
    }
}
