//! The event loop of a thread: what tells that a socket can be read, without another thread that has to be woken for it.
//!
//! Knows nothing of what goes over a socket. Threads without one leave their sockets to the pool's thread (`worker.rs`).

use std::cell::RefCell;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::Arc;

/// What lives on a socket.
pub trait Watched: AsFd + Send + Sync {
    /// The socket can be read, or its other end is gone: does what there is to do, without waiting. To be told in vain does no
    /// harm. Gives whether it is to be watched any longer.
    fn is_ready(&self) -> bool;

    /// Its event loop ends.
    fn is_abandoned(&self);
}

/// A thread's event loop.
pub trait EventLoop: fmt::Debug {
    /// Tells `watched`, from now on and on this thread, whenever it can go on, until that wants to hear no more. Gives whether
    /// it will.
    fn watch(&self, watched: Arc<dyn Watched>) -> bool;
}

thread_local! {
    static OWN: RefCell<Option<Box<dyn EventLoop>>> = const { RefCell::new(None) };
}

/// Gives this thread an event loop, or takes it away.
pub fn set(event_loop: Option<Box<dyn EventLoop>>) {
    OWN.set(event_loop);
}

/// Whether this thread has one.
pub fn is_there() -> bool {
    OWN.with_borrow(Option::is_some)
}

/// Lets this thread's event loop watch something; gives whether it will.
pub fn watch(watched: Arc<dyn Watched>) -> bool {
    OWN.with_borrow(|own| own.as_ref().is_some_and(|own| own.watch(watched)))
}
