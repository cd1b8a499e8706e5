//! The options object of a NodeSession, as plain settings.

use napi::ValueType;

use super::js::{Js, Scope};
use crate::config::Setting;
use crate::session::Thrown;

/// How deep options may nest; the deepest that mean something are fields of `connection`.
const MAX_DEPTH: usize = 4;

/// The own, enumerable members of an options object; none of anything that is no object.
pub fn members(scope: Scope, options: Js) -> Result<Vec<(String, Setting)>, Thrown> {
    members_at(scope, options, MAX_DEPTH)
}

fn members_at(scope: Scope, object: Js, depth: usize) -> Result<Vec<(String, Setting)>, Thrown> {
    if scope.type_of(object)? != ValueType::Object {
        return Ok(Vec::new());
    }
    let keys = scope.keys(object)?;
    let mut members = Vec::new();
    for index in 0..scope.length(keys)? {
        let key = scope.element(keys, index)?;
        let value = scope.get(object, key)?;
        if let Some(name) = scope.string_of(key) {
            members.push((name, setting(scope, value, depth)?));
        }
    }
    Ok(members)
}

fn setting(scope: Scope, value: Js, depth: usize) -> Result<Setting, Thrown> {
    Ok(match scope.type_of(value)? {
        ValueType::Null => Setting::Null,
        ValueType::Boolean => Setting::Bool(scope.boolean_of(value).unwrap_or_default()),
        ValueType::Number => Setting::Number(scope.number_of(value).unwrap_or(f64::NAN)),
        ValueType::String => Setting::Text(scope.string_of(value).unwrap_or_default()),
        ValueType::Function => Setting::Function,
        ValueType::Object if depth > 0 => object(scope, value, depth - 1)?,
        _ => Setting::Undefined,
    })
}

fn object(scope: Scope, value: Js, depth: usize) -> Result<Setting, Thrown> {
    if scope.is_array(value)? {
        let length = scope.length(value)?;
        let element = |index| setting(scope, scope.element(value, index)?, depth);
        return (0..length)
            .map(element)
            .collect::<Result<_, _>>()
            .map(Setting::List);
    }
    Ok(match scope.bytes_of(value)? {
        Some(bytes) => Setting::Bytes(bytes),
        None => Setting::Map(members_at(scope, value, depth)?),
    })
}
