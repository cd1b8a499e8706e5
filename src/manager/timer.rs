//! Timers: what wakes an operation when its time has come, by the manager's clock.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use crate::clock::{Clock, Millis};
use crate::error::Result;
use crate::worker;

/// Wakes whoever polled it when its time has come.
pub(super) enum Timer {
    /// The end of a time that many others have, too, and hardly one comes to.
    Limit(worker::Limit),
    /// The end of a time of any length.
    Pause(Pin<Box<Sleep>>),
    /// A test's, which polls again after winding its clock.
    Manual(Rc<Cell<Millis>>, Millis),
}

impl Timer {
    /// A timer whose time has come after `limit`, which is one of a few lengths.
    pub(super) fn limit(clock: &Clock, limit: Millis) -> Result<Self> {
        Ok(match clock {
            Clock::System => Timer::Limit(worker::Limit::new(limit.duration())?),
            Clock::Manual(time) => Timer::Manual(time.clone(), time.get() + limit),
        })
    }

    /// A timer whose time has come after a `pause` of any length.
    fn pause(clock: &Clock, pause: Millis) -> Result<Self> {
        Ok(match clock {
            Clock::System => Timer::Pause(worker::sleep(pause.duration())?),
            Clock::Manual(time) => Timer::Manual(time.clone(), time.get() + pause),
        })
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Timer::Limit(limit) => limit.poll(context),
            Timer::Pause(sleep) => sleep.as_mut().poll(context),
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
            None => match Timer::pause(clock, limit) {
                Ok(new) => timer.insert(new),
                Err(error) => return Poll::Ready(Err(error)),
            },
        };
        timer.poll(context).map(|()| Ok(None))
    })
    .await
}
