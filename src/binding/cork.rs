//! Sockets whose last bytes wait for the end of the event loop's turn, so that the responses of a turn leave together, where that
//! costs less.
//!
//! A client that sleeps has to be woken for what it is sent, and where that is dear (on many virtual machines) it costs more than all
//! the rest of a session. Responses that leave right after one another find it awake. Elsewhere to hold them costs more than it
//! spares: so both are tried, and the thread's processor time tells (`contest.rs`).
//!
//! It is the system that holds them, by the socket option `TCP_CORK`: what was written is sent when the socket is uncorked or closed,
//! also by the end of the process, and no later than 200 ms after it was written (tcp(7)). Only Linux has it so; elsewhere nothing is
//! held.
#![cfg_attr(
    target_os = "linux",
    allow(
        unsafe_code,
        reason = "sockets of Node's are known by their numbers; an option of a socket changes no memory"
    )
)]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::js::Scope;
use crate::clock;
use crate::contest::Contest;
use crate::panics::point;

/// Longest that a response waits for others that are made meanwhile.
const LONGEST: Duration = Duration::from_millis(1);
/// Most that wait for one another.
const MOST: usize = 64;
/// How many responses in a row are held, or are not: a few milliseconds under load.
const STRETCH: i32 = 256;
/// What tells that the rest of a stretch is not held.
const UNASKED: i32 = 1 - STRETCH;

thread_local! {
    static CORKED: RefCell<Corked> = const { RefCell::new(Corked::NONE) };
}

/// The sockets that this thread's requests have corked, by their file descriptors.
#[derive(Debug)]
struct Corked {
    sockets: Vec<i32>,
    since: Option<Instant>,
    /// Whether it is better to hold responses.
    contest: Contest,
    /// How many of the present stretch are still to be held.
    left: i32,
}

impl Corked {
    const NONE: Self = Self {
        sockets: Vec::new(),
        since: None,
        contest: Contest::NEW,
        left: 0,
    };

    /// Holds back what is written to a socket from now on, where that costs less. `spent` is what the thread has done so far.
    ///
    /// Gives 1 when it does; or else, below 0, for how many more responses it need not be asked.
    fn hold(&mut self, socket: i32, spent: impl FnOnce() -> Duration) -> i32 {
        if self.left == 0 && !self.contest.next(spent()) {
            return UNASKED;
        }
        if self.left == 0 {
            self.left = STRETCH;
        }
        match self.cork(socket) {
            true => {
                self.left -= 1;
                1
            }
            false => UNASKED,
        }
    }

    /// Holds back what is written to a socket from now on; gives whether it does.
    fn cork(&mut self, socket: i32) -> bool {
        let now = clock::instant();
        let is_due = |since: Instant| now.duration_since(since) >= LONGEST;
        if self.sockets.len() >= MOST || self.since.is_some_and(is_due) {
            self.uncork();
        }
        let is_corked = set_cork(socket, true);
        if is_corked {
            self.sockets.push(socket);
            self.since.get_or_insert(now);
        }
        is_corked
    }

    /// Lets everything go. Of a socket that was closed meanwhile the number may be another's by now, who loses nothing.
    fn uncork(&mut self) {
        for socket in self.sockets.drain(..) {
            set_cork(socket, false);
        }
        self.since = None;
    }
}

#[cfg(target_os = "linux")]
fn set_cork(socket: i32, is_corked: bool) -> bool {
    if socket < 0 {
        return false;
    }
    // SAFETY: the number is not -1, and is used in this call alone. Should it be no socket's any more, the system refuses it.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
    rustix::net::sockopt::set_tcp_cork(socket, is_corked).is_ok()
}

/// Of this thread.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    Duration::ZERO
}

#[cfg(not(target_os = "linux"))]
fn set_cork(_socket: i32, _is_corked: bool) -> bool {
    false
}

/// See `direct.d.ts`.
pub fn cork_socket(_: Scope, socket: f64) -> f64 {
    point("entry");
    CORKED.with_borrow_mut(|corked| corked.hold(socket as i32, processor_time).into())
}

/// See `direct.d.ts`.
pub fn uncork_sockets(_: Scope) {
    point("entry");
    CORKED.with_borrow_mut(Corked::uncork);
}

#[cfg(all(test, target_os = "linux"))]
#[allow(
    clippy::unwrap_used,
    reason = "a socket that cannot be had fails the test"
)]
mod tests;
