//! Node's own event loop (libuv), as what tells drivers that their sockets can be read.
//!
//! Knows neither servers nor sessions. Which operations a socket lets go on, the engines hear as ever; those of this thread's are
//! called back in the same turn, without a detour by way of another.
#![allow(
    unsafe_code,
    reason = "libuv is a C interface; each handle below is used on the thread of its loop alone, and lives until libuv has closed it"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use libloading::os::unix::Library;
use napi::bindgen_prelude::Env;
use napi::sys;
use napi_derive::napi;

use super::js::{Kept, Scope};
use super::registry;
use crate::event_loop::{self, EventLoop, Watched};
use crate::panics::{caught, point};

/// `uv_handle_type` of a `uv_poll_t` (uv.h).
const POLL: c_int = 8;
/// `UV_READABLE` and `UV_DISCONNECT` (uv.h).
const READABLE: c_int = 1;
const DISCONNECT: c_int = 4;

type Handle = *mut c_void;

/// What is used of libuv.
struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    poll_init: unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, extern "C" fn(Handle, c_int, c_int)) -> c_int,
    set_data: unsafe extern "C" fn(Handle, *mut c_void),
    data: unsafe extern "C" fn(Handle) -> *mut c_void,
    unref: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, extern "C" fn(Handle)),
}

/// libuv, where this process has one.
fn uv() -> Option<&'static Uv> {
    static UV: OnceLock<Option<Uv>> = OnceLock::new();
    UV.get_or_init(|| {
        let process = Library::this();
        // SAFETY: the signatures are those of uv.h, which keeps them within its major version, the only one that Node has had.
        unsafe {
            Some(Uv {
                handle_size: *process.get("uv_handle_size").ok()?,
                poll_init: *process.get("uv_poll_init").ok()?,
                poll_start: *process.get("uv_poll_start").ok()?,
                set_data: *process.get("uv_handle_set_data").ok()?,
                data: *process.get("uv_handle_get_data").ok()?,
                unref: *process.get("uv_unref").ok()?,
                close: *process.get("uv_close").ok()?,
            })
        }
    })
    .as_ref()
}

/// What is watched, and the handle by which it is. In a box of its own, to which the handle's data leads.
struct Watch {
    watched: Arc<dyn Watched>,
    /// The handle's memory.
    memory: Box<[u64]>,
    /// It is being closed.
    is_closing: Cell<bool>,
    handles: Handles,
}

/// The handles of a loop that are not being closed.
type Handles = Rc<RefCell<BTreeSet<Handle>>>;

/// The loop of an environment.
struct NodeLoop {
    uv: &'static Uv,
    /// `uv_loop_t`.
    raw: *mut c_void,
    handles: Handles,
}

impl NodeLoop {
    fn of(scope: Scope) -> Option<Self> {
        let uv = uv()?;
        let mut raw = ptr::null_mut();
        // SAFETY: the environment is the running call's, and the result outlives the call.
        let status = unsafe { sys::napi_get_uv_event_loop(scope.0, &mut raw) };
        (status == sys::Status::napi_ok).then(|| Self {
            uv,
            raw: raw.cast(),
            handles: Handles::default(),
        })
    }
}

impl EventLoop for NodeLoop {
    fn watch(&self, watched: Arc<dyn Watched>) -> bool {
        let socket = watched.as_fd().as_raw_fd();
        let uv = self.uv;
        // SAFETY: the memory has the size that libuv asks for, is aligned as its handles are, and stays where it is until the
        // handle is closed; the socket is open for as long as `watched` is kept, which is as long.
        unsafe {
            let words = (uv.handle_size)(POLL).div_ceil(size_of::<u64>());
            let mut watch = Box::new(Watch {
                watched,
                memory: vec![0; words].into_boxed_slice(),
                is_closing: Cell::new(false),
                handles: self.handles.clone(),
            });
            let handle: Handle = watch.memory.as_mut_ptr().cast();
            if (uv.poll_init)(self.raw, handle, socket) != 0 {
                return false;
            }
            (uv.set_data)(handle, Box::into_raw(watch).cast());
            self.handles.borrow_mut().insert(handle);
            // What is watched keeps no process: whoever waits for an answer does.
            (uv.unref)(handle);
            if (uv.poll_start)(handle, READABLE | DISCONNECT, ready) != 0 {
                close(handle);
                return false;
            }
        }
        true
    }
}

impl fmt::Debug for NodeLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeLoop({} watched)", self.handles.borrow().len())
    }
}

