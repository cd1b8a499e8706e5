//! What a session is and may do: its attributes, its identity, and what closing it has to store.
//!
//! Pure: no storage, no cookies, no clock.

pub mod attributes;
pub mod change;
pub mod csrf;
pub mod flash;
pub mod identity;
pub mod live;
pub mod path;
pub mod snapshot;
pub mod text;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use attributes::{Attributes, Base};
pub use identity::{Cookie, Identity, Plan, Session, Stage, Stored};
pub use live::{Kind, Live, Thrown};
pub use snapshot::{Snapshot, Unsavable};
