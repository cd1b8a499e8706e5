//! What a session is and may do: its attributes, its identity, and what closing it has to store.
//!
//! Pure: no storage, no cookies, no clock.

pub mod attributes;
mod base;
pub mod change;
mod compare;
pub mod csrf;
pub mod flash;
pub mod identity;
pub mod live;
mod object;
pub mod path;
mod reach;
pub mod recorded;
pub mod snapshot;
mod splice;
mod steps;
pub mod text;
mod tree;
mod walk;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use attributes::{Attributes, Sum};
pub use base::Base;
pub use identity::{Cookie, Identity, Moment, Plan, Session, Stage, Stored};
pub use live::{Kind, Live, Thrown, integer_text, string_text};
pub use snapshot::{Snapshot, Unsavable};
