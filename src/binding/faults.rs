//! Lets tests have the engine panic. Only with the cargo feature `faults`.

use napi_derive::napi;

use crate::panics::points;

/// Lets the next `times` passes of a point panic. @param name as in `panics::point`; `entry` is in every function
#[napi]
pub fn panic_at(name: String, times: u32) {
    points::arm(&name, times);
}

/// How many panics that were asked for are still to come.
#[napi]
pub fn panics_left() -> u32 {
    points::left()
}

/// The points passed so far.
#[napi]
pub fn points_passed() -> Vec<String> {
    points::passed()
}
