//! The live half of the attributes, in V8.

use std::sync::Arc;

use napi::ValueType;

use super::js::{Js, Scope};
use super::registry::Realm;
use crate::session::{Kind, Live, Thrown, integer_text, string_text};

/// What every object inherits.
const INHERITED: [&str; 12] = [
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
];

/// The live object of one session, for the time of one call.
#[derive(Clone, Copy, Debug)]
pub struct JsLive<'r> {
    /// The environment of the call.
    pub scope: Scope,
    /// `JSON.parse` and `JSON.stringify` of the application's realm.
    pub realm: &'r Realm,
    /// The object that holds the live attributes.
    pub root: Js,
}

impl Live for JsLive<'_> {
    type Value = Js;

    fn root(&self) -> Js {
        self.root
    }

    fn parse(&self, text: &str) -> Result<Js, Thrown> {
        match text {
            "null" => self.scope.null(),
            "true" => self.scope.boolean(true),
            "false" => self.scope.boolean(false),
            _ => {
                let text = self.scope.string(text)?;
                self.scope.call(self.realm.parse.get()?, &[text])
            }
        }
    }

    fn string(&self, text: &str) -> Result<Js, Thrown> {
        self.scope.string(text)
    }

    fn number(&self, number: f64) -> Result<Js, Thrown> {
        self.scope.number(number)
    }

    fn kind(&self, value: &Js) -> Result<Kind, Thrown> {
        Ok(match self.scope.type_of(*value)? {
            ValueType::Undefined => Kind::Undefined,
            ValueType::Null => Kind::Null,
            ValueType::Object if self.scope.is_array(*value)? => Kind::Array,
            ValueType::Object | ValueType::Function | ValueType::External => Kind::Object,
            _ => Kind::Primitive,
        })
    }

    fn own(&self, of: &Js, name: &str) -> Result<Option<Js>, Thrown> {
        let key = self.scope.string(name)?;
        match self.scope.has_own(*of, key)? {
            true => self.scope.get(*of, key).map(Some),
            false => Ok(None),
        }
    }

    fn define(&self, on: &Js, name: &str, value: &Js) -> Result<(), Thrown> {
        let key = self.scope.string(name)?;
        // Assigning to any other name makes an own property. These stand on every object's prototype, where `__proto__` is a
        // setter, and the others may be frozen.
        match INHERITED.contains(&name) {
            true => self.scope.define(*on, key, *value),
            false => self.scope.set(*on, key, *value),
        }
    }

    fn define_quoted(&self, on: &Js, quoted: &str, value: &Js) -> Result<(), Thrown> {
        let key = self.parse(quoted)?;
        self.scope.define(*on, key, *value)
    }

    fn delete(&self, on: &Js, name: &str) -> Result<(), Thrown> {
        self.scope.delete(*on, self.scope.string(name)?)
    }

    fn object(&self) -> Result<Js, Thrown> {
        self.scope.object()
    }

    fn array(&self) -> Result<Js, Thrown> {
        self.scope.array()
    }

    fn length(&self, array: &Js) -> Result<u32, Thrown> {
        self.scope.length(*array)
    }

    fn number_of(&self, value: &Js) -> Result<Option<f64>, Thrown> {
        Ok(self.scope.number_of(*value))
    }

    fn text_of(&self, value: &Js) -> Option<Arc<str>> {
        match self.scope.type_of(*value).ok()? {
            ValueType::Null => Some("null".into()),
            ValueType::Boolean => self
                .scope
                .boolean_of(*value)
                .map(|value| if value { "true" } else { "false" }.into()),
            ValueType::Number => self.scope.number_of(*value).and_then(integer_text),
            // A long string is copied once, by `JSON.stringify`.
            ValueType::String => {
                let short = self.scope.short_text(*value)??;
                string_text(short.as_str())
            }
            _ => None,
        }
    }

    fn refuse(&self, message: &str) -> Thrown {
        self.scope.throw_type_error(message);
        Thrown
    }

    fn stringify(&self, value: &Js) -> Result<Option<String>, Thrown> {
        let text = self.scope.call(self.realm.stringify.get()?, &[*value])?;
        Ok(self.scope.string_of(text))
    }
}
