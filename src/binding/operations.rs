//! The end of a request and what is between: cookie, save, and the calls that carry operations on.
//!
//! Functions that may not be answered on the spot return a reply; see `reply::to_js` for its shape.

use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::engine::{Engine, Reply};
use super::handler::{self, JsCodec, JsHandler};
use super::js::{Js, Scope, Text};
use super::live::JsLive;
use super::registry::{self, Entry};
use super::reply;
use crate::error::{Code, Error, Result};
use crate::manager::{AtOnce, Backing, Saved};
use crate::panics::point;
use crate::session::{Moment, Plan, Thrown, Unsavable};
use crate::session_id::SessionId;
use crate::worker;

pub(super) fn to_js(scope: Scope, reply: Reply) -> Js {
    reply::to_js(scope, reply).unwrap_or(Js::UNDEFINED)
}

pub(super) fn failed(scope: Scope, error: Error) -> Js {
    to_js(scope, Reply::Failed(error))
}

fn gone() -> Error {
    Error::new(
        Code::Gone,
        "the session was destroyed while the request ran, and is not saved",
    )
}

fn conflict() -> Error {
    let dropped =
        "values that were changed in place had been removed by another request, and are not saved";
    Error::new(Code::Gone, dropped)
}

/// Where and how a session is stored: by a handler and payload hooks of JavaScript's where they are given, else as the
/// options say.
pub(super) fn backing(entry: &Entry, handler: Js, store: Js) -> Result<Backing> {
    let engine = &entry.engine;
    let unusable = |Thrown| Error::new(Code::Internal, "the session handler cannot be kept");
    let is_given = |value: Js| engine.scope.type_of(value) == Ok(napi::ValueType::Object);
    let mut backing = match is_given(handler) {
        true => {
            let handler = JsHandler::new(engine.clone(), handler).map_err(unusable)?;
            let number = handler.number().map_err(unusable)?;
            engine.manager.over_handler(Rc::new(handler), number)
        }
        false => engine.manager.built_in()?,
    };
    if is_given(store) {
        backing.codec = Rc::new(JsCodec::new(engine.clone(), store).map_err(unusable)?);
    }
    backing.lock = entry.lock.get().cloned();
    Ok(backing)
}

/// Saves what a request changed.
///
/// @param moment 0 when the session's id leaves with the head, 1 when the application asks, 2 when the response ends: what is
///   changed afterwards is not stored, and the sweep's lottery is drawn; 3 when it ends right after
/// @param cookieOf the number of the engine that `sessionCookie` is to be asked with, where the head leaves right after
/// @returns a reply; when that is `undefined` or a string and the moment was 3, the session is retired already. A string is the
///   session's cookie
pub fn save_session(
    scope: Scope,
    session: f64,
    live: Js,
    moment: u32,
    handler: Js,
    store: Js,
    cookie_of: Option<u32>,
) -> Js {
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    let manager = &entry.engine.manager;
    let live = JsLive {
        scope,
        realm: &entry.engine.realm,
        root: live,
    };
    let is_last = moment == 3;
    let moment = match moment {
        0 => Moment::Announced,
        1 => Moment::ByHand,
        _ => Moment::Ended,
    };
    let plan = manager.plan(&entry.session, &live, moment);
    let plan = match plan {
        Ok(plan) => plan,
        Err((Unsavable::Thrown, error)) => {
            return reply::unserialisable(scope, &error).unwrap_or(Js::UNDEFINED);
        }
        Err((_, error)) => return failed(scope, error),
    };
    match backing(&entry, handler, store) {
        Ok(backing) => {
            let reply = save(&entry, plan, backing.clone());
            if moment == Moment::Ended && manager.draw_lottery(backing.is_handler) {
                sweep(&entry.engine, backing);
            }
            if is_last && matches!(reply, Reply::Done) {
                registry::retire(session, entry.session.attributes.size());
                let engine = cookie_of.and_then(registry::engine);
                return engine.map_or(Js::UNDEFINED, |engine| cookie(scope, &engine, &entry));
            }
            to_js(scope, reply)
        }
        Err(error) => failed(scope, error),
    }
}

fn save(entry: &Rc<Entry>, plan: Plan, backing: Backing) -> Reply {
    let manager = &entry.engine.manager;
    let mut begun = match worker::collect(|| manager.save_at_once(&entry.session, plan, &backing)) {
        AtOnce::Over(saved) => return reply_of(saved),
        AtOnce::Begun(begun) => begun,
    };
    let saving = entry.clone();
    entry.engine.begin(async move {
        let manager = &saving.engine.manager;
        let saved = manager.save(&saving.session, &mut begun, &backing).await;
        reply_of(saved)
    })
}

fn reply_of(saved: Result<Saved>) -> Reply {
    match saved {
        Ok(Saved::Done) => Reply::Done,
        Ok(Saved::Dropped) => Reply::Conflict(conflict()),
        Ok(Saved::Gone) => Reply::Gone(gone()),
        Err(error) => Reply::Failed(error),
    }
}

