//! One NodeSession's manager, and the operations of it that are under way.
//!
//! Every operation is polled on the JavaScript thread, at once when it is begun. What cannot be answered on the spot is
//! polled again when a driver's thread wakes it, or what came over a socket that this thread's event loop watches; one wake-up of
//! JavaScript serves all operations that are ready.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use napi::Status;
use napi::bindgen_prelude::{Function, JsValue as _};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use super::event_loop;
use super::js::{Js, Kept, Scope};
use super::registry::Realm;
use super::tray::Tray;
use crate::clock::{self, Millis};
use crate::driver::Page;
use crate::error::Error;
use crate::manager::Manager;
use crate::panics::{caught, point};
use crate::worker;

/// So many operations in a row are gone on with at one instant.
const AT_ONE_INSTANT: usize = 32;

/// The JavaScript function that is called when operations are ready to go on.
pub type WakeUp = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What an operation tells JavaScript.
#[derive(Debug)]
pub enum Reply {
    /// It goes on; this number will name it.
    Later(u32),
    /// Done, with nothing to report.
    Done,
    /// A text was read.
    Text(Arc<str>),
    /// A text was read, with its instant.
    Dated(Arc<str>, Millis),
    /// Ids were listed.
    Listed(Page),
    /// The record cannot be used.
    Corrupt(Error),
    /// The record went while the request ran.
    Gone(Error),
    /// It was saved, but for what another request had removed.
    Conflict(Error),
    /// It failed.
    Failed(Error),
}

type Operation = Pin<Box<dyn Future<Output = Reply>>>;

/// Which operations are ready to go on; shared with the threads that wake them.
struct Ready {
    /// The thread of JavaScript.
    thread: ThreadId,
    /// The engine's number there, and the function that wakes it.
    wake_up: OnceLock<(u32, WakeUp)>,
    numbers: Mutex<Vec<u32>>,
    is_signalled: AtomicBool,
}

impl Ready {
    fn new() -> Self {
        Self {
            thread: thread::current().id(),
            wake_up: OnceLock::new(),
            numbers: Mutex::default(),
            is_signalled: AtomicBool::new(false),
        }
    }

    fn push(self: Arc<Self>, number: u32) {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(number);
        if !self.is_signalled.swap(true, Ordering::AcqRel) {
            worker::when_idle(move || self.signal());
        }
    }

    fn signal(&self) {
        let Some((engine, wake_up)) = self.wake_up.get() else {
            return;
        };
        let is_own = thread::current().id() == self.thread;
        if !(is_own && event_loop::hear(*engine)) {
            wake_up.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn take(&self) -> Vec<u32> {
        self.is_signalled.store(false, Ordering::Release);
        std::mem::take(&mut *self.numbers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Wakes one operation.
struct OperationWaker {
    number: u32,
    ready: Arc<Ready>,
}

impl Wake for OperationWaker {
    fn wake(self: Arc<Self>) {
        self.ready.clone().push(self.number);
    }
}

/// The operations of an engine, by their numbers. A number is given again when its operation has ended and its reply is with
/// JavaScript, so that the numbers stay small.
#[derive(Default)]
struct Operations {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Numbers of operations that ended, and whose replies JavaScript may not have been given yet.
    ended: Vec<u32>,
}

/// The place of a number.
struct Place {
    /// What wakes the operations of this number, one after the other. To be woken in vain harms none.
    waker: Waker,
    /// `None` where there is none, or while it is being polled.
    operation: Option<Operation>,
}

impl Operations {
    /// A number that no other operation has. Shape: 1 or more.
    fn reserve(&mut self, ready: &Arc<Ready>) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let number = u32::try_from(self.places.len() + 1).unwrap_or(u32::MAX);
            let ready = ready.clone();
            self.places.push(Place {
                waker: Waker::from(Arc::new(OperationWaker { number, ready })),
                operation: None,
            });
            number
        })
    }

    fn release(&mut self, number: u32) {
        self.free.push(number);
    }

    /// Their replies have been given.
    fn release_ended(&mut self) {
        self.free.append(&mut self.ended);
    }

    fn place(&mut self, number: u32) -> Option<&mut Place> {
        self.places.get_mut(number as usize - 1)
    }
}

/// One NodeSession's engine.
pub struct Engine {
    /// The rules.
    pub manager: Manager,
    /// The environment it lives in.
    pub scope: Scope,
    /// `JSON` of the application's realm.
    pub realm: Realm,
    /// Calls a handler: `(engine, step, handler, method, id, data, exists)`.
    pub call_handler: Kept,
    /// Calls an encrypter: `(store, method, text)`.
    pub call_codec: Kept,
    /// Gives a handler object its number, 1 or more.
    pub number_of: Kept,
    /// Numbers for whoever called.
    pub tray: Tray,
    operations: RefCell<Operations>,
    /// Calls of `run` that have not returned.
    runs: Cell<u32>,
    /// The function that is called when operations are ready to go on.
    wake_up: OnceCell<Kept>,
    ready: Arc<Ready>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({} operations)", self.operations())
    }
}

impl Engine {
    /// An engine without operations.
    pub fn new(
        manager: Manager,
        scope: Scope,
        realm: Realm,
        call_handler: Kept,
        call_codec: Kept,
        number_of: Kept,
        tray: Tray,
    ) -> Self {
        Engine {
            manager,
            scope,
            realm,
            call_handler,
            call_codec,
            number_of,
            tray,
            operations: RefCell::default(),
            runs: Cell::new(0),
            wake_up: OnceCell::new(),
            ready: Arc::new(Ready::new()),
        }
    }

