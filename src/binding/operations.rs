//! The three moments of a request, and the calls that carry operations on: open, cookie, close.
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
use crate::clock::Millis;
use crate::error::{Code, Error, Result};
use crate::manager::{Backing, Opened, Saved, Visit};
use crate::session::{Session, Stage, Thrown, Unsavable};
use crate::session_id::SessionId;

fn add(engine: Rc<Engine>, visit: Visit) -> f64 {
    let id = visit.session.id();
    registry::add(Entry {
        session: visit.session,
        engine,
        wire: visit.wire.map(|wire| (id, wire)).into(),
        opening: None.into(),
        must_merge: false.into(),
        is_withheld: false.into(),
    })
}

pub(super) fn visit(
    engine: &Engine,
    cookie: Option<Text>,
    verified: Option<Text>,
) -> Result<Visit> {
    match verified.and_then(|id| SessionId::parse(id.as_str())) {
        Some(id) => Ok(engine.manager.visit_verified(id)),
        None => engine.manager.visit(cookie.as_ref().map(Text::as_str)),
    }
}

fn to_js(scope: Scope, reply: Reply) -> Js {
    reply::to_js(scope, reply).unwrap_or(Js::UNDEFINED)
}

fn failed(scope: Scope, error: Error) -> Js {
    to_js(scope, Reply::Failed(error))
}

fn gone() -> Error {
    Error::new(
        Code::Gone,
        "the session was destroyed while the request ran, and is not saved",
    )
}

/// What is told of a load, once it is settled.
fn opened(entry: &Entry, opened: Opened) -> Reply {
    match opened {
        Opened::Found(must_merge) => {
            entry.must_merge.set(must_merge);
            Reply::Done
        }
        Opened::Fresh => Reply::Done,
        Opened::Corrupt(error) => Reply::Corrupt(error),
        Opened::Failed(error) => Reply::Failed(error),
    }
}

/// Opens the session of a request on a built-in driver.
///
/// @param engine the number of an engine
/// @param live the object that will hold the live attributes
/// @param cookie the request's `Cookie` header
/// @param verified the session id that a cookie parser verified
/// @returns the session's number; negative when there is something to report, which `takeOpening` gives
#[napi(catch_unwind)]
pub fn open_session(
    env: Env,
    engine: u32,
    #[napi(ts_arg_type = "object")] live: Js,
    cookie: Option<Text>,
    verified: Option<Text>,
) -> f64 {
    let Some(engine) = registry::engine(engine) else {
        return 0.0;
    };
    let visit = match visit(&engine, cookie, verified) {
        Ok(visit) => visit,
        Err(_) => return 0.0,
    };
    let may_exist = visit.may_exist;
    let number = add(engine.clone(), visit);
    let Some(entry) = registry::entry(number) else {
        return 0.0;
    };
    let reply = match engine.manager.built_in() {
        Ok(_) if !may_exist => {
            entry.session.stage.set(Stage::Open);
            Reply::Done
        }
        Ok(backing) => load(&entry, backing),
        Err(error) => {
            entry.session.stage.set(Stage::Detached);
            Reply::Failed(error)
        }
    };
    if matches!(reply, Reply::Done) && settle(Scope(env.raw()), &entry, live).is_ok() {
        return number;
    }
    entry.opening.replace(Some(reply));
    -number
}

/// What `openSession` has to report: a reply.
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn take_opening(env: Env, session: f64) -> Js {
    let reply = registry::entry(session).and_then(|entry| entry.opening.take());
    reply.map_or(Js::UNDEFINED, |reply| to_js(Scope(env.raw()), reply))
}

/// The session that a request's cookie names, not loaded. @returns its number
#[napi(catch_unwind)]
pub fn visit_session(engine: u32, cookie: Option<Text>, verified: Option<Text>) -> f64 {
    let Some(engine) = registry::engine(engine) else {
        return 0.0;
    };
    match visit(&engine, cookie, verified) {
        Ok(visit) => add(engine, visit),
        Err(_) => 0.0,
    }
}

/// A session of the application's own, not loaded. @param id kept if it is a valid id @returns its number
#[napi(catch_unwind)]
pub fn new_session(engine: u32, id: Option<Text>) -> f64 {
    let given = id.and_then(|id| SessionId::parse(id.as_str()));
    let Some(engine) = registry::engine(engine) else {
        return 0.0;
    };
    let Some(id) = given.or_else(|| SessionId::generate().ok()) else {
        return 0.0;
    };
    let session = Session::new(id, false);
    add(
        engine,
        Visit {
            session,
            wire: None,
            may_exist: true,
        },
    )
}

/// Where and how a session is stored: by a handler and payload hooks of JavaScript's where they are given, else as the
/// options say.
fn backing(engine: &Rc<Engine>, handler: Js, store: Js) -> Result<Backing> {
    let unusable = |Thrown| Error::new(Code::Internal, "the session handler cannot be kept");
    let is_given = |value: Js| engine.scope.type_of(value) == Ok(napi::ValueType::Object);
    let mut backing = match is_given(handler) {
        true => {
            let handler = JsHandler::new(engine.clone(), handler).map_err(unusable)?;
            engine.manager.over_handler(Rc::new(handler))
        }
        false => engine.manager.built_in()?,
    };
    if is_given(store) {
        backing.codec = Rc::new(JsCodec::new(engine.clone(), store).map_err(unusable)?);
    }
    Ok(backing)
}

