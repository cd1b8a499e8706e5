//! The methods of `req.session`, as functions on a session's number and its live object.
//!
//! A number that is out of date reads as an empty session. When JavaScript throws underneath (a getter, a proxy), the
//! exception stays pending and reaches the caller.

use std::rc::Rc;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::js::{Js, Scope, Text};
use super::live::JsLive;
use super::registry::{self, Entry};
use crate::panics::point;
use crate::session::{Sum, Thrown, csrf, flash};
use crate::session_id::SessionId;

/// Calls one rule; what it throws is pending already.
fn with<T>(
    env: Env,
    session: f64,
    live: Js,
    rule: impl FnOnce(&Entry, &JsLive) -> Result<T, Thrown>,
) -> Option<T> {
    with_scope(Scope(env.raw()), session, live, rule)
}

fn with_scope<T>(
    scope: Scope,
    session: f64,
    live: Js,
    rule: impl FnOnce(&Entry, &JsLive) -> Result<T, Thrown>,
) -> Option<T> {
    let entry: Rc<Entry> = registry::entry(session)?;
    let live = JsLive {
        scope,
        realm: &entry.engine.realm,
        root: live,
    };
    rule(&entry, &live).ok()
}

fn strings(scope: Scope, list: Js) -> Result<Vec<String>, Thrown> {
    let length = scope.length(list)?;
    let text = |index| {
        Ok(scope
            .string_of(scope.element(list, index)?)
            .unwrap_or_default())
    };
    (0..length).map(text).collect()
}

/// The value at a path, or `undefined`.
pub fn session_get(scope: Scope, session: f64, live: Js, key: Text) -> Js {
    let value = with_scope(scope, session, live, |entry, live| {
        entry.session.attributes.get(live, key.as_str())
    });
    value.flatten().unwrap_or(Js::UNDEFINED)
}

/// Whether there is a value at a path, other than `null`.
pub fn session_has(scope: Scope, session: f64, live: Js, key: Text) -> bool {
    let found = with_scope(scope, session, live, |entry, live| {
        entry.session.attributes.has(live, key.as_str())
    });
    found.unwrap_or(false)
}

/// Sets the value at a path.
pub fn session_set(scope: Scope, session: f64, live: Js, key: Text, value: Js) {
    with_scope(scope, session, live, |entry, live| {
        entry.session.attributes.set(live, key.as_str(), &value)
    });
}

/// Appends to the array at a path.
#[napi(catch_unwind)]
pub fn session_push(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    key: Text,
    #[napi(ts_arg_type = "unknown")] value: Js,
) {
    with(env, session, live, |entry, live| {
        entry.session.attributes.push(live, key.as_str(), &value)
    });
}

/// Adds to the number at a path. @returns the sum, or a string that says why there is none
#[napi(catch_unwind, ts_return_type = "number | string")]
pub fn session_increment(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    key: Text,
    by: f64,
) -> Js {
    let sum = with(env, session, live, |entry, live| {
        let sum = entry.session.attributes.increment(live, key.as_str(), by)?;
        match sum {
            Sum::Is(sum) => Ok(sum),
            Sum::Refused(why) => live.scope.string(why),
        }
    });
    sum.unwrap_or(Js::UNDEFINED)
}

/// Takes the value at a path out; `undefined` when there is none.
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn session_pull(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    key: Text,
) -> Js {
    let value = with(env, session, live, |entry, live| {
        entry.session.attributes.pull(live, key.as_str())
    });
    value.flatten().unwrap_or(Js::UNDEFINED)
}

/// Removes the value at a path.
#[napi(catch_unwind)]
pub fn session_forget(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js, key: Text) {
    with(env, session, live, |entry, live| {
        entry.session.attributes.forget(live, key.as_str())
    });
}

/// Drops all attributes; the caller goes on with a new live object.
#[napi(catch_unwind)]
pub fn session_flush(session: f64) {
    if let Some(entry) = registry::entry(session) {
        entry.session.attributes.flush();
    }
}

/// The object of all attributes, which is the live object from then on.
#[napi(catch_unwind, ts_return_type = "object | undefined")]
pub fn session_all(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js) -> Js {
    let all = with(env, session, live, |entry, live| {
        entry.session.attributes.expose(live)
    });
    all.unwrap_or(Js::UNDEFINED)
}

/// Lets the caller's new live object be all attributes.
#[napi(catch_unwind)]
pub fn session_adopt(session: f64) {
    if let Some(entry) = registry::entry(session) {
        entry.session.attributes.adopt();
    }
}

