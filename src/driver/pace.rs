//! Whether the calling thread may use the disk: not after it was slow, until other threads have found it quick again.
//!
//! Counts operations, reads no clock. A thread that is interrupted looks like a disk that is slow, and on a busy machine that
//! happens to one call in forty: one such call decides nothing, three close to each other do, and so does one that stalls.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What takes longer was slow: fifty times a write to an idle database or of a small file, and little enough for one
/// request to wait.
const SLOW: Duration = Duration::from_millis(5);
/// What takes longer was more than an interruption.
const STALLED: Duration = Duration::from_millis(50);
/// Quick operations on the calling thread that make up for a slow one.
const QUICK_FOR_A_SLOW: u32 = 16;
/// Slow operations that are borne as long as none of them is made up for; the next one is one too many.
const SLOW_BORNE: u32 = 2;
/// Quick operations in a row on other threads that let the calling thread return.
const QUICK_IN_A_ROW: u32 = 8;

/// The pace of one kind of operation.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Quick operations that would make up for the slow ones on the calling thread.
    owed: AtomicU32,
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
        let owed = self.owed.load(Ordering::Relaxed);
        if time <= SLOW {
            self.owed.store(owed.saturating_sub(1), Ordering::Relaxed);
        } else if time > STALLED || owed + QUICK_FOR_A_SLOW > SLOW_BORNE * QUICK_FOR_A_SLOW {
            self.keep_away();
        } else {
            self.owed.store(owed + QUICK_FOR_A_SLOW, Ordering::Relaxed);
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
        self.owed.store(0, Ordering::Relaxed);
        self.still_to_come.store(QUICK_IN_A_ROW, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = SLOW;
    const TOO_LONG: Duration = Duration::from_millis(6);
    const FAR_TOO_LONG: Duration = Duration::from_millis(51);

    #[test]
    fn a_call_that_stalls_sends_the_next_ones_elsewhere_until_they_were_quick() {
        let pace = Pace::default();
        pace.took_in_place(QUICK);
        assert!(pace.allows_in_place());
        pace.took_in_place(FAR_TOO_LONG);
        for _ in 0..QUICK_IN_A_ROW {
            assert!(!pace.allows_in_place());
            pace.took_elsewhere(QUICK);
        }
        assert!(pace.allows_in_place());
    }

    #[test]
    fn three_slow_calls_do_the_same_unless_quick_ones_between_them_make_up_for_one() {
        for between in [0, QUICK_FOR_A_SLOW - 1, QUICK_FOR_A_SLOW] {
            let pace = Pace::default();
            pace.took_in_place(TOO_LONG);
            pace.took_in_place(TOO_LONG);
            assert!(pace.allows_in_place());
            for _ in 0..between {
                pace.took_in_place(QUICK);
            }
            pace.took_in_place(TOO_LONG);
            assert_eq!(pace.allows_in_place(), between == QUICK_FOR_A_SLOW);
        }
    }

    #[test]
    fn a_slow_call_elsewhere_prolongs_the_absence_but_does_not_begin_one() {
        let pace = Pace::default();
        pace.took_elsewhere(FAR_TOO_LONG);
        assert!(pace.allows_in_place());
        pace.took_in_place(FAR_TOO_LONG);
        for _ in 1..QUICK_IN_A_ROW {
            pace.took_elsewhere(QUICK);
        }
        pace.took_elsewhere(TOO_LONG);
        pace.took_elsewhere(QUICK);
        assert!(!pace.allows_in_place());
    }
}
