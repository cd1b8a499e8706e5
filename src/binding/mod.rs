//! The Node.js addon: converts JavaScript values, calls the engine, converts the results.
//!
//! The only files that name napi. No rule of sessions is decided here.

#![cfg_attr(
    test,
    allow(
        dead_code,
        reason = "napi registers what is exported only outside tests"
    )
)]

#[cfg(feature = "faults")]
mod allocations;
mod cookie;
mod cork;
mod direct;
mod engine;
mod event_loop;
#[cfg(feature = "faults")]
mod faults;
mod handler;
mod js;
mod keeping;
mod live;
mod lock;
mod node_session;
mod opening;
mod operations;
mod records;
mod registry;
mod reply;
mod session;
mod settings;
mod tray;
