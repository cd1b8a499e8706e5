//! Work that the thread does that wants it: for drivers whose sockets the thread's own event loop watches.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::{Limit, go_on, pool};
use crate::clock::Millis;
use crate::error::Result;

/// The end of a time that is noticed later than this was missed because the thread had other things to do.
pub const BLOCKED: Millis = Millis(50);
/// What work is given then: what it waits for may have come in time and lie behind the end of its time.
pub const GRACE: Millis = Millis(100);
/// How often it is, while the thread goes on being busy: each time it comes one step further.
pub const GRACES: u8 = 8;

/// Work that any thread may go on with.
pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Does `work` on the thread that polls this, for up to `limit`; gives its result, or `None` when it took longer. Dropped before it
/// has ended, it goes on in the pool for the rest of its time.
///
/// What needs the pool's timers or sockets asks for them by [`inside`].
///
/// # Errors
///
/// `ERR_SESSION_INTERNAL` when the system gives no thread to measure the time.
pub async fn in_place<T: Send + 'static>(limit: Duration, work: Work<T>) -> Result<Option<T>> {
    let mut doing = Doing {
        work: Some(work),
        limit: None,
        graces: 0,
    };
    poll_fn(|context| match doing.poll(context) {
        Poll::Ready(done) => Poll::Ready(Ok(Some(done))),
        Poll::Pending => doing.wait(limit, context).map_ok(|()| None),
    })
    .await
}

/// The same as `work`, which finds the timers and sockets of the pool whatever thread polls it.
///
/// # Errors
///
/// `ERR_SESSION_INTERNAL` when the pool cannot be started.
pub async fn inside<W: Future>(work: W) -> Result<W::Output> {
    let pool = pool()?;
    let mut work = pin!(work);
    poll_fn(|context| {
        let _inside = pool.enter();
        work.as_mut().poll(context).map(Ok)
    })
    .await
}

/// Work in which somebody has begun to wait for something.
struct Doing<T: Send + 'static> {
    /// `None` when it has ended.
    work: Option<Work<T>>,
    /// The end of its time; `None` before its first poll.
    limit: Option<Limit>,
    graces: u8,
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

    /// Ready when its time is over, which ends it.
    fn wait(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<Result<()>> {
        let mut current = match self.limit.take() {
            Some(limit) => limit,
            None => Limit::new(limit)?,
        };
        while current.poll(context).is_ready() {
            let is_late = current.until() + BLOCKED.duration() < Instant::now();
            if self.graces == GRACES || !is_late {
                self.work = None;
                return Poll::Ready(Ok(()));
            }
            self.graces += 1;
            current = Limit::new(GRACE.duration())?;
        }
        self.limit = Some(current);
        Poll::Pending
    }
}

impl<T: Send + 'static> Drop for Doing<T> {
    fn drop(&mut self) {
        if let (Some(work), Some(limit)) = (self.work.take(), self.limit.take()) {
            let until = limit.until().into();
            let limited = async move { tokio::time::timeout_at(until, work).await };
            go_on(limited.map(drop));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(1);

    fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Work that waits for a number.
    fn waiting() -> (oneshot::Sender<u8>, Work<u8>) {
        let (tell, told) = oneshot::channel();
        (tell, Box::pin(async { told.await.unwrap_or_default() }))
    }

    #[test]
    fn work_that_is_at_hand_is_done_on_the_spot() {
        let mut work = pin!(in_place(LONG, Box::pin(async { 7 })));
        assert_eq!(poll(work.as_mut()), Poll::Ready(Ok(Some(7))));
    }

    #[test]
    fn work_that_is_given_up_goes_on() {
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = channel();
        let work = async move {
            begun.await.ok();
            end.send(7).ok();
        };
        let mut work = Box::pin(in_place(LONG, Box::pin(work)));
        assert!(poll(work.as_mut()).is_pending());
        drop(work);
        begin.send(()).unwrap();
        assert_eq!(ended.recv(), Ok(7));
    }

    #[test]
    fn work_that_takes_too_long_has_no_result() {
        let (_tell, work) = waiting();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let ended = runtime.unwrap().block_on(in_place(SHORT, work));
        assert_eq!(ended, Ok(None));
    }

    #[test]
    fn when_the_thread_was_busy_at_the_end_of_its_time_work_is_given_a_little_more() {
        let (tell, work) = waiting();
        let mut work = pin!(in_place(SHORT, work));
        assert!(poll(work.as_mut()).is_pending());
        for _ in 0..2 {
            std::thread::sleep(2 * BLOCKED.duration() + GRACE.duration());
            assert!(poll(work.as_mut()).is_pending());
        }
        tell.send(7).unwrap();
        assert_eq!(poll(work.as_mut()), Poll::Ready(Ok(Some(7))));
    }

    #[test]
    fn work_that_panics_is_not_gone_on_with() {
        let (end, ended) = channel::<()>();
        let work = async move {
            let _end = end;
            std::panic::resume_unwind(Box::new("a panic"));
        };
        let mut work = Box::pin(in_place::<()>(LONG, Box::pin(work)));
        let panicked = crate::panics::caught(|| poll(work.as_mut()));
        assert!(panicked.is_err() && ended.try_recv().is_err());
    }
}
