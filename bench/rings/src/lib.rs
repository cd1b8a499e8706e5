//! What the benchmarks of the pure rings share: the texts of the workloads in `bench/workloads.js`, and a JavaScript that has
//! strings and numbers only.

use std::cell::RefCell;
use std::process::Command;
use std::sync::Arc;

use node_session::session::{Kind, Live, Thrown, integer_text, string_text};

/// A CSRF token, as every stored session has one.
pub const TOKEN: &str = "qB0YEYcsunIDo4JS0464lp5N2mAjNUg7mHGalVK4";

/// The stored text of a session that has the attributes which `bench/workloads.js` calls `name`: `SMALL`, 1.3 kB of them, or
/// `LARGE`, 50 kB.
///
/// # Panics
///
/// Without Node.js.
pub fn stored(name: &str) -> Arc<str> {
    let workloads = concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads.js");
    let attributes = format!("{{ _token: '{TOKEN}', ...require({workloads:?}).{name} }}");
    let whole = format!("{{ ...{attributes}, flash: {{ old: [], new: [] }} }}");
    let printed = Command::new("node")
        .args(["-p", &format!("JSON.stringify({whole})")])
        .output()
        .expect("the texts of the workloads are made by Node.js");
    assert!(printed.status.success(), "bench/workloads.js has no {name}");
    let text = String::from_utf8(printed.stdout).expect("Node.js prints UTF-8");
    Arc::from(text.trim_end())
}

/// A value: `undefined`, a string, a number, or the live object.
#[derive(Clone, Debug)]
pub enum Value {
    /// `undefined`.
    Undefined,
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// The live object.
    Root,
}

/// The live object of one session, and nothing else of JavaScript.
#[derive(Debug, Default)]
pub struct Scalars(RefCell<Vec<(String, Value)>>);

impl Live for Scalars {
    type Value = Value;

    fn root(&self) -> Value {
        Value::Root
    }

    fn parse(&self, text: &str) -> Result<Value, Thrown> {
        let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        match quoted {
            Some(inner) => self.string(inner),
            None => text.parse().map(Value::Number).map_err(|_| Thrown),
        }
    }

    fn string(&self, text: &str) -> Result<Value, Thrown> {
        Ok(Value::Text(text.to_owned()))
    }

    fn number(&self, number: f64) -> Result<Value, Thrown> {
        Ok(Value::Number(number))
    }

    fn kind(&self, value: &Value) -> Result<Kind, Thrown> {
        Ok(match value {
            Value::Undefined => Kind::Undefined,
            Value::Text(_) | Value::Number(_) => Kind::Primitive,
            Value::Root => Kind::Object,
        })
    }

    fn own(&self, of: &Value, name: &str) -> Result<Option<Value>, Thrown> {
        let members = self.0.borrow();
        let member = members.iter().find(|(key, _)| key == name);
        Ok(member
            .filter(|_| matches!(of, Value::Root))
            .map(|(_, value)| value.clone()))
    }

    fn define(&self, on: &Value, name: &str, value: &Value) -> Result<(), Thrown> {
        if !matches!(on, Value::Root) {
            return Err(Thrown);
        }
        let mut members = self.0.borrow_mut();
        match members.iter_mut().find(|(key, _)| key == name) {
            Some(member) => member.1 = value.clone(),
            None => members.push((name.to_owned(), value.clone())),
        }
        Ok(())
    }

    fn define_quoted(&self, on: &Value, quoted: &str, value: &Value) -> Result<(), Thrown> {
        self.define(on, quoted.trim_matches('"'), value)
    }

    fn delete(&self, _on: &Value, name: &str) -> Result<(), Thrown> {
        self.0.borrow_mut().retain(|(key, _)| key != name);
        Ok(())
    }

    fn object(&self) -> Result<Value, Thrown> {
        Err(Thrown)
    }

    fn array(&self) -> Result<Value, Thrown> {
        Err(Thrown)
    }

    fn length(&self, _array: &Value) -> Result<u32, Thrown> {
        Err(Thrown)
    }

    fn number_of(&self, value: &Value) -> Result<Option<f64>, Thrown> {
        Ok(match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    fn text_of(&self, value: &Value) -> Option<Arc<str>> {
        match value {
            Value::Text(text) => string_text(text),
            Value::Number(number) => integer_text(*number),
            Value::Undefined | Value::Root => None,
        }
    }

    fn refuse(&self, _message: &str) -> Thrown {
        Thrown
    }

    fn stringify(&self, value: &Value) -> Result<Option<String>, Thrown> {
        match value {
            Value::Undefined => Ok(None),
            // No string in these benchmarks needs an escape.
            Value::Text(text) => Ok(Some(format!("\"{text}\""))),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Root => {
                let mut members = Vec::new();
                for (key, value) in self.0.borrow().iter() {
                    let text = self.stringify(value)?;
                    members.extend(text.map(|text| format!("\"{key}\":{text}")));
                }
                Ok(Some(format!("{{{}}}", members.join(","))))
            }
        }
    }
}