/// Keeps what was just put at a path for one more request.
#[napi(catch_unwind)]
pub fn session_flash(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js, key: Text) {
    with(env, session, live, |entry, live| {
        flash::flash(&entry.session.attributes, live, key.as_str())
    });
}

/// Keeps all flash data for another request.
#[napi(catch_unwind)]
pub fn session_reflash(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js) {
    with(env, session, live, |entry, live| {
        flash::reflash(&entry.session.attributes, live)
    });
}

/// Keeps the flash data under these keys for another request.
#[napi(catch_unwind)]
pub fn session_keep(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    #[napi(ts_arg_type = "string[]")] keys: Js,
) {
    with(env, session, live, |entry, live| {
        flash::keep(&entry.session.attributes, live, &strings(live.scope, keys)?)
    });
}

/// Takes these keys off the list of what goes at the end of the request.
#[napi(catch_unwind)]
pub fn session_keep_old(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    #[napi(ts_arg_type = "string[]")] keys: Js,
) {
    with(env, session, live, |entry, live| {
        flash::remove_from_old(&entry.session.attributes, live, &strings(live.scope, keys)?)
    });
}

/// Drops old flash data and marks new flash data as old.
#[napi(catch_unwind)]
pub fn session_age(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js) {
    with(env, session, live, |entry, live| {
        flash::age(&entry.session.attributes, live, false)
    });
}

/// Puts a new CSRF token in the session.
#[napi(catch_unwind)]
pub fn session_new_token(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js) -> bool {
    let token = csrf::generate();
    let put = |entry: &Entry, live: &JsLive| match &token {
        Ok(token) => csrf::put(&entry.session.attributes, live, token).map(|()| true),
        Err(_) => Ok(false),
    };
    with(env, session, live, put).unwrap_or(false)
}

/// The session's id, or `undefined`.
#[napi(catch_unwind, ts_return_type = "string | undefined")]
pub fn session_id(env: Env, session: f64) -> Js {
    let id = registry::entry(session).map(|entry| entry.session.id());
    id.and_then(|id| Scope(env.raw()).string(id.as_str()).ok())
        .unwrap_or(Js::UNDEFINED)
}

/// Whether there is a record under the session's present id, as far as its request knows.
#[napi(catch_unwind)]
pub fn is_session_stored(session: f64) -> bool {
    registry::entry(session).is_none_or(|entry| entry.session.is_stored())
}

/// Gives the session a chosen id, or a new one when that is none.
#[napi(catch_unwind)]
pub fn session_set_id(session: f64, id: Option<Text>) {
    let given = id.and_then(|id| SessionId::parse(id.as_str()));
    if let (Some(entry), Some(id)) = (
        registry::entry(session),
        given.or_else(|| SessionId::generate().ok()),
    ) {
        entry.session.set_id(id);
    }
}

/// Gives the session a new id, unless its response has ended.
///
/// @param destroy whether the old record goes when the session is saved @returns whether it has a new id
#[napi(catch_unwind)]
pub fn session_rename(session: f64, destroy: bool) -> bool {
    registry::entry(session).is_some_and(|entry| entry.session.rename(destroy) == Ok(true))
}

/// Drops everything; the caller goes on with a new live object, and saves. The session gets a new id and a new CSRF token.
///
/// @param keepId because it has been sent already @returns whether anything was dropped: not when the response has ended
#[napi(catch_unwind)]
pub fn session_invalidate(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    keep_id: bool,
) -> bool {
    let invalidated = with(env, session, live, |entry, live| {
        let is_done = entry.session.invalidate(keep_id) == Ok(true);
        if is_done {
            entry.session.ensure_token(live)?;
        }
        Ok(is_done)
    });
    invalidated.unwrap_or(false)
}

/// Keeps a closed session readable until `forgetSession`.
#[napi(catch_unwind)]
pub fn pin_session(session: f64) {
    registry::pin(session);
}

/// Gives a session up.
#[napi(catch_unwind)]
pub fn forget_session(session: f64) {
    registry::remove(session);
}

/// Whether a text is a valid session id.
#[napi(catch_unwind)]
pub fn is_session_id(id: Text) -> bool {
    point("entry");
    SessionId::parse(id.as_str()).is_some()
}

/// A new session id. Shape: 40 characters of `A-Z a-z 0-9 - _`.
#[napi(catch_unwind)]
pub fn generate_id() -> String {
    point("entry");
    SessionId::generate()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default()
}

/// The codes of errors, in order.
#[napi(catch_unwind)]
pub fn error_codes() -> Vec<String> {
    point("entry");
    crate::error::Code::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect()
}
