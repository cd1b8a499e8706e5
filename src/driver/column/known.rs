//! Payload columns that were read lately, with the payloads in them.
//!
//! Most loads of a session read what the one before did, and to compare a column takes a tenth of the time that it takes to unwrap
//! it. Whoever finds the payload here has the very text that was given before, which others need not compare again either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decode;
use crate::recent::{Recent, Remembered};
use crate::session_id::SessionId;

/// Columns and their payloads, by the ids of their records.
#[derive(Debug, Default)]
pub(in crate::driver) struct Known(Mutex<Recent<Pair>>);

#[derive(Clone)]
struct Pair {
    column: Arc<[u8]>,
    payload: Arc<str>,
}

impl Remembered for Pair {
    fn bytes(&self) -> usize {
        self.column.len()
    }
}

impl Known {
    /// What [`super::decode`] gives for the column of a record.
    pub(in crate::driver) fn decode(&self, id: &SessionId, column: &[u8]) -> Option<Arc<str>> {
        let earlier = self.pairs().get(id).cloned();
        if let Some(pair) = earlier.filter(|pair| *pair.column == *column) {
            return Some(pair.payload);
        }
        let payload = decode(column)?;
        let pair = Pair {
            column: Arc::from(column),
            payload: payload.clone(),
        };
        self.pairs().keep(id, pair);
        Some(payload)
    }

    /// Held for a line at a time, while nothing is compared or copied.
    fn pairs(&self) -> MutexGuard<'_, Recent<Pair>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
