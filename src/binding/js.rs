//! JavaScript values and the calls on them, over Node's C interface.
//!
//! Everything here runs on the thread of the environment it is given. A call that JavaScript answered with an exception
//! gives [`Thrown`]; the exception stays pending, and Node throws it when the native function returns.
#![allow(
    unsafe_code,
    reason = "Node-API is a C interface; each call below passes values of the environment it runs in"
)]

use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{ValueType, sys};

use crate::clock;
use crate::session::Thrown;

/// A value of the running call. Null stands for `undefined`.
#[derive(Clone, Copy, Debug)]
pub struct Js(pub sys::napi_value);

impl Js {
    /// `undefined`, as a function's result.
    pub const UNDEFINED: Js = Js(ptr::null_mut());
}

impl FromNapiValue for Js {
    unsafe fn from_napi_value(_env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Js(value))
    }
}

impl ToNapiValue for Js {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

impl TypeName for Js {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Js {}

/// Characters of a short text that needs no allocation.
const INLINE: usize = 184;

/// A string argument; a short one costs no allocation. Lone surrogates become U+FFFD.
#[derive(Debug)]
pub enum Text {
    /// Up to `INLINE` bytes.
    Short([u8; INLINE + 1], usize),
    /// Anything longer.
    Long(String),
}

impl Text {
    /// The characters.
    pub fn as_str(&self) -> &str {
        match self {
            Text::Short(bytes, length) => {
                std::str::from_utf8(&bytes[..*length]).unwrap_or_default()
            }
            Text::Long(text) => text,
        }
    }
}

impl FromNapiValue for Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Scope(env)
            .text(Js(value))
            .ok_or_else(|| napi::Error::new(napi::Status::StringExpected, "a string is expected"))
    }
}

impl TypeName for Text {
    fn type_name() -> &'static str {
        "string"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for Text {}

/// The environment of the running call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope(pub sys::napi_env);

/// Turns a status into a result. A failed call leaves either an exception or nothing behind.
fn check(status: sys::napi_status) -> Result<(), Thrown> {
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(Thrown)
    }
}

/// Runs a call that writes a value to its last argument.
macro_rules! give {
    ($initial:expr, |$out:ident| $call:expr) => {{
        let mut $out = $initial;
        // SAFETY: the environment is the running call's, the arguments are values of it, and `$out` outlives the call.
        check(unsafe { $call })?;
        $out
    }};
}

impl Scope {
    /// The string that `value` is, or `None` when it is no string.
    pub fn text(self, value: Js) -> Option<Text> {
        match self.short_text(value)? {
            None => self.long_text(value).map(Text::Long),
            short => short,
        }
    }

