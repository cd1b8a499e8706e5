//! The live half of the attributes: the values that JavaScript has been given and may change in place.
//!
//! A small trait, so that the rules above it run, and are tested, without Node.

use std::sync::Arc;

use super::text;
use crate::digits::Digits;

/// JavaScript threw while the engine was asking it something; the exception waits on the JavaScript side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thrown;

/// What the rules need to know of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// A string, number, boolean, bigint or symbol.
    Primitive,
    /// An array.
    Array,
    /// Any other object, or a function.
    Object,
}

/// Access to JavaScript values; every method may run the application's code (getters, proxies, `toJSON`).
///
/// No borrow of the session's state is held across any of these calls.
pub trait Live {
    /// A JavaScript value.
    type Value: Clone;

    /// The object that holds the live attributes.
    fn root(&self) -> Self::Value;

    /// The value of a JSON text.
    fn parse(&self, text: &str) -> Result<Self::Value, Thrown>;

    /// A string value.
    fn string(&self, text: &str) -> Result<Self::Value, Thrown>;

    /// A number value.
    fn number(&self, number: f64) -> Result<Self::Value, Thrown>;

    /// What `value` is.
    fn kind(&self, value: &Self::Value) -> Result<Kind, Thrown>;

    /// The own property `name` of `of` (a primitive string has `length` and its indices); never an inherited one.
    fn own(&self, of: &Self::Value, name: &str) -> Result<Option<Self::Value>, Thrown>;

    /// Sets the own property `name`, whatever the prototype says about that name.
    fn define(&self, on: &Self::Value, name: &str, value: &Self::Value) -> Result<(), Thrown>;

    /// Sets the own property that the JSON string `quoted` (with its quotes) names.
    fn define_quoted(
        &self,
        on: &Self::Value,
        quoted: &str,
        value: &Self::Value,
    ) -> Result<(), Thrown>;

    /// Deletes the own property `name`.
    fn delete(&self, on: &Self::Value, name: &str) -> Result<(), Thrown>;

    /// A new, empty object.
    fn object(&self) -> Result<Self::Value, Thrown>;

    /// A new, empty array.
    fn array(&self) -> Result<Self::Value, Thrown>;

    /// How many elements an array has.
    fn length(&self, array: &Self::Value) -> Result<u32, Thrown>;

    /// The number that `value` is, if it is one.
    fn number_of(&self, value: &Self::Value) -> Result<Option<f64>, Thrown>;

    /// The JSON text of `value`, as `JSON.stringify` writes it, of one that nothing can change and whose text is known without
    /// asking.
    fn text_of(&self, value: &Self::Value) -> Option<Arc<str>>;

    /// Throws a `TypeError`.
    fn refuse(&self, message: &str) -> Thrown;

    /// `JSON.stringify(value)`; `None` when it gives `undefined`.
    fn stringify(&self, value: &Self::Value) -> Result<Option<String>, Thrown>;
}

/// The JSON text of a number that JavaScript writes as an integer, digit by digit.
pub fn integer_text(number: f64) -> Option<Arc<str>> {
    /// The largest of those of which each is told from the next.
    const MOST: f64 = 9_007_199_254_740_991.0;
    let is_integer = number.trunc() == number && number.abs() <= MOST;
    let is_plain = is_integer && !(number == 0.0 && number.is_sign_negative());
    is_plain.then(|| Digits::of(number as i64).as_str().into())
}

/// The JSON text of a string; of one that had lone surrogates it is not known any more.
pub fn string_text(string: &str) -> Option<Arc<str>> {
    (!string.contains('\u{fffd}')).then(|| text::quote(string).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_number_is_known_where_it_is_its_digits() {
        let known = [
            (0.0, "0"),
            (-7.0, "-7"),
            (9_007_199_254_740_991.0, "9007199254740991"),
        ];
        for (number, text) in known {
            assert_eq!(integer_text(number).as_deref(), Some(text));
        }
        for number in [
            -0.0,
            0.5,
            9_007_199_254_740_992.0,
            1e21,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert_eq!(integer_text(number), None);
        }
    }

    #[test]
    fn the_text_of_a_string_is_known_where_nothing_of_it_was_lost() {
        assert_eq!(string_text("a \"b\"\n").as_deref(), Some(r#""a \"b\"\n""#));
        assert_eq!(string_text("a\u{fffd}"), None);
    }
}
