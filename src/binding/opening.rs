//! The beginning of a request: a session is visited, loaded and settled.
//!
//! Functions that may not be answered on the spot return a reply; see `reply::to_js` for its shape.

use std::cell::OnceCell;
use std::rc::Rc;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::engine::{Engine, Reply};
use super::js::{Js, Scope, Text};
use super::live::JsLive;
use super::lock;
use super::operations::{backing, failed, to_js};
use super::registry::{self, Entry};
use crate::error::{Code, Error, Result};
use crate::manager::{Backing, Opened, Settled, Visit};
use crate::session::{Session, Thrown};
use crate::session_id::SessionId;
use crate::worker;

/// Gives a visit's session a number; 0 when there is none to be had.
fn add(engine: Rc<Engine>, visit: Visit) -> f64 {
    let id = visit.session.id();
    let number = registry::add(Entry {
        session: visit.session,
        engine,
        wire: visit.wire.map(|wire| (id, wire)).into(),
        opened: None.into(),
        lock: OnceCell::new(),
    });
    number.unwrap_or_default()
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

/// Opens the session of a request on a built-in driver.
///
/// @param engine the number of an engine
/// @param cookie the request's `Cookie` header
/// @param verified the session id that a cookie parser verified
/// @param live where what was loaded counts at once, if it is at hand: the session's live object
/// @returns the session's number; negative when its load goes on, as the operation whose number is left in the engine's tray (0
///   for one that has ended already). When the load has ended, `settleSession` lets it count. With `live` it counts already,
///   unless the number is negative
pub fn open_session(
    scope: Scope,
    engine: u32,
    cookie: Option<Text>,
    verified: Option<Text>,
    live: Js,
) -> f64 {
    let number = open(engine, cookie, verified, |_| {});
    let is_asked = number > 0.0 && scope.type_of(live) == Ok(napi::ValueType::Object);
    match registry::entry(number).filter(|_| is_asked) {
        Some(entry) => count_at_once(number, &entry, scope, live),
        None => number,
    }
}

/// Lets what was loaded count; where there is something to report of it, that is left to `settleSession`.
fn count_at_once(number: f64, entry: &Entry, scope: Scope, live: Js) -> f64 {
    match settle(entry, scope, live) {
        Ok(Settled::Done) => number,
        Err(Thrown) => {
            registry::remove(number);
            0.0
        }
        Ok(Settled::Corrupt(error)) => {
            entry.opened.replace(Some(Opened::Corrupt(error)));
            goes_on(entry, number, 0)
        }
        Ok(Settled::Detached(error)) => {
            entry.opened.replace(Some(Opened::Failed(error)));
            goes_on(entry, number, 0)
        }
    }
}

/// What is given for a session whose load goes on.
fn goes_on(entry: &Entry, number: f64, operation: u32) -> f64 {
    entry.engine.tray.leave([operation]);
    -number
}

/// The same in lock mode: waits until no other request has the session, before it is loaded. A session that begins with
/// this request is nobody else's.
///
/// @param lease for how long it then has the session to itself; in milliseconds
/// @param wait for how long it waits at most; in milliseconds
#[napi(catch_unwind)]
pub fn open_locked_session(
    engine: u32,
    cookie: Option<Text>,
    verified: Option<Text>,
    lease: f64,
    wait: f64,
) -> f64 {
    open(engine, cookie, verified, |entry| {
        lock::set(entry, lease, wait)
    })
}

fn open(
    engine: u32,
    cookie: Option<Text>,
    verified: Option<Text>,
    prepare: impl FnOnce(&Entry),
) -> f64 {
    let Some(engine) = registry::engine(engine) else {
        return 0.0;
    };
    let Ok(visit) = visit(&engine, cookie, verified) else {
        return 0.0;
    };
    let may_exist = visit.may_exist;
    let number = add(engine.clone(), visit);
    let Some(entry) = registry::entry(number) else {
        return 0.0;
    };
    match engine.manager.built_in() {
        Ok(_) if !may_exist => {
            entry.opened.replace(Some(Opened::Fresh));
        }
        Ok(mut backing) => {
            prepare(&entry);
            backing.lock = entry.lock.get().cloned();
            if let Reply::Later(operation) = load(&entry, backing) {
                return goes_on(&entry, number, operation);
            }
        }
        Err(error) => {
            entry.opened.replace(Some(Opened::Failed(error)));
        }
    }
    number
}

/// The session that a request's cookie names, not loaded. @returns its number; negative when it cannot be stored anywhere
///   yet, so that `settleSession` lets it count at once
#[napi(catch_unwind)]
pub fn visit_session(engine: u32, cookie: Option<Text>, verified: Option<Text>) -> f64 {
    let Some(engine) = registry::engine(engine) else {
        return 0.0;
    };
    let Ok(visit) = visit(&engine, cookie, verified) else {
        return 0.0;
    };
    let may_exist = visit.may_exist;
    let number = add(engine, visit);
    match registry::entry(number) {
        Some(entry) if !may_exist => {
            entry.opened.replace(Some(Opened::Fresh));
            -number
        }
        _ => number,
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

fn load(entry: &Rc<Entry>, backing: Backing) -> Reply {
    let manager = &entry.engine.manager;
    let visiting = match worker::collect(|| manager.load_at_once(&entry.session, &backing)) {
        Ok(opened) => {
            entry.opened.replace(Some(opened));
            return Reply::Done;
        }
        Err(visiting) => visiting,
    };
    let loading = entry.clone();
    entry.engine.begin(async move {
        let manager = &loading.engine.manager;
        let opened = manager
            .go_on_loading(&loading.session, &backing, visiting)
            .await;
        loading.opened.replace(Some(opened));
        Reply::Done
    })
}

/// Loads a session. @returns a reply; `settleSession` tells what was found
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
    match backing(&entry, handler, store) {
        Ok(backing) => to_js(scope, load(&entry, backing)),
        Err(error) => {
            entry.opened.replace(Some(Opened::Failed(error)));
            Js::UNDEFINED
        }
    }
}

/// Lets a load that has ended count. @returns a report of what is wrong, or `undefined`
pub fn settle_session(scope: Scope, session: f64, live: Js) -> Js {
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    match settle(&entry, scope, live) {
        Ok(Settled::Corrupt(error)) => to_js(scope, Reply::Corrupt(error)),
        Ok(Settled::Detached(error)) => failed(scope, error),
        Ok(Settled::Done) | Err(Thrown) => Js::UNDEFINED,
    }
}

fn settle(entry: &Entry, scope: Scope, live: Js) -> std::result::Result<Settled, Thrown> {
    let panicked = || {
        Opened::Failed(Error::new(
            Code::Internal,
            "the session could not be opened",
        ))
    };
    let opened = entry.opened.take().unwrap_or_else(panicked);
    let live = JsLive {
        scope,
        realm: &entry.engine.realm,
        root: live,
    };
    let manager = &entry.engine.manager;
    manager.settle(&entry.session, &live, opened)
}
