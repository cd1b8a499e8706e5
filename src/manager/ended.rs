//! Ids that were destroyed or given up lately: they are never sent to a visitor again.

use std::cell::RefCell;

use hashlink::LruCache;

use crate::session_id::SessionId;

/// Most ids that are remembered. A request that is slower than that many log-outs finds its record gone when it ends.
const MOST: usize = 10_000;

/// The ids that ended last.
pub(super) struct Ended(RefCell<LruCache<SessionId, ()>>);

impl Default for Ended {
    fn default() -> Self {
        Ended(RefCell::new(LruCache::new(MOST)))
    }
}

impl Ended {
    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn remember(&self, id: SessionId) {
        self.0.borrow_mut().insert(id, ());
    }

    /// The id has a record again, because the application chose it anew.
    pub(super) fn forget(&self, id: &SessionId) {
        let mut ids = self.0.borrow_mut();
        if !ids.is_empty() {
            ids.remove(id);
        }
    }

    pub(super) fn has(&self, id: &SessionId) -> bool {
        let ids = self.0.borrow();
        !ids.is_empty() && ids.contains_key(id)
    }
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ended({} ids)", self.0.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_ids_are_remembered() {
        let ended = Ended::default();
        let first = SessionId::generate().unwrap();
        ended.remember(first);
        assert!(ended.has(&first));
        for _ in 0..MOST {
            ended.remember(SessionId::generate().unwrap());
        }
        assert!(!ended.has(&first));
        assert_eq!(ended.0.borrow().len(), MOST);
    }
}
