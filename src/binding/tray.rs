//! Numbers that a function leaves for its caller beside what it gives: memory of JavaScript's that both see.
//!
//! To read it costs nothing; a second call, or an array of numbers, costs as much as a good part of a session's other work.
#![allow(
    unsafe_code,
    reason = "the memory is Node's; it is written on its thread alone, and kept for as long as it is"
)]

use std::ptr;

use napi::sys;

use super::js::{Js, Kept, Scope};
use crate::session::Thrown;

/// A `Uint32Array` of the face's.
#[derive(Debug)]
pub struct Tray {
    numbers: *mut u32,
    length: usize,
    _array: Kept,
}

impl Tray {
    /// The tray that `array` is.
    ///
    /// # Errors
    ///
    /// For anything but a `Uint32Array`.
    pub fn new(scope: Scope, array: Js) -> Result<Self, Thrown> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: Node refuses what is no typed array; what is not asked for is null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                scope.0,
                array.0,
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let is_one = status == sys::Status::napi_ok && kind == sys::TypedarrayType::uint32_array;
        match is_one && !data.is_null() {
            true => Ok(Tray {
                numbers: data.cast(),
                length,
                _array: Kept::new(scope, array)?,
            }),
            false => Err(Thrown),
        }
    }

    /// How many numbers it takes.
    pub fn room(&self) -> usize {
        self.length
    }

    /// Leaves numbers, from the tray's beginning on. What it has no room for is left out.
    pub fn leave(&self, numbers: impl IntoIterator<Item = u32>) {
        for (place, number) in (0..self.length).zip(numbers) {
            // SAFETY: the array has room for `length` numbers; it is kept, and the face never gives its memory away.
            unsafe { self.numbers.add(place).write(number) };
        }
    }
}