/// Called by libuv: the socket can be read, or something is wrong with it.
extern "C" fn ready(handle: Handle, _status: c_int, _events: c_int) {
    let Some(uv) = uv() else { return };
    // SAFETY: a handle that is not closed has its `Watch`, and none is freed before its own callback has returned.
    let watch = unsafe { &*(uv.data)(handle).cast::<Watch>() };
    // Those that were woken before a panic are called back, too: they have been told that somebody heard it.
    let (goes_on, woken) = heard(|| {
        let goes_on = caught(|| {
            point("socket");
            watch.watched.is_ready()
        });
        if goes_on.is_err() {
            caught(|| watch.watched.is_abandoned()).ok();
        }
        goes_on == Ok(true)
    });
    if !goes_on {
        close(handle);
    }
    for engine in woken {
        let call_back = || registry::engine(engine).map(|engine| engine.call_back());
        caught(call_back).ok();
    }
}

/// Ends a watch. Its memory is given back when libuv has done with it.
fn close(handle: Handle) {
    let Some(uv) = uv() else { return };
    // SAFETY: as in `ready`; what is being closed already is left alone.
    unsafe {
        let watch = &*(uv.data)(handle).cast::<Watch>();
        watch.handles.borrow_mut().remove(&handle);
        if !watch.is_closing.replace(true) {
            (uv.close)(handle, closed);
        }
    }
}

/// Called by libuv when a handle is closed.
extern "C" fn closed(handle: Handle) {
    let Some(uv) = uv() else { return };
    // SAFETY: it was made by `Box::into_raw`, and this is called once.
    let watch = unsafe { Box::from_raw((uv.data)(handle).cast::<Watch>()) };
    caught(|| drop(watch)).ok();
}

/// Calls a function from the event loop, where no JavaScript runs. Then come, as after every callback, ticks and promises.
pub fn call_back(scope: Scope, function: &Kept) {
    // SAFETY: the environment is this thread's and has not ended, or its watches would have; every value is used within the
    // handle scope, and every result outlives its call.
    unsafe {
        let (mut handles, mut global, mut result) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        if sys::napi_open_handle_scope(scope.0, &mut handles) != sys::Status::napi_ok {
            return;
        }
        sys::napi_get_global(scope.0, &mut global);
        if let Ok(function) = function.get() {
            let (no_context, none) = (ptr::null_mut(), ptr::null());
            let status = sys::napi_make_callback(
                scope.0,
                no_context,
                global,
                function.0,
                0,
                none,
                &mut result,
            );
            if status == sys::Status::napi_pending_exception {
                let mut thrown = ptr::null_mut();
                sys::napi_get_and_clear_last_exception(scope.0, &mut thrown);
                sys::napi_fatal_exception(scope.0, thrown);
            }
        }
        sys::napi_close_handle_scope(scope.0, handles);
    }
}

thread_local! {
    /// The engines that were woken, by their numbers, while this thread listens to a socket.
    static WOKEN: RefCell<Option<Vec<u32>>> = const { RefCell::new(None) };
}

/// Does `work`, which does not panic, and gives the engines that it woke.
fn heard<T>(work: impl FnOnce() -> T) -> (T, Vec<u32>) {
    WOKEN.set(Some(Vec::new()));
    let done = work();
    (done, WOKEN.take().unwrap_or_default())
}

/// Notes that an engine of this thread was woken; gives whether somebody heard it.
pub fn hear(engine: u32) -> bool {
    WOKEN.with_borrow_mut(|woken| match woken {
        Some(woken) => {
            woken.push(engine);
            true
        }
        None => false,
    })
}

/// Lets this environment's event loop watch the sockets of drivers from now on. To be called in Node alone: what else has
/// Node's interface need not have libuv, whatever it seems to have.
#[napi(catch_unwind)]
pub fn watch_sockets(env: Env) -> napi::Result<()> {
    point("entry");
    let scope = Scope(env.raw());
    let Some(own) = NodeLoop::of(scope) else {
        return Ok(());
    };
    let handles = own.handles.clone();
    event_loop::set(Some(Box::new(own)));
    env.add_env_cleanup_hook(handles, |handles| {
        caught(|| leave(&handles)).ok();
    })?;
    Ok(())
}

/// Ends all watches, because the environment ends.
fn leave(handles: &Handles) {
    event_loop::set(None);
    let left = std::mem::take(&mut *handles.borrow_mut());
    for handle in left {
        let Some(uv) = uv() else { return };
        // SAFETY: as in `ready`.
        let watch = unsafe { &*(uv.data)(handle).cast::<Watch>() };
        caught(|| watch.watched.is_abandoned()).ok();
        close(handle);
    }
}
