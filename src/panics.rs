//! Panics: contained, told without their message, and, for tests, provoked.
//!
//! A panic is a fault of this package. Its message may quote a visitor's data, so only its place in the source is told.
//! Knows nothing of what panicked.

use std::cell::Cell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::Once;

use crate::error::{Code, Error, Result};

thread_local! {
    /// A panic began on this thread, and nobody has asked for it yet.
    static BEGAN: Cell<bool> = const { Cell::new(false) };
}

/// Lets panics tell the standard error stream their place in the source, and nothing else.
///
/// Holds for this library alone: one that is loaded into a process has its own hook.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| set_hook(Box::new(tell)));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let _ = BEGAN.try_with(|began| began.set(true));
    if let Some(place) = panic.location() {
        let (file, line) = (place.file(), place.line());
        // Who reads the stream may have gone; that must not become a second panic.
        let _ = writeln!(
            std::io::stderr(),
            "node-session: an internal fault at {file}:{line}, please report it"
        );
    }
}

/// Whether a panic began on this thread since this was last asked. Needs [`install_hook`].
pub fn take() -> bool {
    BEGAN.try_with(|began| began.replace(false)).unwrap_or(true)
}

/// There was a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

impl Panicked {
    /// The error that it is, to whoever waits: `ERR_SESSION_INTERNAL`.
    pub fn error(self, message: impl Into<String>) -> Error {
        Error::new(Code::Internal, message)
    }
}

/// Runs `work`, and ends a panic in it.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        // A payload may panic when it is dropped.
        std::mem::forget(payload);
        take();
        Panicked
    })
}

/// A place at which a test can let the engine panic. Nothing without the cargo feature `faults`.
#[inline(always)]
pub fn point(_name: &str) {
    #[cfg(feature = "faults")]
    points::pass(_name);
}

/// The places at which tests let the engine panic.
#[cfg(feature = "faults")]
pub mod points {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    #[derive(Debug)]
    struct Points {
        armed: Option<(String, u32)>,
        passed: BTreeSet<String>,
    }

    static POINTS: Mutex<Points> = Mutex::new(Points {
        armed: None,
        passed: BTreeSet::new(),
    });

    fn lock() -> MutexGuard<'static, Points> {
        POINTS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next `times` passes of the point of that name panic; those of any other no more.
    pub fn arm(name: &str, times: u32) {
        lock().armed = Some((name.to_owned(), times));
    }

    /// How many of the panics that were asked for are still to come.
    pub fn left() -> u32 {
        lock().armed.as_ref().map_or(0, |(_, times)| *times)
    }

    /// The names of all points passed so far.
    pub fn passed() -> Vec<String> {
        lock().passed.iter().cloned().collect()
    }

    pub(super) fn pass(name: &str) {
        let mut points = lock();
        if !points.passed.contains(name) {
            points.passed.insert(name.to_owned());
        }
        let is_due = match &mut points.armed {
            Some((armed, times)) if armed == name && *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        };
        drop(points);
        if is_due {
            #[expect(clippy::panic, reason = "this is what the feature is for")]
            {
                panic!("the secret of {name}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_no_more_than_what_panicked() {
        let panicked = caught(|| std::panic::resume_unwind(Box::new("the secret")));
        let error = panicked.unwrap_err().error("a test panicked");
        assert_eq!(error, Error::new(Code::Internal, "a test panicked"));
        assert_eq!(caught(|| 7), Ok(7));
    }
}
