//! What an operation tells JavaScript, as JavaScript values. The face makes real errors of them.

use napi::ValueType;

use super::engine::Reply;
use super::js::{Js, Scope};
use crate::clock::Millis;
use crate::driver::Page;
use crate::error::{Cause, Code, Error};
use crate::session::Thrown;

/// A reply as JavaScript takes it: `undefined` when there is nothing to report, a number while the operation goes on, a
/// string that was read, `{text, at}`, `{ids, next?}`, or `{kind, code, message, cause?}`.
pub fn to_js(scope: Scope, reply: Reply) -> Result<Js, Thrown> {
    match reply {
        Reply::Done => Ok(Js::UNDEFINED),
        Reply::Later(number) => scope.number(f64::from(number)),
        Reply::Text(text) => scope.string(&text),
        Reply::Dated(text, at) => dated(scope, &text, at),
        Reply::Listed(page) => listed(scope, &page),
        Reply::Corrupt(error) => report(scope, "corrupt", &error),
        Reply::Gone(error) => report(scope, "gone", &error),
        Reply::Conflict(error) => report(scope, "conflict", &error),
        Reply::Failed(error) => report(scope, "error", &error),
    }
}

fn dated(scope: Scope, text: &str, at: Millis) -> Result<Js, Thrown> {
    let object = scope.object()?;
    scope.set(object, scope.string("text")?, scope.string(text)?)?;
    scope.set(object, scope.string("at")?, scope.number(at.0 as f64)?)?;
    Ok(object)
}

fn listed(scope: Scope, page: &Page) -> Result<Js, Thrown> {
    let object = scope.object()?;
    let ids = scope.array()?;
    for (place, id) in page.ids.iter().enumerate() {
        scope.scoped(|| scope.set(ids, scope.number(place as f64)?, scope.string(id.as_str())?))?;
    }
    scope.set(object, scope.string("ids")?, ids)?;
    if let Some(next) = &page.next {
        scope.set(object, scope.string("next")?, scope.string(next)?)?;
    }
    Ok(object)
}

/// `{kind, code, message, cause?}`.
pub fn report(scope: Scope, kind: &str, error: &Error) -> Result<Js, Thrown> {
    let object = scope.object()?;
    let put = |name: &str, text: &str| scope.set(object, scope.string(name)?, scope.string(text)?);
    put("kind", kind)?;
    put("code", error.code().as_str())?;
    put("message", error.message())?;
    if let Some(cause) = error.cause() {
        let reason = scope.object()?;
        scope.set(
            reason,
            scope.string("message")?,
            scope.string(&cause.message)?,
        )?;
        if let Some(code) = &cause.code {
            scope.set(reason, scope.string("code")?, scope.string(code)?)?;
        }
        scope.set(object, scope.string("reason")?, reason)?;
    }
    Ok(object)
}

/// The report of attributes that JavaScript could not serialise, with what it threw as the cause.
pub fn unserialisable(scope: Scope, error: &Error) -> Result<Js, Thrown> {
    let Some(thrown) = scope.caught() else {
        return report(scope, "error", error);
    };
    let message = message_of(scope, thrown).unwrap_or_default();
    // V8 says these two when it gives up on depth and on length.
    let error = match () {
        () if message.contains("call stack size exceeded") => Error::new(
            Code::Depth,
            "the session's attributes are nested too deep to serialise",
        ),
        () if message.contains("Invalid string length") => Error::new(
            Code::TooLarge,
            "the session's attributes are too large to serialise",
        ),
        () => error.clone(),
    };
    let object = report(scope, "error", &error)?;
    scope.set(object, scope.string("cause")?, thrown)?;
    Ok(object)
}

/// The message of a thrown value: its `message`, or itself when it is a string.
pub fn message_of(scope: Scope, thrown: Js) -> Option<String> {
    if let Some(text) = scope.string_of(thrown) {
        return Some(text);
    }
    let message = match scope.type_of(thrown) {
        Ok(ValueType::Object | ValueType::Function) => scope.named(thrown, "message"),
        _ => return None,
    };
    match message {
        Ok(message) => scope.string_of(message),
        Err(Thrown) => {
            scope.caught();
            None
        }
    }
}

/// The error that a handler called back with.
pub fn from_js(scope: Scope, code: Code, what: &str, thrown: Js) -> Error {
    let error = Error::new(code, what);
    let cause = Cause {
        message: message_of(scope, thrown).unwrap_or_else(|| "unknown".to_owned()),
        code: match scope.type_of(thrown) {
            Ok(ValueType::Object) => scope
                .named(thrown, "code")
                .ok()
                .and_then(|code| scope.string_of(code)),
            _ => None,
        },
    };
    scope.caught();
    error.because(cause.message, cause.code)
}
