//! The engine and the storage drivers of node-session.

pub mod clock;
pub mod config;
pub mod cookie;
pub mod driver;
pub mod error;
pub mod session_id;
pub mod worker;
