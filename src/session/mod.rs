//! What a session is and may do: its attributes, its identity, and what closing it has to store.
//!
//! Pure: no storage, no cookies, no clock.

pub mod attributes;
mod base;
pub mod change;
pub mod csrf;
pub mod flash;
pub mod identity;
pub mod live;
pub mod path;
pub mod snapshot;
pub mod text;
mod walk;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use attributes::Attributes;
pub use base::Base;
pub use identity::{Cookie, Identity, Plan, Session, Stage, Stored};
pub use live::{Kind, Live, Thrown};
pub use snapshot::{Snapshot, Unsavable};
