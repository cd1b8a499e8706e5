//! The `_token` attribute: a random word that forms send back, so that only our own pages can submit them.
//!
//! Makes and keeps the token; comparing it with what a form sent is the application's part.

use super::attributes::Attributes;
use super::live::{Live, Thrown};
use super::recorded::Act;
use super::text;
use crate::error::Result;
use crate::session_id::SessionId;

/// The attribute that holds the token. Compat: `start` in `lib/store/Store.js`.
const TOKEN: &str = "_token";

/// A new token. Shape: 40 characters of `A-Z a-z 0-9 - _`, 240 random bits, like a session id.
pub fn generate() -> Result<String> {
    SessionId::generate().map(|random| random.as_str().to_owned())
}

/// Whether the session needs a token: there is none, or one that JavaScript calls false.
pub fn is_missing<L: Live>(attributes: &Attributes, live: &L) -> Result<bool, Thrown> {
    attributes.ask_text(live, TOKEN, |token| {
        token.is_none_or(|token| is_falsy(token.trim()))
    })
}

/// Whether JavaScript takes a JSON value for false.
pub(super) fn is_falsy(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => text.parse().is_ok_and(|number: f64| number == 0.0),
        _ => matches!(text, "null" | "false" | "\"\""),
    }
}

/// Puts `token` in the session, where it yields to a token that another request stored meanwhile.
pub fn offer<L: Live>(attributes: &Attributes, live: &L, token: &str) -> Result<(), Thrown> {
    attributes.put_text(live, TOKEN, text::quote(token), Act::Offer)
}

/// Puts `token` in the session, in the place of any other.
pub fn put<L: Live>(attributes: &Attributes, live: &L, token: &str) -> Result<(), Thrown> {
    attributes.put_text(live, TOKEN, text::quote(token), Act::Put)
}
