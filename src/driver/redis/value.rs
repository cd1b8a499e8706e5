//! Answers of a server, as the kinds of value that the scripts give.
//!
//! A server's answer may be anything; what is not expected is `None`.

use std::sync::Arc;

use redis::Value;

/// A text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
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

/// A stored payload.
pub(super) fn payload_of(value: Value) -> Option<Arc<str>> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok().map(Arc::from),
        _ => None,
    }
}
