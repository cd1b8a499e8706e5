//! The functions that every request calls, given to JavaScript without napi-rs's own wrapping, which allocates twice in each call.
//!
//! They look like any other function of the binding. What JavaScript calls them by is said here, what it passes in `direct.d.ts`.
#![allow(
    unsafe_code,
    reason = "Node-API calls back through C functions; each uses the environment and the arguments it was called with"
)]

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{JsValue as _, Object};
use napi::{ValueType, sys};
use napi_derive::napi;

use super::js::{Js, Scope, Text};
use super::{cork, opening, operations, session};
use crate::clock;

/// Most arguments that one of them takes.
const MOST: usize = 6;

type Function = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// What a function takes.
trait Argument: Sized {
    /// It, if `value` is one.
    fn of(scope: Scope, value: Js) -> Option<Self>;
}

impl Argument for Js {
    fn of(_scope: Scope, value: Js) -> Option<Self> {
        Some(value)
    }
}

impl Argument for f64 {
    fn of(scope: Scope, value: Js) -> Option<Self> {
        scope.number_of(value)
    }
}

impl Argument for u32 {
    fn of(scope: Scope, value: Js) -> Option<Self> {
        scope.number_of(value).map(|number| number as u32)
    }
}

impl Argument for bool {
    fn of(scope: Scope, value: Js) -> Option<Self> {
        scope.boolean_of(value)
    }
}

impl Argument for Text {
    fn of(scope: Scope, value: Js) -> Option<Self> {
        scope.text(value)
    }
}

impl<T: Argument> Argument for Option<T> {
    fn of(scope: Scope, value: Js) -> Option<Self> {
        match scope.type_of(value) {
            Ok(ValueType::Undefined | ValueType::Null) => Some(None),
            _ => T::of(scope, value).map(Some),
        }
    }
}

/// What a function gives.
trait Outcome {
    /// It as JavaScript has it.
    fn give(self, scope: Scope) -> Js;
}

impl Outcome for Js {
    fn give(self, _scope: Scope) -> Js {
        self
    }
}

impl Outcome for f64 {
    fn give(self, scope: Scope) -> Js {
        scope.number(self).unwrap_or(Js::UNDEFINED)
    }
}

impl Outcome for u32 {
    fn give(self, scope: Scope) -> Js {
        f64::from(self).give(scope)
    }
}

impl Outcome for bool {
    fn give(self, scope: Scope) -> Js {
        scope.boolean(self).unwrap_or(Js::UNDEFINED)
    }
}

impl Outcome for () {
    fn give(self, _scope: Scope) -> Js {
        Js::UNDEFINED
    }
}

/// Functions by the names that JavaScript has for them. What they take is named in parentheses, after the environment.
macro_rules! direct {
    ($($name:literal $function:path, ($($argument:ident),*);)*) => {
        &[$(($name, {
            unsafe extern "C" fn call(
                env: sys::napi_env,
                info: sys::napi_callback_info,
            ) -> sys::napi_value {
                answer(env, info, |scope, given| {
                    let [$($argument,)* ..] = given;
                    let outcome = $function(scope, $(Argument::of(scope, $argument)?),*);
                    Some(outcome.give(scope))
                })
            }
            call
        })),*]
    };
}

static FUNCTIONS: &[(&CStr, Function)] = direct! {
    c"openSession" opening::open_session, (engine, cookie, verified, live);
    c"settleSession" opening::settle_session, (session, live);
    c"saveSession" operations::save_session, (session, live, moment, handler, store, cookie_of);
    c"sessionCookie" operations::session_cookie, (engine, session, retires);
    c"retireSession" operations::retire_session, (session);
    c"runOperations" operations::run_operations, (engine);
    c"sessionGet" session::session_get, (session, live, key);
    c"sessionHas" session::session_has, (session, live, key);
    c"sessionSet" session::session_set, (session, live, key, value);
    c"corkSocket" cork::cork_socket, (socket);
    c"uncorkSockets" cork::uncork_sockets, ();
};

/// Calls a function and gives its outcome. What it must not be called with is a `TypeError`; of a panic no more is told than that
/// there was one.
fn answer(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    function: impl FnOnce(Scope, [Js; MOST]) -> Option<Js>,
) -> sys::napi_value {
    let scope = Scope(env);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let given = arguments(scope, info)?;
        clock::at_one_instant(|| function(scope, given))
    }));
    match outcome {
        Ok(Some(outcome)) => return outcome.0,
        Ok(None) => scope.throw_type_error("an argument is of a wrong type"),
        Err(payload) => {
            // It may panic when it is dropped. `lib/native.js` asks whether there was one.
            std::mem::forget(payload);
            scope.throw_type_error("a panic");
        }
    }
    ptr::null_mut()
}

fn arguments(scope: Scope, info: sys::napi_callback_info) -> Option<[Js; MOST]> {
    let mut given = [ptr::null_mut(); MOST];
    let mut count = MOST;
    // SAFETY: the call's own environment and info; Node writes at most `count` values, `undefined` for those that are missing.
    let status = unsafe {
        sys::napi_get_cb_info(
            scope.0,
            info,
            &mut count,
            given.as_mut_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok).then(|| given.map(Js))
}

/// Gives the addon these functions when it is loaded.
#[napi(module_exports)]
pub fn give_direct(exports: Object<'_>) -> napi::Result<()> {
    let (env, exports) = (exports.value().env, exports.raw());
    for (name, function) in FUNCTIONS {
        let mut value = ptr::null_mut();
        // SAFETY: the module's own environment and exports; the name ends with a NUL and lives for ever, as the function does.
        let status = unsafe {
            let made = sys::napi_create_function(
                env,
                name.as_ptr(),
                name.count_bytes() as isize,
                Some(*function),
                ptr::null_mut(),
                &mut value,
            );
            match made {
                sys::Status::napi_ok => {
                    sys::napi_set_named_property(env, exports, name.as_ptr(), value)
                }
                failed => failed,
            }
        };
        if status != sys::Status::napi_ok {
            return Err(napi::Error::from_status(napi::Status::from(status)));
        }
    }
    Ok(())
}
