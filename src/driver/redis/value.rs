//! Answers of a server, as the kinds of value that the scripts give.
//!
//! A server's answer may be anything; what is not expected is `None`.

use std::sync::Arc;

use super::resp::Value;

/// A text.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// A whole number, also one written as text.
pub(super) fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        other => text_of(other)?.parse().ok(),
    }
}

/// The parts of a list of so many.
pub(super) fn parts<const N: usize>(value: Value) -> Option<[Value; N]> {
    match value {
        Value::List(parts) => parts.try_into().ok(),
        _ => None,
    }
}

/// A stored payload.
pub(super) fn payload_of(value: Value) -> Option<Arc<str>> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
