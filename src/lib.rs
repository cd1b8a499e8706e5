//! The engine and the storage drivers of node-session.

#[cfg(feature = "binding")]
mod binding;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod driver;
pub mod error;
pub mod manager;
pub mod payload;
pub mod session;
pub mod session_id;
pub mod worker;
