//! Work that the thread does that wants it: for drivers whose sockets the thread's own event loop watches.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::pool;
use crate::clock::Millis;
use crate::error::Result;

/// The end of a time that is noticed later than this was missed because the thread had other things to do.
pub const BLOCKED: Millis = Millis(50);
/// What work is given then, once: what it waits for may have come in time and lie behind the end of its time.
pub const GRACE: Millis = Millis(100);

/// Work that any thread may go on with.
pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Does `work` on the thread that polls this, for up to `limit`; gives its result, or `None` when it took longer. Dropped before it
/// has ended, it goes on in the pool for the rest of its time.
///
/// # Errors
///
/// `ERR_SESSION_INTERNAL` when the system gives no thread to measure the time.
pub async fn in_place<T: Send + 'static>(limit: Duration, work: Work<T>) -> Result<Option<T>> {
    let pool = pool()?;
    let mut doing = Doing {
        pool,
        work: Some(work),
        until: None,
        had_grace: false,
    };
    let mut sleep = pin!(None);
    poll_fn(|context| {
        let _inside = pool.enter();
        if let Poll::Ready(done) = doing.poll(context) {
            return Poll::Ready(Ok(Some(done)));
        }
        if sleep.is_none() {
            let until = *doing.until.insert(Instant::now() + limit);
            sleep.set(Some(tokio::time::sleep_until(until)));
        }
        while let Some(is_over) = sleep.as_mut().as_pin_mut().map(|sleep| sleep.poll(context)) {
            if is_over.is_pending() {
                return Poll::Pending;
            }
            match doing.grace() {
                Some(until) => sleep.set(Some(tokio::time::sleep_until(until))),
                None => break,
            }
        }
        doing.work = None;
        Poll::Ready(Ok(None))
    })
    .await
}

/// Work in which somebody has begun to wait for something.
struct Doing<T: Send + 'static> {
    pool: &'static Runtime,
    /// `None` when it has ended.
    work: Option<Work<T>>,
    /// The end of its time; `None` before its first poll.
    until: Option<Instant>,
    had_grace: bool,
}

impl<T: Send + 'static> Doing<T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        // Taken out, so that work which panics is over.
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let done = work.as_mut().poll(context);
        if done.is_pending() {
            self.work = Some(work);
        }
        done
    }

    /// Where the end of its time was missed, another, once.
    fn grace(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.had_grace || now <= self.until? + BLOCKED.duration() {
            return None;
        }
        self.had_grace = true;
        self.until = Some(now + GRACE.duration());
        self.until
    }
}

impl<T: Send + 'static> Drop for Doing<T> {
    fn drop(&mut self) {
        if let (Some(work), Some(until)) = (self.work.take(), self.until) {
            let limited = async move { tokio::time::timeout_at(until, work).await };
            self.pool.spawn(limited);
        }
    }
}
