//! Records that no request of ours opens: those of another library's sessions, and those that are moved to another storage.
//!
//! They are the built-in driver's, in the configured form; no session is in between.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::engine::{Engine, Reply};
use super::js::{Js, Scope, Text};
use super::operations::{failed, sweep, to_js};
use super::registry;
use crate::clock::Millis;
use crate::driver::Cursor;
use crate::error::{Code, Error, Result};
use crate::manager::{Backing, Carried};
use crate::panics::point;
use crate::session_id::SessionId;

/// The id of the record that stands for a session which another library calls `name`.
#[napi(catch_unwind)]
pub fn standing_for(name: Text) -> String {
    point("entry");
    SessionId::standing_for(name.as_str()).as_str().to_owned()
}

/// Begins an operation on the built-in storage; what it fails with is its reply.
fn begin<F>(env: Env, engine: u32, operation: impl FnOnce(Rc<Engine>, Backing) -> F) -> Js
where
    F: Future<Output = Result<Reply>> + 'static,
{
    let scope = Scope(env.raw());
    let Some(engine) = registry::engine(engine) else {
        return Js::UNDEFINED;
    };
    match engine.manager.built_in() {
        Ok(backing) => {
            let operation = operation(engine.clone(), backing);
            let replied = async { operation.await.unwrap_or_else(Reply::Failed) };
            to_js(scope, engine.begin(replied))
        }
        Err(error) => failed(scope, error),
    }
}

/// A page of the ids of all records. @param after the `next` of the page before @returns a reply: `{ids, next?}`
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn list_records(env: Env, engine: u32, after: Option<Text>, limit: u32) -> Js {
    let after: Option<Cursor> = after.map(|after| Arc::from(after.as_str()));
    begin(env, engine, move |engine, backing| async move {
        let page = engine
            .manager
            .list(after.as_ref(), limit as usize, &backing);
        Ok(Reply::Listed(page.await?))
    })
}

/// What is done with one record.
enum Deed {
    Read,
    Write(Arc<str>, Option<Millis>),
    Touch(Option<Millis>),
    Remove,
    TakeAlong,
    Carry(Arc<str>, Millis, bool),
}

impl Deed {
    fn parse(method: &str, text: Option<Text>, at: Option<f64>) -> Option<Self> {
        let at = at.map(|at| Millis(at as i64));
        let text = text.map(|text| Arc::from(text.as_str()));
        Some(match method {
            "read" => Deed::Read,
            "write" => Deed::Write(text?, at),
            "touch" => Deed::Touch(at),
            "remove" => Deed::Remove,
            "takeAlong" => Deed::TakeAlong,
            "carry" => Deed::Carry(text?, at?, false),
            "carryOver" => Deed::Carry(text?, at?, true),
            _ => return None,
        })
    }

    /// Whether it is part of what an application does all the time, so that idle records go meanwhile.
    fn may_sweep(&self) -> bool {
        matches!(self, Deed::Write(..) | Deed::Touch(_))
    }

    async fn done(self, engine: &Engine, id: SessionId, backing: &Backing) -> Result<Reply> {
        let manager = &engine.manager;
        let done = |()| Reply::Done;
        match self {
            Deed::Read => {
                let guest = manager.read_guest(&id, backing).await?;
                Ok(guest.map_or(Reply::Done, |guest| Reply::Dated(guest.text, guest.end)))
            }
            Deed::Write(text, end) => manager
                .write_guest(&id, &text, end, backing)
                .await
                .map(done),
            Deed::Touch(end) => manager.touch_guest(&id, end, backing).await.map(done),
            Deed::Remove => manager.remove_guest(&id, backing).await.map(done),
            Deed::TakeAlong => {
                let taken = manager.take_along(&id, backing).await?;
                Ok(taken.map_or(Reply::Done, |(text, at)| Reply::Dated(text, at)))
            }
            Deed::Carry(text, at, overwrite) => {
                let carried = manager.carry(&id, &text, at, overwrite, backing).await?;
                Ok(Reply::Text(Arc::from(match carried {
                    Carried::Created => "created",
                    Carried::Replaced => "replaced",
                    Carried::Skipped => "skipped",
                })))
            }
        }
    }
}

/// Does something with one record.
///
/// @param method of another library's session: `read`, `write`, `touch` or `remove`; of any record: `takeAlong` gives it,
///   `carry` stores it where there is none, `carryOver` also where there is an older one
/// @param text to store @param at when the session ends, if not after the idle timeout; for `carry` when it was last active
/// @returns a reply: `{text, at}` for what is read, with its end or its last activity; `created`, `replaced` or `skipped`
///   for what is carried
#[napi(catch_unwind, ts_return_type = "unknown")]
pub fn keep_record(
    env: Env,
    engine: u32,
    method: Text,
    id: Text,
    text: Option<Text>,
    at: Option<f64>,
) -> Js {
    let deed = Deed::parse(method.as_str(), text, at);
    let (Some(deed), Some(id)) = (deed, SessionId::parse(id.as_str())) else {
        let message = "a record is kept by its id, with a text and an instant";
        return failed(Scope(env.raw()), Error::new(Code::Internal, message));
    };
    begin(env, engine, move |engine, backing| async move {
        if deed.may_sweep() && engine.manager.draw_lottery(false) {
            sweep(&engine, backing.clone());
        }
        deed.done(&engine, id, &backing).await
    })
}