fn load(entry: &Rc<Entry>, backing: Backing) -> Reply {
    let loading = entry.clone();
    entry.engine.begin(async move {
        let found = loading
            .engine
            .manager
            .load(&loading.session, &backing)
            .await;
        opened(&loading, found)
    })
}

/// Loads a session. @returns a reply; after it, `settleSession` completes the load
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn load_session(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object | undefined")] handler: Js,
    #[napi(ts_arg_type = "object | undefined")] store: Js,
) -> Js {
    let scope = Scope(env.raw());
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    match backing(&entry.engine, handler, store) {
        Ok(backing) => to_js(scope, load(&entry, backing)),
        Err(error) => {
            entry.session.stage.set(Stage::Detached);
            failed(scope, error)
        }
    }
}

fn settle(scope: Scope, entry: &Entry, live: Js) -> std::result::Result<(), Thrown> {
    let live = JsLive {
        scope,
        realm: &entry.engine.realm,
        root: live,
    };
    entry.session.settle(&live, entry.must_merge.replace(false))
}

/// Completes a load that has been waited for: early values and loaded ones come together, and a CSRF token is made.
#[napi(catch_unwind)]
pub fn settle_session(env: Env, session: f64, #[napi(ts_arg_type = "object")] live: Js) {
    if let Some(entry) = registry::entry(session) {
        let _ = settle(Scope(env.raw()), &entry, live);
    }
}

/// Saves what a request changed.
///
/// @param last whether the response ends: what is changed afterwards is not stored
/// @returns a reply
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn save_session(
    env: Env,
    session: f64,
    #[napi(ts_arg_type = "object")] live: Js,
    last: bool,
    #[napi(ts_arg_type = "object | undefined")] handler: Js,
    #[napi(ts_arg_type = "object | undefined")] store: Js,
) -> Js {
    let scope = Scope(env.raw());
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    let manager = &entry.engine.manager;
    let live = JsLive {
        scope,
        realm: &entry.engine.realm,
        root: live,
    };
    let plan = entry.session.plan(&live, manager.config.max_depth);
    if last {
        entry.session.stage.set(Stage::Closed);
        registry::retire(session, entry.session.attributes.size());
    }
    let plan = match plan {
        Ok(plan) => plan,
        Err(why) => {
            let error = manager.unsavable(why);
            let report = match why {
                Unsavable::Thrown => reply::unserialisable(scope, &error),
                _ => reply::report(scope, "error", &error),
            };
            entry.is_withheld.set(!entry.session.is_stored());
            return report.unwrap_or(Js::UNDEFINED);
        }
    };
    let backing = match backing(&entry.engine, handler, store) {
        Ok(backing) => backing,
        Err(error) => return failed(scope, error),
    };
    let saving = entry.clone();
    let reply = entry.engine.begin(async move {
        let saved = saving
            .engine
            .manager
            .save(&saving.session, plan, &backing)
            .await;
        saving.is_withheld.set(
            saved != Ok(Saved::Done) && !saving.session.is_stored() || saved == Ok(Saved::Gone),
        );
        match saved {
            Ok(Saved::Done) => Reply::Done,
            Ok(Saved::Gone) => Reply::Gone(gone()),
            Err(error) => Reply::Failed(error),
        }
    });
    to_js(scope, reply)
}

/// The text of the `Set-Cookie` header for a session, or `undefined` when it must not be sent.
#[napi(catch_unwind, ts_return_type = "string | undefined")]
pub fn session_cookie(env: Env, session: f64) -> Js {
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    if entry.session.stage.get() == Stage::Detached || entry.is_withheld.get() {
        return Js::UNDEFINED;
    }
    let id = entry.session.id();
    let wire = entry.wire.borrow();
    let wire = wire
        .as_ref()
        .filter(|(own, _)| *own == id)
        .map(|(_, wire)| wire.as_str());
    Scope(env.raw())
        .string(&entry.engine.manager.set_cookie(&id, wire))
        .unwrap_or(Js::UNDEFINED)
}

fn ended(scope: Scope, engine: &Engine) -> std::result::Result<Js, Thrown> {
    let list = scope.array()?;
    for (place, (number, reply)) in engine.run().into_iter().enumerate() {
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

/// Goes on with the operations that are ready. @returns `[number, reply, number, reply, …]` of those that ended
#[napi(catch_unwind, ts_return_type = "unknown[]")]
pub fn run_operations(env: Env, engine: u32) -> Js {
    let scope = Scope(env.raw());
    let engine = registry::engine(engine);
    engine
        .and_then(|engine| ended(scope, &engine).ok())
        .unwrap_or(Js::UNDEFINED)
}

/// Tells what a handler called back with, and goes on with the operations that waited for it.
///
/// @param step the number with which the handler was called
/// @param error what went wrong, or `undefined` @param text what was read
#[napi(catch_unwind, ts_return_type = "unknown[]")]
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
    handler::replied(step, reply);
    run_operations(env, engine)
}

/// Draws the lottery, and lets a sweep begin when it hits; nobody waits for it.
#[napi(catch_unwind)]
pub fn draw_lottery(engine: u32, #[napi(ts_arg_type = "object | undefined")] handler: Js) {
    let Some(engine) = registry::engine(engine) else {
        return;
    };
    if engine.manager.draw_lottery()
        && let Ok(backing) = backing(&engine, handler, Js::UNDEFINED)
    {
        let sweeping = engine.clone();
        engine.begin_unheard(async move {
            let _ = sweeping.manager.sweep(&backing).await;
        });
    }
}

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
            _ => backing.driver.destroy(&id).await.map(|()| None),
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
