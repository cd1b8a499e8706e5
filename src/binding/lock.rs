//! Lock mode: what one call of `startSession` wants, and the locks of sessions by their numbers.

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::engine::Reply;
use super::js::{Js, Scope};
use super::operations::to_js;
use super::registry::{self, Entry};
use super::reply;
use super::settings;
use crate::clock::Millis;
use crate::config::Locking;
use crate::manager::Lock;
use crate::session::Thrown;

/// `{lease, wait}`, in milliseconds, where a session is to be locked; else `undefined`.
fn times(scope: Scope, locking: Locking) -> Result<Js, Thrown> {
    if !locking.is_on {
        return Ok(Js::UNDEFINED);
    }
    let times = scope.object()?;
    for (name, time) in [("lease", locking.lease), ("wait", locking.wait)] {
        scope.set(times, scope.string(name)?, scope.number(time.0 as f64)?)?;
    }
    Ok(times)
}

/// How a call of `startSession` locks its session.
///
/// @param options what the call was given @returns `{lease, wait}`, `undefined` for not at all, or a report of what is wrong
#[napi(catch_unwind, ts_return_type = "object | undefined")]
pub fn lock_times(
    env: Env,
    engine: u32,
    #[napi(ts_arg_type = "object | undefined")] options: Js,
) -> Js {
    let scope = Scope(env.raw());
    let Some(engine) = registry::engine(engine) else {
        return Js::UNDEFINED;
    };
    let Ok(options) = settings::members(scope, options) else {
        return Js::UNDEFINED;
    };
    let told = match engine.manager.config.locking.of_call(&options) {
        Ok(locking) => times(scope, locking),
        Err(error) => reply::report(scope, "error", &error),
    };
    told.unwrap_or(Js::UNDEFINED)
}

/// Lets a session be locked when it is loaded.
pub(super) fn set(entry: &Entry, lease: f64, wait: f64) {
    let locking = Locking {
        is_on: true,
        lease: Millis(lease as i64),
        wait: Millis(wait as i64),
    };
    entry.lock.get_or_init(|| Lock::new(locking));
}

/// Lets a session that is not loaded be locked when it is.
///
/// @param lease how long it is held, in milliseconds @param wait how long it is waited for, in milliseconds
#[napi(catch_unwind)]
pub fn lock_session(session: f64, lease: f64, wait: f64) {
    if let Some(entry) = registry::entry(session) {
        set(&entry, lease, wait);
    }
}

/// Releases the lock of a session whose response ends. @returns a reply
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn unlock_session(env: Env, session: f64) -> Js {
    let Some(entry) = registry::entry(session) else {
        return Js::UNDEFINED;
    };
    let unlocking = entry.clone();
    let reply = entry.engine.begin(async move {
        let unlocked = match unlocking.lock.get() {
            Some(lock) => unlocking.engine.manager.unlock(lock).await,
            None => Ok(()),
        };
        unlocked.map_or_else(Reply::Failed, |()| Reply::Done)
    });
    to_js(Scope(env.raw()), reply)
}

/// Lets a session that waits for its lock wait no longer, because its connection has closed.
#[napi(catch_unwind)]
pub fn give_up_lock(session: f64) {
    if let Some(lock) = registry::entry(session)
        .as_ref()
        .and_then(|entry| entry.lock.get())
    {
        lock.give_up();
    }
}