    /// The same if it is a short one.
    pub fn short_text(self, value: Js) -> Option<Option<Text>> {
        let mut bytes = [0u8; INLINE + 1];
        let mut length = 0;
        // SAFETY: the buffer has the size that is passed, and Node writes at most that many bytes, NUL included.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                self.0,
                value.0,
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                &mut length,
            )
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        // Node never cuts a character in two, so a text that was cut may fall up to three bytes short of the end.
        Some((length + 4 <= INLINE).then_some(Text::Short(bytes, length)))
    }

    fn long_text(self, value: Js) -> Option<String> {
        let mut length = 0;
        // SAFETY: without a buffer Node only tells the length.
        let status = unsafe {
            sys::napi_get_value_string_utf8(self.0, value.0, ptr::null_mut(), 0, &mut length)
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        let mut bytes = vec![0u8; length + 1];
        // SAFETY: the buffer has room for the text and its NUL.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                self.0,
                value.0,
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                &mut length,
            )
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        bytes.truncate(length);
        String::from_utf8(bytes).ok()
    }

    /// An owned copy of the string that `value` is.
    pub fn string_of(self, value: Js) -> Option<String> {
        self.text(value).map(|text| match text {
            Text::Long(text) => text,
            short => short.as_str().to_owned(),
        })
    }

    /// A string.
    pub fn string(self, text: &str) -> Result<Js, Thrown> {
        let length = isize::try_from(text.len()).map_err(|_| Thrown)?;
        let start = text.as_ptr().cast();
        let value = if text.is_ascii() {
            give!(ptr::null_mut(), |out| sys::napi_create_string_latin1(
                self.0, start, length, &mut out
            ))
        } else {
            give!(ptr::null_mut(), |out| sys::napi_create_string_utf8(
                self.0, start, length, &mut out
            ))
        };
        Ok(Js(value))
    }

    /// A number.
    pub fn number(self, number: f64) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_create_double(
            self.0, number, &mut out
        ))))
    }

    /// The number that `value` is.
    pub fn number_of(self, value: Js) -> Option<f64> {
        let mut number = 0.0;
        // SAFETY: see `give!`; Node refuses values that are no numbers.
        let status = unsafe { sys::napi_get_value_double(self.0, value.0, &mut number) };
        (status == sys::Status::napi_ok).then_some(number)
    }

    /// `true` or `false`.
    pub fn boolean(self, value: bool) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_get_boolean(
            self.0, value, &mut out
        ))))
    }

    /// The boolean that `value` is.
    pub fn boolean_of(self, value: Js) -> Option<bool> {
        let mut boolean = false;
        // SAFETY: see `give!`; Node refuses values that are no booleans.
        let status = unsafe { sys::napi_get_value_bool(self.0, value.0, &mut boolean) };
        (status == sys::Status::napi_ok).then_some(boolean)
    }

    /// `null`.
    pub fn null(self) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_get_null(
            self.0, &mut out
        ))))
    }

    /// `{}`.
    pub fn object(self) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_create_object(
            self.0, &mut out
        ))))
    }

    /// `[]`.
    pub fn array(self) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_create_array(
            self.0, &mut out
        ))))
    }

    /// What `typeof` says.
    pub fn type_of(self, value: Js) -> Result<ValueType, Thrown> {
        if value.0.is_null() {
            return Ok(ValueType::Undefined);
        }
        Ok(ValueType::from(give!(0, |out| sys::napi_typeof(
            self.0, value.0, &mut out
        ))))
    }

    /// Whether `value` is an array.
    pub fn is_array(self, value: Js) -> Result<bool, Thrown> {
        Ok(give!(false, |out| sys::napi_is_array(
            self.0, value.0, &mut out
        )))
    }

    /// How many elements an array has.
    pub fn length(self, array: Js) -> Result<u32, Thrown> {
        Ok(give!(0, |out| sys::napi_get_array_length(
            self.0, array.0, &mut out
        )))
    }

    /// The property `key`, inherited or not.
    pub fn get(self, object: Js, key: Js) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_get_property(
            self.0, object.0, key.0, &mut out
        ))))
    }

    /// The element at `index`.
    pub fn element(self, array: Js, index: u32) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| sys::napi_get_element(
            self.0, array.0, index, &mut out
        ))))
    }

    /// The property of that name, inherited or not.
    pub fn named(self, object: Js, name: &str) -> Result<Js, Thrown> {
        self.get(object, self.string(name)?)
    }

    /// Whether `key` is an own property.
    pub fn has_own(self, object: Js, key: Js) -> Result<bool, Thrown> {
        Ok(give!(false, |out| sys::napi_has_own_property(
            self.0, object.0, key.0, &mut out
        )))
    }

    /// `undefined`, where a value is needed.
    fn undefined(self) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| {
            sys::napi_get_undefined(self.0, &mut out)
        })))
    }

    /// Assigns `object[key] = value`.
    pub fn set(self, object: Js, key: Js, value: Js) -> Result<(), Thrown> {
        let value = if value.0.is_null() {
            self.undefined()?
        } else {
            value
        };
        // SAFETY: see `give!`.
        check(unsafe { sys::napi_set_property(self.0, object.0, key.0, value.0) })
    }

    /// Makes `key` an own, plain property, even where assigning would run a setter.
    pub fn define(self, object: Js, key: Js, value: Js) -> Result<(), Thrown> {
        let plain = sys::PropertyAttributes::writable
            | sys::PropertyAttributes::enumerable
            | sys::PropertyAttributes::configurable;
        let descriptor = sys::napi_property_descriptor {
            utf8name: ptr::null(),
            name: key.0,
            method: None,
            getter: None,
            setter: None,
            value: value.0,
            attributes: plain,
            data: ptr::null_mut(),
        };
        // SAFETY: see `give!`; one descriptor is passed.
        check(unsafe { sys::napi_define_properties(self.0, object.0, 1, &descriptor) })
    }

    /// `delete object[key]`.
    pub fn delete(self, object: Js, key: Js) -> Result<(), Thrown> {
        let deleted = give!(false, |out| sys::napi_delete_property(
            self.0, object.0, key.0, &mut out
        ));
        let _ = deleted;
        Ok(())
    }

    /// The names of the own, enumerable properties.
    pub fn keys(self, object: Js) -> Result<Js, Thrown> {
        let filter = sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols;
        Ok(Js(give!(ptr::null_mut(), |out| {
            sys::napi_get_all_property_names(
                self.0,
                object.0,
                sys::KeyCollectionMode::own_only,
                filter,
                sys::KeyConversion::numbers_to_strings,
                &mut out,
            )
        })))
    }

    /// Calls `function` with `undefined` as `this`.
    pub fn call(self, function: Js, arguments: &[Js]) -> Result<Js, Thrown> {
        let this = self.undefined()?.0;
        let arguments: smallargs::Args = smallargs::collect(arguments, this);
        clock::while_time_goes_on(|| {
            Ok(Js(give!(ptr::null_mut(), |out| sys::napi_call_function(
                self.0,
                this,
                function.0,
                arguments.1,
                arguments.0.as_ptr(),
                &mut out
            ))))
        })
    }

    /// The bytes of a `Uint8Array` (a `Buffer` is one), copied; `None` for anything else.
    pub fn bytes_of(self, value: Js) -> Result<Option<Vec<u8>>, Thrown> {
        if !give!(false, |out| sys::napi_is_typedarray(
            self.0, value.0, &mut out
        )) {
            return Ok(None);
        }
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the value is a typed array; what is not asked for is null.
        check(unsafe {
            sys::napi_get_typedarray_info(
                self.0,
                value.0,
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })?;
        if kind != sys::TypedarrayType::uint8_array || (data.is_null() && length > 0) {
            return Ok(None);
        }
        if length == 0 {
            return Ok(Some(Vec::new()));
        }
        // SAFETY: Node says that the array has `length` bytes at `data`; nothing else runs while they are copied.
        Ok(Some(
            unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec(),
        ))
    }

    /// Leaves a `TypeError` pending.
    pub fn throw_type_error(self, message: &str) {
        let Ok(message) = std::ffi::CString::new(message) else {
            return;
        };
        // SAFETY: the message ends with a NUL and outlives the call.
        unsafe { sys::napi_throw_type_error(self.0, ptr::null(), message.as_ptr()) };
    }

    /// Takes the pending exception away, if there is one.
    pub fn caught(self) -> Option<Js> {
        let (mut pending, mut exception) = (false, ptr::null_mut());
        // SAFETY: see `give!`; both calls are allowed while an exception is pending.
        unsafe {
            sys::napi_is_exception_pending(self.0, &mut pending);
            if !pending
                || sys::napi_get_and_clear_last_exception(self.0, &mut exception)
                    != sys::Status::napi_ok
            {
                return None;
            }
        }
        Some(Js(exception))
    }

    /// Runs `work` and drops the values it made.
    pub fn scoped<T>(self, work: impl FnOnce() -> T) -> T {
        let mut scope = ptr::null_mut();
        // SAFETY: the scope is closed below, in the order in which scopes were opened.
        let opened =
            unsafe { sys::napi_open_handle_scope(self.0, &mut scope) } == sys::Status::napi_ok;
        let result = work();
        if opened {
            // SAFETY: this scope is the innermost open one.
            unsafe { sys::napi_close_handle_scope(self.0, scope) };
        }
        result
    }
}