/// Removes a session's record; what is done to the session from then on is not stored. @returns a reply
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn destroy_session(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object | undefined")] handler: Js,
    #[napi(ts_arg_type = "object | undefined")] store: Js,
) -> Js {
    let scope = Scope(env.raw());
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    let backing = match backing(&entry, handler, store) {
        Ok(backing) => backing,
        Err(error) => return failed(scope, error),
    };
    let ending = entry.clone();
    let reply = entry.engine.begin(async move {
        let manager = &ending.engine.manager;
        let destroyed = manager.destroy(&ending.session, &backing).await;
        destroyed.map_or_else(Reply::Failed, |()| Reply::Done)
    });
    to_js(scope, reply)
}

/// Lets a sweep begin that nobody waits for.
pub(super) fn sweep(engine: &Rc<Engine>, backing: Backing) {
    let sweeping = engine.clone();
    engine.begin_unheard(async move {
        let _ = sweeping.manager.sweep(&backing).await;
    });
}

/// Notes that a session's response has ended: it is given up when enough others have ended too.
pub fn retire_session(_scope: Scope, session: f64) {
    if let Some(entry) = registry::entry(session) {
        registry::retire(session, entry.session.attributes.size());
    }
}

/// The text of the `Set-Cookie` header for a session, or `undefined` when none must be sent.
///
/// @param engine the number of the engine whose secrets and options the cookie has
/// @param retires whether this is the end of the session's response, as `retireSession` wants to hear of it
pub fn session_cookie(scope: Scope, engine: u32, session: f64, retires: Option<bool>) -> Js {
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    let engine = registry::engine(engine);
    let cookie = engine.map_or(Js::UNDEFINED, |engine| cookie(scope, &engine, &entry));
    if retires == Some(true) {
        registry::retire(session, entry.session.attributes.size());
    }
    cookie
}

fn cookie(scope: Scope, engine: &Engine, entry: &Entry) -> Js {
    let wire = entry.wire.borrow();
    let own = wire.as_ref().filter(|(id, _)| *id == entry.session.id());
    let own = own.map(|(_, wire)| wire.as_str());
    let cookie = engine.manager.cookie(&entry.session, own);
    let cookie = cookie.and_then(|cookie| scope.string(&cookie).ok());
    cookie.unwrap_or(Js::UNDEFINED)
}

fn ended(scope: Scope, engine: &Engine) -> std::result::Result<Js, Thrown> {
    let ended = engine.run();
    let is_done = |(_, reply): &(u32, Reply)| matches!(reply, Reply::Done);
    if ended.len() <= engine.tray.room() && ended.iter().all(is_done) {
        engine.tray.leave(ended.iter().map(|(number, _)| *number));
        return scope.number(ended.len() as f64);
    }
    let list = scope.array()?;
    for (place, (number, reply)) in ended.into_iter().enumerate() {
        let place = place as f64 * 2.0;
        scope.set(list, scope.number(place)?, scope.number(f64::from(number))?)?;
        scope.set(
            list,
            scope.number(place + 1.0)?,
            reply::to_js(scope, reply)?,
        )?;
    }
    Ok(list)
}

/// Goes on with the operations that are ready. @returns how many ended, where there is nothing to report of any: their numbers are
/// left in the engine's tray. Or else `[number, reply, number, reply, …]`; with the number 0 a sentence for `process.emitWarning`
pub fn run_operations(scope: Scope, engine: u32) -> Js {
    let engine = registry::engine(engine);
    engine
        .and_then(|engine| ended(scope, &engine).ok())
        .unwrap_or(Js::UNDEFINED)
}

/// Lets what operations ask of servers go out. To be called once after any number of them has begun.
#[napi(catch_unwind)]
pub fn send_requests() {
    point("entry");
    worker::send();
}

/// Tells what a handler called back with, and goes on with the operations that waited for it.
///
/// @param step the number with which the handler was called
/// @param error what went wrong, or `undefined` @param text what was read
/// @returns what `runOperations` does; `null` when the call was given up long ago
#[napi(catch_unwind, ts_return_type = "number | unknown[] | null")]
pub fn handler_replied(
    env: Env,
    engine: u32,
    step: u32,
    method: Text,
    #[napi(ts_arg_type = "unknown")] error: Js,
    text: Option<Text>,
) -> Js {
    let scope = Scope(env.raw());
    let is_read = method.as_str() == "read";
    let code = if is_read { Code::Read } else { Code::Write };
    let reply = match scope.type_of(error) {
        Ok(napi::ValueType::Undefined | napi::ValueType::Null) => Ok(text
            .map(|text| Arc::from(text.as_str()))
            .filter(|text: &Arc<str>| !text.is_empty())),
        _ => Err(reply::from_js(
            scope,
            code,
            &format!("the session handler cannot {}", method.as_str()),
            error,
        )),
    };
    match handler::replied(step, reply) {
        true => run_operations(scope, engine),
        false => scope.null().unwrap_or(Js::UNDEFINED),
    }
}

/// Whether the session of an id was destroyed or given up lately.
#[napi(catch_unwind)]
pub fn has_session_ended(engine: u32, id: Text) -> bool {
    let (engine, id) = (registry::engine(engine), SessionId::parse(id.as_str()));
    matches!((engine, id), (Some(engine), Some(id)) if engine.manager.is_ended(&id))
}
