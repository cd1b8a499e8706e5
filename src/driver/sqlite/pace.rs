//! Whether the calling thread may use the disk: not after it was slow, until other threads have found it quick again.
//!
//! Counts operations, reads no clock. A thread that was merely interrupted is soon back; a disk that stalls keeps it away.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What takes longer was slow: fifty times a write to an idle database, and little enough for one request to wait.
const SLOW: Duration = Duration::from_millis(5);
/// Quick operations in a row on other threads that let the calling thread return.
const QUICK_IN_A_ROW: u32 = 8;

/// The pace of one kind of operation.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Quick operations that are still to come before the calling thread may return; 0 while it may.
    still_to_come: AtomicU32,
}

impl Pace {
    /// Whether the calling thread may use the disk.
    pub(super) fn allows_in_place(&self) -> bool {
        self.still_to_come.load(Ordering::Relaxed) == 0
    }

    /// An operation on the calling thread took so long.
    pub(super) fn took_in_place(&self, time: Duration) {
        if time > SLOW {
            self.keep_away();
        }
    }

    /// An operation on another thread took so long, its wait for other connections included.
    pub(super) fn took_elsewhere(&self, time: Duration) {
        let left = self.still_to_come.load(Ordering::Relaxed);
        match left {
            0 => {}
            _ if time > SLOW => self.keep_away(),
            _ => self.still_to_come.store(left - 1, Ordering::Relaxed),
        }
    }

    /// Sends operations to other threads for a while.
    pub(super) fn keep_away(&self) {
        self.still_to_come.store(QUICK_IN_A_ROW, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = SLOW;
    const TOO_LONG: Duration = Duration::from_millis(6);

    #[test]
    fn one_slow_call_sends_the_next_ones_elsewhere_until_they_were_quick() {
        let pace = Pace::default();
        pace.took_in_place(QUICK);
        assert!(pace.allows_in_place());
        pace.took_in_place(TOO_LONG);
        for _ in 0..QUICK_IN_A_ROW {
            assert!(!pace.allows_in_place());
            pace.took_elsewhere(QUICK);
        }
        assert!(pace.allows_in_place());
    }

    #[test]
    fn a_slow_call_elsewhere_prolongs_the_absence_but_does_not_begin_one() {
        let pace = Pace::default();
        pace.took_elsewhere(TOO_LONG);
        assert!(pace.allows_in_place());
        pace.took_in_place(TOO_LONG);
        for _ in 1..QUICK_IN_A_ROW {
            pace.took_elsewhere(QUICK);
        }
        pace.took_elsewhere(TOO_LONG);
        pace.took_elsewhere(QUICK);
        assert!(!pace.allows_in_place());
    }
}
