//! Threads for work that may block: one small pool for the whole process, started when it is first needed.
//!
//! Knows nothing of sessions. Drivers hand it closures; whoever polls the reply decides where it goes on.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Code, Error, Result};

/// Threads that may block on storage at the same time. Two saves seldom wait for the same disk longer than for each
/// other, and each thread costs its stack.
const BLOCKING_THREADS: usize = 4;

/// The process's pool. It is never shut down: the system ends its threads with the process, and a worker thread of
/// Node that ends leaves it to the others.
static POOL: OnceLock<Result<Runtime>> = OnceLock::new();

fn pool() -> Result<&'static Runtime> {
    let started = POOL.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("node-session")
            .enable_time()
            .build()
            .map_err(|error| Error::new(Code::Internal, "cannot start a thread").because_io(&error))
    });
    started.as_ref().map_err(Clone::clone)
}

/// Runs `work` on another thread and gives its result as a future that any thread may poll.
///
/// A panic inside `work` becomes `ERR_SESSION_INTERNAL`.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + 'static {
    let running = pool().map(|runtime| runtime.spawn_blocking(work));
    async move {
        match running?.await {
            Ok(result) => result,
            Err(_) => Err(Error::new(Code::Internal, "a storage operation panicked")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(work)
    }

    #[test]
    fn a_panic_becomes_an_error_and_the_threads_go_on() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        for _ in 0..2 * BLOCKING_THREADS {
            let panicked = finish(blocking::<()>(|| {
                std::panic::resume_unwind(Box::new("the secret"))
            }));
            let error = panicked.unwrap_err();
            assert_eq!(error.code(), Code::Internal);
            assert!(!format!("{error:?} {error}").contains("secret"));
        }
        std::panic::set_hook(hook);
        assert_eq!(finish(blocking(|| Ok(7))), Ok(7));
    }
}
