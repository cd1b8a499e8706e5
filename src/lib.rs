//! The engine and the storage drivers of node-session. This is the map.
//!
//! ```text
//!  JavaScript     index.js and lib/: what an application sees; no session rules
//!      │
//!  binding/       JavaScript values to Rust and back; the only files that name napi
//!      │
//!  manager        the three moments of a request: open, cookie, close
//!      ├── session/   what a session is and may do            ┐
//!      ├── cookie/    header text to and from a session id    ├ pure: no I/O, no clock
//!      ├── payload/   attributes to and from stored text      ┘
//!      └── driver/    records in memory, in files, in SQLite, on servers, in the application's own handler
//!
//!  worker         threads for what may block      event_loop     the thread's own loop, which watches sockets
//! ```
//!
//! The words: a *session* is one visitor's state in one request, and has *attributes*. A *driver* keeps *records*: an id, a
//! *payload* (the attributes' stored text) and the last activity. The *base* is the text as loaded, a *change* what the
//! request did to it, and *rebase* is applying that to what is stored by then. To *touch* is to renew the last activity, to
//! *sweep* is to remove idle records. Payloads are *sealed* and *unsealed*, cookies *signed* and *verified*, by a *keyring*:
//! its first secret makes, all of them read.

pub mod manager;

pub mod cookie;
pub mod payload;
pub mod session;

pub mod driver;
pub mod worker;

pub mod clock;
pub mod config;
pub mod contest;
pub mod digits;
pub mod error;
pub mod event_loop;
pub mod panics;
mod recent;
pub mod session_id;

#[cfg(feature = "binding")]
mod binding;
