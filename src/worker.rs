//! Threads for work that may block, in lanes: each storage has one, so that one that hangs does not hold up the others.
//! And a thread for work that waits for a network.
//!
//! Knows nothing of sessions. Drivers hand their lane closures, or futures to the pool; whoever polls the reply decides
//! where it goes on. The threads belong to one pool for the whole process, started when it is first needed.

mod in_place;
mod limit;
mod outbox;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tokio::time::error::Elapsed;

pub use self::in_place::{BLOCKED, GRACE, GRACES, Work, in_place, inside};
pub use self::limit::Limit;
pub use self::outbox::{Batch, collect, gather, gathers, send, when_idle};
use self::outbox::{Task, hand_over};
use crate::error::{Code, Error, Result};
use crate::panics::{self, Panicked, point};

/// Threads of one lane that may block at the same time. Two saves seldom wait for the same disk longer than for each
/// other, and each thread costs its stack.
const LANE_THREADS: usize = 4;
/// Threads that may block at the same time, in all lanes: sixteen storages may hang before another one feels it.
const MOST_THREADS: usize = 64;
/// Pieces of work that may wait in one lane.
const MOST_QUEUED: usize = 10_000;

/// The process's pool. It is never shut down: the system ends its threads with the process, and a worker thread of
/// Node that ends leaves it to the others.
static POOL: OnceLock<Runtime> = OnceLock::new();

/// The pool. Where it cannot be started, the next call tries again.
fn pool() -> Result<&'static Runtime> {
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let started = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(MOST_THREADS)
        .thread_name("node-session")
        .enable_all()
        .build();
    let failed = |error| Error::new(Code::Internal, "cannot start a thread").because_io(&error);
    let started = started.map_err(failed)?;
    // Another thread may have been quicker.
    Ok(POOL.get_or_init(|| started))
}

/// A future that is ready after `time`, for any thread to poll: for times of any length that do come to their end. See [`Limit`].
///
/// # Errors
///
/// `ERR_SESSION_INTERNAL` when the system gives no thread.
pub fn sleep(time: Duration) -> Result<Pin<Box<Sleep>>> {
    let _inside = pool()?.enter();
    Ok(Box::pin(tokio::time::sleep(time)))
}

/// Runs `work` on the pool's own thread, for up to `limit`; gives its result, or `None` when it took longer, as a future that
/// any thread may poll. The work goes on when that is dropped.
///
/// # Errors
///
/// A panic inside `work` becomes `ERR_SESSION_INTERNAL`.
pub fn spawn<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Result<Option<T>>> {
    let (reply, answer) = oneshot::channel();
    let begun = pool().map(|pool| {
        let _inside = pool.enter();
        let tell = move |ended: std::result::Result<T, Elapsed>| {
            reply.send(ended.ok()).ok();
        };
        // Not an async block, in which the work would have its place twice.
        let task: Task = Box::pin(tokio::time::timeout(limit, work).map(tell));
        hand_over(pool, task);
    });
    async move {
        begun?;
        answer.await.map_err(|_| {
            panics::take();
            error(Panicked)
        })
    }
}

