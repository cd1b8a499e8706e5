//! Settings: the values of options as JavaScript gave them, and the readings that several options share.
//!
//! Knows what a number or a switch may look like, not what any one option means.

use std::fmt;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// The value of an option, as JavaScript gave it.
#[derive(Clone, PartialEq)]
pub enum Setting {
    /// `undefined`: as if the option were not there.
    Undefined,
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, `NaN` and the infinities included.
    Number(f64),
    /// A string.
    Text(String),
    /// A `Buffer` or another view of bytes.
    Bytes(Vec<u8>),
    /// An array; a hole in it is `Undefined`.
    List(Vec<Setting>),
    /// Any other object: its own members.
    Map(Vec<(String, Setting)>),
    /// A function.
    Function,
}

impl Setting {
    /// Whether JavaScript takes the value for false.
    pub fn is_falsy(&self) -> bool {
        match self {
            Setting::Undefined | Setting::Null => true,
            Setting::Bool(value) => !value,
            Setting::Number(value) => *value == 0.0 || value.is_nan(),
            Setting::Text(text) => text.is_empty(),
            Setting::Bytes(_) | Setting::List(_) | Setting::Map(_) | Setting::Function => false,
        }
    }

    /// A finite number, also one written as text, the way it comes from the environment.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match self {
            Setting::Number(number) => *number,
            Setting::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// A number without a fraction, 0 or more.
    pub(super) fn whole(&self) -> Option<u64> {
        let number = self.number()?;
        (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
    }
}

/// Shows the kind only: a setting may be a secret.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setting::Undefined => "undefined",
            Setting::Null => "null",
            Setting::Bool(_) => "boolean",
            Setting::Number(_) => "number",
            Setting::Text(_) => "string",
            Setting::Bytes(_) => "bytes",
            Setting::List(_) => "list",
            Setting::Map(_) => "object",
            Setting::Function => "function",
        })
    }
}

/// The options by name.
pub(super) struct Options<'a>(&'a [(String, Setting)]);

impl<'a> Options<'a> {
    pub(super) fn new(options: &'a [(String, Setting)]) -> Self {
        Self(options)
    }

    /// The value of an option; `Undefined` where it is not given.
    pub(super) fn get(&self, name: &str) -> &'a Setting {
        let found = self.0.iter().rev().find(|(given, _)| given == name);
        found.map_or(&Setting::Undefined, |(_, value)| value)
    }

    /// A switch of the original's, which goes by what JavaScript takes for true: `secure: 1` stays an option.
    pub(super) fn truth(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            Setting::Undefined => Ok(default),
            Setting::Bytes(_) | Setting::List(_) | Setting::Map(_) | Setting::Function => {
                Err(Error::config(name, "true or false"))
            }
            given => Ok(!given.is_falsy()),
        }
    }

    /// A switch that the original does not have.
    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            Setting::Undefined | Setting::Null => Ok(default),
            Setting::Bool(value) => Ok(*value),
            _ => Err(Error::config(name, "true or false")),
        }
    }

    /// A count within bounds, of an option that the original does not have.
    pub(super) fn count(
        &self,
        name: &str,
        default: usize,
        bounds: RangeInclusive<u64>,
    ) -> Result<usize> {
        let given = match self.get(name) {
            Setting::Undefined | Setting::Null => return Ok(default),
            given => given.whole().filter(|count| bounds.contains(count)),
        };
        let allowed = || match (bounds.start(), bounds.end()) {
            (least, &u64::MAX) => format!("a whole number, {least} or more"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        let count = given.ok_or_else(|| Error::config(name, allowed()))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
