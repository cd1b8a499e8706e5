//! Timers: what wakes an operation when its time has come, by the manager's clock.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::clock::{Clock, Millis};
use crate::error::Result;
use crate::worker;

/// Wakes whoever polled it when its time has come.
pub(super) enum Timer {
    System(worker::Limit),
    /// A test's, which polls again after winding its clock.
    Manual(Rc<Cell<Millis>>, Millis),
}

impl Timer {
    /// A timer whose time has come after `limit`.
    pub(super) fn new(clock: &Clock, limit: Millis) -> Result<Self> {
        Ok(match clock {
            Clock::System => Timer::System(worker::Limit::new(limit.duration())?),
            Clock::Manual(time) => Timer::Manual(time.clone(), time.get() + limit),
        })
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Timer::System(limit) => limit.poll(context),
            Timer::Manual(time, due) if time.get() >= *due => Poll::Ready(()),
            Timer::Manual(..) => Poll::Pending,
        }
    }
}

/// What `work` gives, or `None` when it has not ended after `limit`.
///
/// What is at hand costs nothing: the timer is made when `work` has been polled and has to wait.
///
/// # Errors
///
/// `ERR_SESSION_INTERNAL` when the system gives no thread to measure the time.
pub(super) async fn at_most<W: Future>(
    clock: &Clock,
    limit: Millis,
    work: W,
) -> Result<Option<W::Output>> {
    let mut work = pin!(work);
    let mut timer: Option<Timer> = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(Some(output)));
        }
        let timer = match &mut timer {
            Some(timer) => timer,
            None => match Timer::new(clock, limit) {
                Ok(new) => timer.insert(new),
                Err(error) => return Poll::Ready(Err(error)),
            },
        };
        timer.poll(context).map(|()| Ok(None))
    })
    .await
}