/// Does `work` on the pool's own thread, where there is one.
pub fn go_on(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(pool) = pool() {
        pool.spawn(work);
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Work that waits for a thread. It goes with whoever waits for it.
type Waited = Mutex<Option<Job>>;

enum Queued {
    /// Somebody waits for it, as long as there is a strong reference.
    Waited(Weak<Waited>),
    /// Nobody does; it is done all the same.
    Unheard(Job),
}

#[derive(Default)]
struct Queue {
    /// Threads at work.
    threads: usize,
    waiting: VecDeque<Queued>,
}

/// The work of one storage: done by a few threads, in the order in which it came.
#[derive(Clone, Default)]
pub struct Lane(Arc<Mutex<Queue>>);

impl Lane {
    /// Runs `work` on another thread and gives its result as a future that any thread may poll.
    ///
    /// Work that has not begun when the future is dropped is not done.
    ///
    /// # Errors
    ///
    /// A panic inside `work` becomes `ERR_SESSION_INTERNAL`. `ERR_SESSION_TIMEOUT` at once when too much waits already.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Job = Box::new(move || {
            let _ = reply.send(caught(|| {
                point("worker");
                let result = work();
                point("worker done");
                result
            }));
        });
        let work = Arc::new(Mutex::new(Some(work)));
        let queued = self
            .make_room()
            .and_then(|()| self.queue(Queued::Waited(Arc::downgrade(&work))));
        async move {
            let _kept_while_waited_for = work;
            queued?;
            answer.await.unwrap_or_else(|_| Err(error(Panicked)))
        }
    }

    /// Runs `work` on another thread, however much waits; nobody hears of it. Who calls this keeps it rare.
    ///
    /// Says whether there is a thread to do it.
    pub fn unheard(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let work = || {
            panics::caught(work).ok();
        };
        self.queue(Queued::Unheard(Box::new(work))).is_ok()
    }

    /// The same after a while; says whether there is a thread to do it.
    pub fn later(&self, delay: Duration, work: impl FnOnce() + Send + 'static) -> bool {
        let Ok(runtime) = pool() else {
            return false;
        };
        let lane = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            lane.unheard(work);
        });
        true
    }

    /// Makes sure that more may wait.
    fn make_room(&self) -> Result<()> {
        let mut queue = lock(&self.0);
        if queue.waiting.len() >= MOST_QUEUED {
            queue.waiting.retain(Queued::is_wanted);
        }
        let has_room = queue.waiting.len() < MOST_QUEUED;
        let full = || Error::new(Code::Timeout, "the storage has too much to do");
        has_room.then_some(()).ok_or_else(full)
    }

    fn queue(&self, work: Queued) -> Result<()> {
        let mut queue = lock(&self.0);
        queue.waiting.push_back(work);
        if queue.threads < LANE_THREADS {
            let pool = pool()?;
            let lane = self.clone();
            // Panics when the system gives no thread.
            pool.spawn_blocking(move || lane.work_off());
            queue.threads += 1;
        }
        Ok(())
    }

    /// Does what waits, until nothing does.
    fn work_off(&self) {
        while let Some(work) = self.next() {
            work();
        }
    }

    /// The next piece of work; the thread that gets none leaves the lane.
    fn next(&self) -> Option<Job> {
        let mut queue = lock(&self.0);
        let next = std::iter::from_fn(|| queue.waiting.pop_front()).find_map(Queued::take);
        if next.is_none() {
            queue.threads -= 1;
        }
        next
    }
}

impl Queued {
    fn is_wanted(&self) -> bool {
        match self {
            Queued::Waited(work) => work.strong_count() > 0,
            Queued::Unheard(_) => true,
        }
    }

