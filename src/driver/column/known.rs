//! Payload columns that were read or written lately, with the payloads in them.
//!
//! Most loads of a session read what the one before did, or what was written since, and to compare a column takes a tenth of the time
//! that it takes to unwrap it, or to wrap a payload. Whoever finds the payload here has the very text that was given before, which
//! others need not compare again either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{decode, encode};
use crate::recent::{Recent, Remembered};
use crate::session_id::SessionId;

/// Columns and their payloads, by the ids of their records.
#[derive(Debug, Default)]
pub(in crate::driver) struct Known(Mutex<Recent<Pair>>);

#[derive(Clone)]
struct Pair {
    column: Arc<str>,
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
        if let Some(pair) = earlier.filter(|pair| pair.column.as_bytes() == column) {
            return Some(pair.payload);
        }
        let payload = decode(column)?;
        let column = std::str::from_utf8(column).ok()?;
        self.keep(id, Arc::from(column), &payload);
        Some(payload)
    }

    /// The column in which a record's payload stands: as it was read, if that was the payload read last.
    pub(in crate::driver) fn column(&self, id: &SessionId, payload: &Arc<str>) -> Arc<str> {
        let is_it = |pair: &&Pair| Arc::ptr_eq(&pair.payload, payload) || pair.payload == *payload;
        let known = self.pairs().get(id).filter(is_it).cloned();
        known.map_or_else(|| Arc::from(encode(payload)), |pair| pair.column)
    }

    /// What [`encode`] gives for a record's next payload, which is likely to be read next.
    pub(in crate::driver) fn encode(&self, id: &SessionId, payload: &Arc<str>) -> Arc<str> {
        let column: Arc<str> = Arc::from(encode(payload));
        self.keep(id, column.clone(), payload);
        column
    }

    fn keep(&self, id: &SessionId, column: Arc<str>, payload: &Arc<str>) {
        let payload = payload.clone();
        self.pairs().keep(id, Pair { column, payload });
    }

    /// Held for a line at a time.
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

    #[test]
    fn the_column_of_a_payload_is_the_one_that_was_read_or_written_last() {
        let (known, id) = (Known::default(), SessionId::generate().unwrap());
        let read = known.decode(&id, br#" "{\u0022a\":1}""#).unwrap();
        assert_eq!(&*known.column(&id, &read), r#" "{\u0022a\":1}""#);
        let other = Arc::from(r#"{"a":2}"#);
        assert_eq!(&*known.column(&id, &other), r#""{\"a\":2}""#);
        assert_eq!(&*known.encode(&id, &other), r#""{\"a\":2}""#);
        let written = known.decode(&id, br#""{\"a\":2}""#).unwrap();
        assert!(Arc::ptr_eq(&written, &other));
        assert_eq!(&*known.column(&id, &read), r#""{\"a\":1}""#);
    }
}
