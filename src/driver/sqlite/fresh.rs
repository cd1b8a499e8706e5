//! Records as one connection saw them last, which are still so while nobody else has written to the database.
//!
//! SQLite counts, for each connection, how often others have committed (`PRAGMA data_version`). While that number stays, a record
//! is what it was when this connection read or wrote it, so that it need not be searched, read and unwrapped again. Runs no SQL.

use crate::driver::Record;
use crate::recent::{Recent, Remembered};
use crate::session_id::SessionId;

/// Most loads in a row for which it is not asked whether others have written, after that was often so.
const MOST_UNASKED: u32 = 64;

impl Remembered for Record {
    fn bytes(&self) -> usize {
        self.payload.len()
    }
}

/// What a connection knows of the records it dealt with last. Their payloads are shared with what the manager remembers.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// The number that stood when each of the records was seen, or an earlier one.
    version: i64,
    records: Recent<Record>,
    /// Loads that are still to come before the number is asked for again.
    unasked: u32,
    /// How many they will be when it has changed once more.
    pause: u32,
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
        if self.records.len() > 0 {
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
        self.records.keep(id, record);
    }

    /// Forgets the record of an id, before it is written to; gives what it was.
    pub(super) fn take(&mut self, id: &SessionId) -> Option<Record> {
        self.records.take(id)
    }

    /// Forgets all records.
    pub(super) fn clear(&mut self) {
        self.records.clear();
    }
}
