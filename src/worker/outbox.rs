//! What a thread has for others, and what it does itself at the end of a turn: kept together, since to hand over, or to commit,
//! many pieces costs hardly more than one.

use std::cell::Cell;
use std::future::Future;
use std::mem::take;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::runtime::Runtime;

use super::{lock, pool};
use crate::panics::caught;

/// Work for the pool's own thread that has not been handed over.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// For how long work may be collected: a thread that has other things to do must not hold it up.
const COLLECTED_FOR: Duration = Duration::from_millis(1);
/// For how long a batch may be left to the thread that gathered it.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// Work that is gathered in a turn of a thread and done as one at its end.
pub trait Batch: Send + Sync {
    /// Does it, on the thread that gathered it.
    fn here(self: Arc<Self>);
    /// Has it done by another thread, since that one is busy.
    fn elsewhere(self: Arc<Self>);
}

/// What a thread has for the pool's own one.
#[derive(Default)]
struct Outbox {
    /// It is going to be sent, whatever the thread does.
    is_watched: bool,
    tasks: Vec<Task>,
    /// The same of the batches.
    has_watched_batches: bool,
    batches: Vec<Arc<dyn Batch>>,
}

thread_local! {
    static OUTBOX: Arc<Mutex<Outbox>> = Arc::default();
    /// What is spawned goes into the outbox.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
    /// This is the pool's own thread.
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, and keeps what it spawns until `send`, but not for long: handing over many pieces costs hardly more than handing
/// over one.
pub fn collect<T>(work: impl FnOnce() -> T) -> T {
    struct Restored(bool);
    impl Drop for Restored {
        fn drop(&mut self) {
            COLLECTS.set(self.0);
        }
    }
    let _restored = Restored(COLLECTS.replace(true));
    work()
}

/// Hands over what this thread has collected, and does what it has gathered.
pub fn send() {
    let (tasks, batches) = OUTBOX.with(|outbox| {
        let mut collected = lock(outbox);
        (take(&mut collected.tasks), take(&mut collected.batches))
    });
    if let (false, Ok(pool)) = (tasks.is_empty(), pool()) {
        pool.spawn(together(tasks));
    }
    for batch in batches {
        // What one of them suffers does not keep the others from being done.
        caught(|| batch.here()).ok();
    }
}

/// Whether this thread is collecting.
pub fn gathers() -> bool {
    COLLECTS.get()
}

/// Has a batch done at the next `send` of this thread, or else after a while.
pub fn gather<B: Batch + 'static>(batch: Arc<B>) {
    let batch: Arc<dyn Batch> = batch;
    OUTBOX.with(|outbox| {
        let mut collected = lock(outbox);
        let mut batches = collected.batches.iter();
        if !batches.any(|other| Arc::ptr_eq(other, &batch)) {
            collected.batches.push(batch);
        }
        if let (false, Ok(pool)) = (collected.has_watched_batches, pool()) {
            collected.has_watched_batches = true;
            pool.spawn(watch_batches(outbox.clone()));
        }
    });
}

/// Has others do what a thread has gathered and not done for a while.
async fn watch_batches(outbox: Arc<Mutex<Outbox>>) {
    tokio::time::sleep(GATHERED_FOR).await;
    let batches = {
        let mut collected = lock(&*outbox);
        collected.has_watched_batches = false;
        take(&mut collected.batches)
    };
    for batch in batches {
        caught(|| batch.elsewhere()).ok();
    }
}

/// Hands over a piece of work; or collects it, while others are on their way.
pub(super) fn hand_over(pool: &Runtime, task: Task) {
    if !COLLECTS.get() {
        pool.spawn(together(vec![task]));
        return;
    }
    OUTBOX.with(|outbox| {
        let mut collected = lock(outbox);
        if collected.is_watched {
            collected.tasks.push(task);
            return;
        }
        collected.is_watched = true;
        pool.spawn(watch(outbox.clone()));
        pool.spawn(together(vec![task]));
    });
}

/// Sends what has been collected after a while.
async fn watch(outbox: Arc<Mutex<Outbox>>) {
    tokio::time::sleep(COLLECTED_FOR).await;
    let tasks = {
        let mut collected = lock(&*outbox);
        collected.is_watched = false;
        take(&mut collected.tasks)
    };
    if !tasks.is_empty() {
        together(tasks).await;
    }
}

/// Does pieces of work in one task. Were each a task of its own, the connection that they share would be woken by the first, run
/// next, and send each by itself.
async fn together(tasks: Vec<Task>) {
    IS_OWN.set(true);
    let apart = tasks.into_iter().map(|task| {
        // A panic is known by the reply that does not come.
        AssertUnwindSafe(task).catch_unwind()
    });
    let mut running: FuturesUnordered<_> = apart.collect();
    while let Some(ended) = running.next().await {
        // A payload may panic when it is dropped.
        ended.unwrap_or_else(std::mem::forget);
    }
}

/// Does `work` at once; on the pool's own thread, when everything else that is ready there has been done.
pub fn when_idle(work: impl FnOnce() + Send + 'static) {
    if !IS_OWN.get() {
        return work();
    }
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        work();
    });
}
