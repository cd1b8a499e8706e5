//! Records by their ids, for the handlers that JavaScript can see and call.
//!
//! They are the built-in driver's; no session is in between.

use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::engine::Reply;
use super::js::{Js, Scope, Text};
use super::operations::{failed, to_js};
use super::registry;
use crate::clock::Millis;
use crate::error::{Code, Error};
use crate::session_id::SessionId;

/// An operation on one record of the built-in driver, for the JavaScript-visible handlers.
///
/// @param method `read`, `write` or `destroy` @returns a reply
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn use_driver(env: Env, engine: u32, method: Text, id: Text, text: Option<Text>) -> Js {
    let scope = Scope(env.raw());
    let Some(engine) = registry::engine(engine) else {
        return Js::UNDEFINED;
    };
    let Some(id) = SessionId::parse(id.as_str()) else {
        let invalid = Error::new(
            Code::Write,
            "a session id is 40 characters of A-Z, a-z, 0-9, - and _",
        );
        return if method.as_str() == "read" {
            Js::UNDEFINED
        } else {
            failed(scope, invalid)
        };
    };
    let backing = match engine.manager.built_in() {
        Ok(backing) => backing,
        Err(error) => return failed(scope, error),
    };
    let using = engine.clone();
    let text: Arc<str> = Arc::from(text.as_ref().map_or("", Text::as_str));
    let reply = engine.begin(async move {
        let used = match method.as_str() {
            "read" => using.manager.read_record(&id, &backing).await,
            "write" => using
                .manager
                .write_record(&id, &text, &backing)
                .await
                .map(|()| None),
            _ => using
                .manager
                .destroy_record(&id, &backing)
                .await
                .map(|()| None),
        };
        match used {
            Ok(Some(text)) => Reply::Text(text),
            Ok(None) => Reply::Done,
            Err(error) => Reply::Failed(error),
        }
    });
    to_js(scope, reply)
}

/// Removes the records of the built-in driver that have been idle for longer than `maxAge` milliseconds. @returns a reply
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn sweep_driver(env: Env, engine: u32, max_age: f64) -> Js {
    let scope = Scope(env.raw());
    let Some(engine) = registry::engine(engine) else {
        return Js::UNDEFINED;
    };
    let sweeping = engine.clone();
    let reply = engine.begin(async move {
        let swept = match sweeping.manager.built_in() {
            Ok(backing) => {
                sweeping
                    .manager
                    .sweep_idle(&backing, Millis(max_age as i64))
                    .await
            }
            Err(error) => Err(error),
        };
        swept.map_or_else(Reply::Failed, |()| Reply::Done)
    });
    to_js(scope, reply)
}

/// Seals (`seal`) or unseals a payload in the engine's form. @returns a string, or a report of what is wrong
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn recode(env: Env, engine: u32, seal: bool, id: Text, text: Text) -> Js {
    let scope = Scope(env.raw());
    let Some(engine) = registry::engine(engine) else {
        return Js::UNDEFINED;
    };
    let Some(id) = SessionId::parse(id.as_str()) else {
        return Js::UNDEFINED;
    };
    match engine.manager.recode(seal, &id, text.as_str()) {
        Ok(text) => to_js(scope, Reply::Text(text)),
        Err(error) => failed(scope, error),
    }
}