    fn take(self) -> Option<Job> {
        match self {
            Queued::Waited(work) => lock(&*work.upgrade()?).take(),
            Queued::Unheard(work) => Some(work),
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = lock(&self.0);
        let (threads, waiting) = (queue.threads, queue.waiting.len());
        write!(f, "Lane({threads} threads, {waiting} waiting)")
    }
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panics::caught(work).unwrap_or_else(|panicked| Err(error(panicked)))
}

fn error(panicked: Panicked) -> Error {
    panicked.error("a storage operation panicked")
}

/// Held for a few lines at a time, in which nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn finish<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(work)
    }

    /// Work that tells when it begins, and ends when its other end is dropped.
    fn hanging(begun: &Sender<()>) -> (impl FnOnce() -> Result<()> + Send + use<>, Sender<()>) {
        let (end, until) = channel::<()>();
        let begun = begun.clone();
        let work = move || {
            begun.send(()).ok();
            until.recv().ok();
            Ok(())
        };
        (work, end)
    }

    /// Lets all threads of a lane hang; gives what ends that, and what is waited for.
    fn hang(
        lane: &Lane,
    ) -> (
        Vec<Sender<()>>,
        Vec<impl Future<Output = Result<()>> + use<>>,
    ) {
        let (begun, begins): (_, Receiver<()>) = channel();
        let mut ends = Vec::new();
        let mut hung = Vec::new();
        for _ in 0..LANE_THREADS {
            let (work, end) = hanging(&begun);
            hung.push(lane.blocking(work));
            ends.push(end);
            begins.recv().unwrap();
        }
        (ends, hung)
    }

    /// A limit that no test reaches.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_collected_goes_out_even_if_the_thread_never_sends_it() {
        let replies: Vec<_> = collect(|| (0..3).map(|n| spawn(LONG, async move { n })).collect());
        for (n, reply) in (0..3).zip(replies) {
            assert_eq!(finish(reply), Ok(Some(n)));
        }
    }

    #[test]
    fn a_panic_in_one_of_those_that_are_sent_together_leaves_the_others_alone() {
        let panics = |n: i32| async move {
            if n == 1 {
                std::panic::resume_unwind(Box::new("the secret"));
            }
            n
        };
        let replies: Vec<_> = collect(|| (0..3).map(|n| spawn(LONG, panics(n))).collect());
        send();
        let ended: Vec<_> = replies.into_iter().map(finish).collect();
        assert_eq!([&ended[0], &ended[2]], [&Ok(Some(0)), &Ok(Some(2))]);
        assert_eq!(ended[1].clone().unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn a_panic_becomes_an_error_and_the_threads_go_on() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let lane = Lane::default();
        for _ in 0..2 * LANE_THREADS {
            let panicked = finish(
                lane.blocking::<(), _>(|| std::panic::resume_unwind(Box::new("the secret"))),
            );
            let error = panicked.unwrap_err();
            assert_eq!(error.code(), Code::Internal);
            assert!(!format!("{error:?} {error}").contains("secret"));
        }
        std::panic::set_hook(hook);
        assert_eq!(finish(lane.blocking(|| Ok(7))), Ok(7));
    }

    #[test]
    fn a_lane_whose_threads_all_hang_holds_up_no_other_and_goes_on_when_they_are_back() {
        let (lane, other) = (Lane::default(), Lane::default());
        let (ends, hung) = hang(&lane);
        let mut waiting = pin!(lane.blocking(|| Ok(1)));
        assert_eq!(finish(other.blocking(|| Ok(2))), Ok(2));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(ends);
        assert_eq!(finish(waiting), Ok(1));
        for hung in hung {
            assert_eq!(finish(hung), Ok(()));
        }
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_is_not_begun_and_given_back_at_once() {
        let lane = Lane::default();
        let (ends, _hung) = hang(&lane);
        let held = Arc::new(());
        let (kept, also_kept) = (held.clone(), held.clone());
        let given_up = lane.blocking(move || {
            drop(kept);
            Ok(())
        });
        lane.unheard(move || drop(also_kept));
        assert_eq!(Arc::strong_count(&held), 3);
        drop(given_up);
        assert_eq!(Arc::strong_count(&held), 2);
        drop(ends);
        assert_eq!(finish(lane.blocking(|| Ok(()))), Ok(()));
        assert_eq!(finish(lane.blocking(|| Ok(()))), Ok(()));
    }

    #[test]
    fn a_lane_that_is_full_refuses_work_until_some_of_it_is_given_up() {
        let lane = Lane::default();
        let (_ends, _hung) = hang(&lane);
        let mut waiting: Vec<_> = (0..MOST_QUEUED).map(|_| lane.blocking(|| Ok(()))).collect();
        let mut refused = pin!(lane.blocking(|| Ok(())));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = refused.as_mut().poll(&mut context) else {
            panic!("the lane is full");
        };
        assert_eq!(error.code(), Code::Timeout);
        waiting.truncate(MOST_QUEUED / 2);
        let mut queued = pin!(lane.blocking(|| Ok(())));
        assert!(queued.as_mut().poll(&mut context).is_pending());
        assert_eq!(lock(&lane.0).waiting.len(), MOST_QUEUED / 2 + 1);
    }
}