    /// Sets the function that is called when operations are ready to go on. `number` is the engine's.
    pub fn set_wake_up(&self, number: u32, function: Function<(), ()>) -> napi::Result<()> {
        let wake_up = function
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .build()?;
        let _ = self.ready.wake_up.set((number, wake_up));
        if let Ok(function) = Kept::new(self.scope, Js(function.raw())) {
            let _ = self.wake_up.set(function);
        }
        Ok(())
    }

    /// Calls that function, from a turn of the event loop in which no JavaScript runs.
    pub fn call_back(&self) {
        if let Some(wake_up) = self.wake_up.get() {
            event_loop::call_back(self.scope, wake_up);
        }
    }

    /// Begins an operation: its reply if it is at hand, or the number under which it goes on. What it asks of servers goes out
    /// with `worker::send`.
    #[inline]
    pub fn begin(&self, operation: impl Future<Output = Reply> + 'static) -> Reply {
        self.begin_boxed(Box::pin(operation))
    }

    fn begin_boxed(&self, operation: Operation) -> Reply {
        let number = self.operations.borrow_mut().reserve(&self.ready);
        match self.advance(number, operation) {
            Some(reply) => {
                self.operations.borrow_mut().release(number);
                reply
            }
            None => Reply::Later(number),
        }
    }

    /// Begins an operation whose reply nobody waits for.
    pub fn begin_unheard(&self, operation: impl Future<Output = ()> + 'static) {
        let unheard = async move {
            operation.await;
            Reply::Done
        };
        self.begin(unheard);
        worker::send();
    }

    /// Polls an operation; keeps it when it is not ready.
    fn advance(&self, number: u32, mut operation: Operation) -> Option<Reply> {
        let waker = self.operations.borrow_mut().place(number)?.waker.clone();
        match poll(&mut operation, &waker) {
            Poll::Ready(reply) => Some(reply),
            Poll::Pending => {
                if let Some(place) = self.operations.borrow_mut().place(number) {
                    place.operation = Some(operation);
                }
                None
            }
        }
    }

    /// Takes an operation out, to be polled.
    fn take(&self, number: u32) -> Option<Operation> {
        self.operations.borrow_mut().place(number)?.operation.take()
    }

    /// Goes on with the operations that are ready; gives those that ended, by their numbers. Under the number 0, which no
    /// operation has, may be a text that the application is to be warned with.
    pub fn run(&self) -> Vec<(u32, Reply)> {
        // JavaScript that an operation calls may come here, too, before it is given the replies of those that ended already.
        if self.runs.replace(self.runs.get() + 1) == 0 {
            self.operations.borrow_mut().release_ended();
        }
        let mut ended = Vec::new();
        for (at, number) in self.ready.take().into_iter().enumerate() {
            if at % AT_ONE_INSTANT == 0 {
                clock::look_again();
            }
            let operation = self.take(number);
            if let Some(reply) = operation.and_then(|operation| self.advance(number, operation)) {
                self.operations.borrow_mut().ended.push(number);
                ended.push((number, reply));
            }
        }
        self.runs.set(self.runs.get() - 1);
        worker::send();
        if let Some(warning) = self.manager.take_warning() {
            ended.push((0, Reply::Text(warning.into())));
        }
        ended
    }

    /// How many operations are under way.
    pub fn operations(&self) -> usize {
        let operations = self.operations.borrow();
        let is_under_way = |place: &&Place| place.operation.is_some();
        operations.places.iter().filter(is_under_way).count()
    }

    /// Drops all operations, because the environment ends.
    pub fn abandon(&self) {
        let operations = std::mem::take(&mut self.operations.borrow_mut().places);
        drop(operations);
    }
}

/// Polls an operation; a panic inside it ends it with an error.
fn poll(operation: &mut Operation, waker: &Waker) -> Poll<Reply> {
    let polled = caught(|| {
        point("poll");
        worker::collect(|| operation.as_mut().poll(&mut Context::from_waker(waker)))
    });
    polled.unwrap_or_else(|panicked| {
        let error = panicked.error("an operation of the session engine panicked");
        Poll::Ready(Reply::Failed(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use std::future::poll_fn;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// An operation that panics when it is polled for the `nth` time, and drops what would panic if it ran on.
    fn panicking(nth: u32) -> Operation {
        let mut polls = 0;
        Box::pin(poll_fn(move |_| {
            polls += 1;
            if polls == nth {
                std::panic::resume_unwind(Box::new("the secret"));
            }
            Poll::Pending
        }))
    }

    #[test]
    fn an_operation_that_panics_ends_with_an_error_that_says_no_more() {
        let mut operation = panicking(2);
        assert!(poll(&mut operation, Waker::noop()).is_pending());
        let Poll::Ready(Reply::Failed(error)) = poll(&mut operation, Waker::noop()) else {
            unreachable!("the operation has panicked");
        };
        assert_eq!(error.code(), Code::Internal);
        assert!(!format!("{error:?} {error}").contains("secret"));
    }

    #[test]
    fn a_panic_while_the_list_of_ready_operations_is_held_does_not_end_it() {
        let ready = Arc::new(Ready::new());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = ready.numbers.lock();
            std::panic::resume_unwind(Box::new("a panic"));
        }));
        assert!(panicked.is_err() && ready.numbers.is_poisoned());
        ready.clone().push(7);
        assert_eq!(ready.take(), [7]);
    }
}
