//! Whether a server was there a moment ago: one that takes no connections then is probably being restarted, and is worth
//! waiting for. One that has been away for longer is an error at once.
//!
//! Connects nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long after its last answer a server may be on its way back.
const A_MOMENT: Duration = Duration::from_secs(5);
/// Time between two attempts to connect to it.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// When a server answered last.
#[derive(Debug)]
pub(super) struct Presence {
    since: Instant,
    /// Milliseconds after `since`, and one more; 0 for never.
    seen: AtomicU64,
    /// How long a call waits for the server at most, from its beginning.
    patience: Duration,
}

impl Presence {
    /// For calls that are given up after `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            since: Instant::now(),
            seen: AtomicU64::new(0),
            // So that its caller learns what the matter was.
            patience: limit * 9 / 10,
        }
    }

    /// The server has answered.
    pub(super) fn confirm(&self, now: Instant) {
        let millis = now.duration_since(self.since).as_millis();
        let seen = u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1;
        self.seen.fetch_max(seen, Ordering::Relaxed);
    }

    /// Whether it was there a moment ago.
    pub(super) fn is_recent(&self) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        let age = |millis| {
            self.since
                .elapsed()
                .saturating_sub(Duration::from_millis(millis))
        };
        seen.checked_sub(1)
            .is_some_and(|millis| age(millis) < A_MOMENT)
    }

    /// Whether a call that began then has the time for another attempt.
    pub(super) fn has_time(&self, begun: Instant) -> bool {
        begun.elapsed() + PAUSE < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_recent_for_a_moment_after_its_answer() {
        let presence = Presence::new(Duration::from_secs(2));
        assert!(!presence.is_recent());
        presence.confirm(Instant::now());
        assert!(presence.is_recent());
        let Some(earlier) = Instant::now().checked_sub(A_MOMENT) else {
            return;
        };
        let old = Presence {
            since: earlier,
            ..Presence::new(Duration::ZERO)
        };
        old.confirm(earlier);
        assert!(!old.is_recent());
        // What comes late does not make it older.
        old.confirm(Instant::now());
        old.confirm(earlier);
        assert!(old.is_recent());
    }

    #[test]
    fn a_call_has_time_until_its_limit_is_near() {
        let presence = Presence::new(Duration::from_secs(3600));
        assert!(presence.has_time(Instant::now()));
        assert!(!Presence::new(PAUSE).has_time(Instant::now()));
    }
}
