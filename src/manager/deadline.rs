//! Deadlines: what the storage holds up is given up when its time is over, and only so much is waited for at once.
//!
//! Knows nothing of what it gives up. An operation that is given up is dropped, and must then leave nothing behind.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use super::Manager;
use super::timer::Timer;
use crate::clock::Millis;
use crate::error::{Code, Error, Result};
use crate::panics::caught;
use crate::worker::{BLOCKED, GRACE, GRACES};

/// Operations of one manager that may wait for storage at the same time. Each of them holds a response and a session.
const MOST_UNDER_WAY: usize = 10_000;

impl Manager {
    /// Does `work`, but gives it up when it has not ended after `limit`.
    ///
    /// What is at hand costs nothing: the timer is made when `work` has been polled and has to wait.
    ///
    /// # Errors
    ///
    /// Each beginning with `doing`: `ERR_SESSION_TIMEOUT` when the time is over, and at once while too many wait already;
    /// `ERR_SESSION_INTERNAL` when `work` panics.
    pub(super) async fn within<W: Future>(
        &self,
        limit: Millis,
        doing: &str,
        work: W,
    ) -> Result<W::Output> {
        self.check_room(doing)?;
        let mut work = pin!(work);
        let mut deadline: Option<Deadline<'_>> = None;
        poll_fn(|context| {
            match caught(|| work.as_mut().poll(context)) {
                Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
                Ok(Poll::Pending) => {}
                Err(panicked) => {
                    let message = format!("{doing}: the session engine panicked");
                    return Poll::Ready(Err(panicked.error(message)));
                }
            }
            let deadline = match &mut deadline {
                Some(deadline) => deadline,
                None => match Deadline::new(self, limit) {
                    Ok(new) => deadline.insert(new),
                    // There is nothing to measure the time by.
                    Err(error) => return Poll::Ready(Err(error)),
                },
            };
            let over = || {
                let message = format!("{doing}: the storage did not answer within {} ms", limit.0);
                Error::new(Code::Timeout, message)
            };
            deadline
                .poll(context)
                .map(|failed| Err(failed.err().unwrap_or_else(over)))
        })
        .await
    }
}

impl Manager {
    /// Whether another operation may wait for storage.
    pub(super) fn check_room(&self, doing: &str) -> Result<()> {
        if self.under_way.get() < MOST_UNDER_WAY {
            return Ok(());
        }
        let message = format!("{doing}: {MOST_UNDER_WAY} operations are under way already");
        Err(Error::new(Code::Timeout, message))
    }
}

/// The end of an operation's time; while it stands, the operation counts as under way.
struct Deadline<'m> {
    manager: &'m Manager,
    timer: Timer,
    due: Millis,
    graces: u8,
}

impl<'m> Deadline<'m> {
    fn new(manager: &'m Manager, limit: Millis) -> Result<Self> {
        let timer = Timer::limit(&manager.clock, limit)?;
        manager.under_way.set(manager.under_way.get() + 1);
        Ok(Deadline {
            manager,
            timer,
            due: manager.clock.now() + limit,
            graces: 0,
        })
    }

    /// Ready when the time is over, with an error when it cannot be measured any longer.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.timer.poll(context).is_pending() {
                return Poll::Pending;
            }
            let clock = &self.manager.clock;
            if self.graces == GRACES || clock.now() <= self.due + BLOCKED {
                return Poll::Ready(Ok(()));
            }
            self.graces += 1;
            self.due = clock.now() + GRACE;
            self.timer = Timer::limit(clock, GRACE)?;
        }
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        self.manager.under_way.set(self.manager.under_way.get() - 1);
    }
}
