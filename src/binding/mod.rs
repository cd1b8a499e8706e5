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

mod cookie;
mod engine;
mod handler;
mod js;
mod live;
mod node_session;
mod operations;
mod registry;
mod reply;
mod session;
mod settings;