/// Arguments of a call, without an allocation.
mod smallargs {
    use super::{Js, sys};

    const MOST: usize = 8;
    pub type Args = ([sys::napi_value; MOST], usize);

    /// The first eight arguments; null ones become `undefined`.
    pub fn collect(arguments: &[Js], undefined: sys::napi_value) -> Args {
        let mut values = [undefined; MOST];
        for (value, argument) in values.iter_mut().zip(arguments) {
            if !argument.0.is_null() {
                *value = argument.0;
            }
        }
        (values, arguments.len().min(MOST))
    }
}

/// A value kept beyond the call it came in. Must be dropped on the thread of its environment.
#[derive(Debug)]
pub struct Kept {
    scope: Scope,
    reference: sys::napi_ref,
}

impl Kept {
    /// Keeps `value`, an object or a function, from being collected.
    pub fn new(scope: Scope, value: Js) -> Result<Self, Thrown> {
        let reference = give!(ptr::null_mut(), |out| sys::napi_create_reference(
            scope.0, value.0, 1, &mut out
        ));
        Ok(Kept { scope, reference })
    }

    /// The value.
    pub fn get(&self) -> Result<Js, Thrown> {
        Ok(Js(give!(ptr::null_mut(), |out| {
            sys::napi_get_reference_value(self.scope.0, self.reference, &mut out)
        })))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: `Registry::close` drops everything of an environment before that ends, so it is still there.
        unsafe { sys::napi_delete_reference(self.scope.0, self.reference) };
    }
}
