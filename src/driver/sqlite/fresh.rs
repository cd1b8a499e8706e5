//! Records as one connection saw them last, which are still so while nobody else has written to the database.
//!
//! SQLite counts, for each connection, how often others have committed (`PRAGMA data_version`). While that number stays, a record
//! is what it was when this connection read or wrote it, so that it need not be searched, read and unwrapped again. Runs no SQL.

use hashlink::LruCache;

use crate::driver::Record;
use crate::session_id::SessionId;

/// Most records that are kept.
const MOST: usize = 1_024;
/// Most bytes of payload that are kept together. They are shared with what the manager remembers of the same sessions.
const MOST_BYTES: usize = 8 << 20;
/// Most loads in a row for which it is not asked whether others have written, after that was often so.
const MOST_UNASKED: u32 = 64;

/// What a connection knows of the records it dealt with last.
pub(super) struct Fresh {
    /// The number that stood when each of the records was seen, or an earlier one.
    version: i64,
    records: LruCache<SessionId, Record>,
    bytes: usize,
    /// Loads that are still to come before the number is asked for again.
    unasked: u32,
    /// How many they will be when it has changed once more.
    pause: u32,
}

impl Default for Fresh {
    fn default() -> Self {
        Fresh {
            version: 0,
            records: LruCache::new(MOST),
            bytes: 0,
            unasked: 0,
            pause: 0,
        }
    }
}

impl Fresh {
    /// Whether it is worth asking for the number, now that a record is wanted. It is not for a while where others have always
    /// written meanwhile.
    pub(super) fn is_worth_asking(&mut self) -> bool {
        let is_worth = self.unasked == 0;
        self.unasked = self.unasked.saturating_sub(1);
        is_worth
    }

    /// Takes the present number: another one than before means that others have written.
    pub(super) fn is_at(&mut self, version: i64) {
        if version == self.version {
            self.pause = 0;
            return;
        }
        if !self.records.is_empty() {
            self.pause = (2 * self.pause + 1).min(MOST_UNASKED);
            self.unasked = self.pause;
        }
        self.clear();
        self.version = version;
    }

    /// The record of an id, if it is known.
    pub(super) fn find(&mut self, id: &SessionId) -> Option<&Record> {
        self.records.get(id)
    }

    /// Notes a record that was read or written since the number was taken.
    pub(super) fn keep(&mut self, id: &SessionId, record: Record) {
        self.take(id);
        if self.records.len() == MOST {
            self.forget_oldest();
        }
        self.bytes += record.payload.len();
        self.records.insert(*id, record);
        while self.bytes > MOST_BYTES {
            self.forget_oldest();
        }
    }

    /// Forgets the record of an id, before it is written to; gives what it was.
    pub(super) fn take(&mut self, id: &SessionId) -> Option<Record> {
        let taken = self.records.remove(id);
        self.bytes -= taken.as_ref().map_or(0, |record| record.payload.len());
        taken
    }

    /// Forgets all records.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
    }

    /// How many records are known, and their bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.records.len(), self.bytes)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.records.remove_lru() {
            self.bytes -= oldest.payload.len();
        }
    }
}

impl std::fmt::Debug for Fresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fresh({} records)", self.records.len())
    }
}
