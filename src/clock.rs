//! Time: instants and durations in milliseconds, and the two clocks that give them.
//!
//! Below the manager nothing reads a clock; it is given `Millis`.

use std::cell::Cell;
use std::fmt;
use std::ops::{Add, Sub};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A count of milliseconds: since 1970-01-01 UTC for an instant, a length for a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The length of time; none for what is less than nothing.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Add for Millis {
    type Output = Millis;
    fn add(self, other: Millis) -> Millis {
        Millis(self.0.saturating_add(other.0))
    }
}

impl Sub for Millis {
    type Output = Millis;
    fn sub(self, other: Millis) -> Millis {
        Millis(self.0.saturating_sub(other.0))
    }
}

/// Whether a record last active at `last_activity` has been silent for longer than `idle_timeout`.
pub fn is_idle(last_activity: Millis, now: Millis, idle_timeout: Millis) -> bool {
    last_activity + idle_timeout < now
}

/// Where a manager reads the time.
#[derive(Clone)]
pub enum Clock {
    /// The system's clock, held so that it never runs backwards within the process, and never stands still.
    System,
    /// A clock that a test winds by hand.
    Manual(Rc<Cell<Millis>>),
}

/// How this thread tells the time.
#[derive(Clone, Copy)]
enum Present {
    /// By a look at the clock, each time.
    Runs,
    /// It stands still from the next look on.
    Next,
    /// It stands still.
    Still(Instant),
}

impl Present {
    /// The same at another instant.
    fn later(self) -> Self {
        match self {
            Present::Runs => Present::Runs,
            Present::Next | Present::Still(_) => Present::Next,
        }
    }
}

/// How time is told when this ends.
struct Within(Present);

impl Drop for Within {
    fn drop(&mut self) {
        PRESENT.set(self.0);
    }
}

thread_local! {
    static PRESENT: Cell<Present> = const { Cell::new(Present::Runs) };
}

/// The present instant, by the clock that only runs forwards.
pub fn instant() -> Instant {
    let present = PRESENT.get();
    if let Present::Still(instant) = present {
        return instant;
    }
    let instant = Instant::now();
    if matches!(present, Present::Next) {
        PRESENT.set(Present::Still(instant));
    }
    instant
}

/// Does `work`, for which time stands still from its first look at the clock on: a request looks fifteen times, which takes as long as
/// to verify its cookie. For what never waits.
pub fn at_one_instant<T>(work: impl FnOnce() -> T) -> T {
    let _after = Within(PRESENT.replace(Present::Next).later());
    work()
}

/// Does `work` that may take long: meanwhile time goes on, and what comes after it happens at another instant.
pub fn while_time_goes_on<T>(work: impl FnOnce() -> T) -> T {
    let _after = Within(PRESENT.replace(Present::Runs).later());
    work()
}

/// From here on it may be another instant.
pub fn look_again() {
    PRESENT.set(PRESENT.get().later());
}

/// When the process first asked for the time, by the clock that only runs forwards.
static STARTED: OnceLock<Instant> = OnceLock::new();
/// How far the system's clock has ever been ahead of that one. Units: milliseconds.
static AHEAD: AtomicI64 = AtomicI64::new(i64::MIN);
/// At which millisecond of that one the system's clock was last looked at.
static LOOKED: AtomicI64 = AtomicI64::new(i64::MIN);

/// The system's time as it was at its furthest, going on from there when it is set back. Looked at once in a millisecond: a request
/// asks for the time a dozen times.
fn system_time() -> Millis {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let now = instant();
    let started = *STARTED.get_or_init(|| now);
    let since_then = |instant: Instant| millis(instant.saturating_duration_since(started));
    let running = since_then(now);
    if LOOKED.load(Ordering::Acquire) != running {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, millis);
        // Of the same moment: `now` may be an earlier one.
        AHEAD.fetch_max(wall - since_then(Instant::now()), Ordering::Relaxed);
        // Whoever reads this finds that maximum.
        LOOKED.store(running, Ordering::Release);
    }
    Millis(running + AHEAD.load(Ordering::Relaxed))
}

impl Clock {
    /// The present instant.
    pub fn now(&self) -> Millis {
        match self {
            Clock::System => system_time(),
            Clock::Manual(time) => time.get(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::System => f.write_str("Clock::System"),
            Clock::Manual(time) => write!(f, "Clock::Manual({:?})", time.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_idle_one_millisecond_after_its_timeout() {
        assert!(!is_idle(Millis(0), Millis(300_000), Millis(300_000)));
        assert!(is_idle(Millis(0), Millis(300_001), Millis(300_000)));
    }

    #[test]
    fn the_system_clock_never_runs_backwards() {
        let clock = Clock::System;
        let first = clock.now();
        assert!(clock.now() >= first);
    }

    #[test]
    fn time_stands_still_from_the_first_look_on_until_it_may_have_taken_long() {
        let pass = || std::thread::sleep(Duration::from_millis(2));
        at_one_instant(|| {
            let (first, now) = (instant(), Clock::System.now());
            pass();
            assert_eq!((instant(), Clock::System.now()), (first, now));
            look_again();
            let second = instant();
            assert!(second > first && Clock::System.now() > now);
            let within = at_one_instant(|| {
                pass();
                instant()
            });
            assert!(within > second && instant() >= within);
            let last = while_time_goes_on(|| {
                let begun = instant();
                pass();
                assert!(instant() > begun);
                instant()
            });
            assert!(instant() >= last);
        });
        let after = instant();
        pass();
        assert!(instant() > after);
    }

    #[test]
    fn a_look_at_the_systems_clock_while_time_stands_still_lets_none_run_ahead() {
        let wall = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis() as i64
        };
        let pause = Duration::from_millis(300);
        let ahead = Clock::System.now().0 - wall();
        at_one_instant(|| {
            instant();
            std::thread::sleep(pause);
            Clock::System.now();
        });
        at_one_instant(|| {
            Clock::System.now();
            std::thread::sleep(pause);
            std::thread::spawn(|| Clock::System.now()).join().unwrap();
            Clock::System.now();
        });
        // The clock may have been set back before, but not meanwhile.
        assert!(Clock::System.now().0 - wall() < ahead + 100);
    }

    #[test]
    fn arithmetic_at_the_ends_of_time_saturates() {
        assert_eq!(Millis(i64::MAX) + Millis(1), Millis(i64::MAX));
        assert_eq!(Millis(i64::MIN) - Millis(1), Millis(i64::MIN));
    }
}
