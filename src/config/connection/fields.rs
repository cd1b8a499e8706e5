//! The fields of `connection`, and the readings that several of them share.

use super::super::setting::{Options, Setting};
use super::{Address, Engine, Password, url};
use crate::error::{Code, Error, Result};

/// The fields by name, as the object or the URL gave them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, Setting)>);

impl Fields {
    /// The fields that a URL stands for.
    pub(super) fn of_url(address: &str) -> Result<Self> {
        url::fields(address, "connection").map(Self)
    }

    /// An object's own members, over those of the URL that it may have.
    pub(super) fn of_object(members: &[(String, Setting)]) -> Result<Self> {
        let given = Options::new(members);
        let mut fields = match given.get("url") {
            Setting::Undefined | Setting::Null => Vec::new(),
            Setting::Text(address) => url::fields(address, "connection.url")?,
            _ => {
                let allowed = "a URL such as 'postgres://user:password@host/database'";
                return Err(Error::config("connection.url", allowed));
            }
        };
        let is_given = |value: &Setting| !matches!(value, Setting::Undefined);
        let others = members
            .iter()
            .filter(|(name, value)| name != "url" && is_given(value));
        for (name, value) in others {
            // The same word as in a URL, so that the object's is found.
            let name = match name.as_str() {
                "username" => "user",
                "tls" => "ssl",
                name => name,
            };
            fields.push((name.to_owned(), value.clone()));
        }
        Ok(Self(fields))
    }

    /// The value of a field; `Undefined` where it is not given.
    pub(super) fn get(&self, name: &str) -> &Setting {
        Options::new(&self.0).get(name)
    }

    /// The first of several names of one field that is given, and its value.
    fn first<'n>(&self, names: &[&'n str]) -> (&'n str, &Setting) {
        let given = |name: &&&str| !matches!(self.get(name), Setting::Undefined | Setting::Null);
        let name = names.iter().find(given).or(names.first()).copied();
        let name = name.unwrap_or_default();
        (name, self.get(name))
    }

    /// Refuses fields that mean nothing to an engine. `ignored` ones are let through: Waterline adapters had them.
    pub(super) fn only(&self, engine: Engine, known: &[&str], ignored: &[&str]) -> Result<()> {
        let means_nothing = |name: &str| !known.contains(&name) && !ignored.contains(&name);
        let Some((field, _)) = self.0.iter().find(|(name, _)| means_nothing(name)) else {
            return Ok(());
        };
        let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let (last, others) = known
            .split_last()
            .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
        let message = format!(
            "option `connection` has no field `{field}` for the adapter '{}': it knows {} and {last}",
            engine.name(),
            others.join(", ")
        );
        Err(Error::new(Code::Config, message))
    }

    /// Whether a field has a value.
    fn is_given(&self, name: &str) -> bool {
        !matches!(self.get(name), Setting::Undefined | Setting::Null)
    }

    /// Refuses fields that say nothing where another one is given, or is not: whoever gives them expects something of them.
    pub(super) fn none_of(&self, names: &[&str], when: &str) -> Result<()> {
        match names.iter().find(|name| self.is_given(name)) {
            Some(name) => Err(field_error(name, &format!("left out {when}"))),
            None => Ok(()),
        }
    }

    /// Refuses a switch of Waterline's that is more than a switch. As a switch it was for Waterline alone, and means nothing.
    pub(super) fn only_switch(&self, name: &str, instead: &str) -> Result<()> {
        match self.get(name) {
            Setting::Undefined | Setting::Null | Setting::Bool(_) => Ok(()),
            _ => {
                let allowed = format!("true or false, as Waterline has it: {instead}");
                Err(field_error(name, &allowed))
            }
        }
    }

    /// Whether nothing else is given.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.0
            .iter()
            .all(|(name, _)| names.contains(&name.as_str()))
    }

    /// A text that is not empty.
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>> {
        match self.first(names) {
            (_, Setting::Undefined | Setting::Null) => Ok(None),
            (_, Setting::Text(text)) if !text.is_empty() && !text.contains('\0') => {
                Ok(Some(text.clone()))
            }
            (name, _) => Err(field_error(name, "a text that is not empty")),
        }
    }

    /// A password. The empty one is none, as servers have it.
    pub(super) fn password(&self, names: &[&str]) -> Result<Option<Password>> {
        match self.first(names) {
            (_, Setting::Undefined | Setting::Null) => Ok(None),
            (_, Setting::Text(text)) if text.is_empty() => Ok(None),
            (_, Setting::Text(text)) if !text.contains('\0') => Ok(Some(Password(text.clone()))),
            (name, _) => Err(field_error(name, "a text")),
        }
    }

    /// A whole number within bounds, also one written as text.
    pub(super) fn number(&self, names: &[&str], least: u64, most: u64) -> Result<Option<u64>> {
        match self.first(names) {
            (_, Setting::Undefined | Setting::Null) => Ok(None),
            (name, given) => {
                let number = given.whole().filter(|n| (least..=most).contains(n));
                let allowed = format!("a whole number from {least} to {most}");
                number.map(Some).ok_or_else(|| field_error(name, &allowed))
            }
        }
    }

    pub(super) fn port(&self, usual: u16) -> Result<u16> {
        let port = self.number(&["port"], 1, u64::from(u16::MAX))?;
        Ok(port.map_or(usual, |port| u16::try_from(port).unwrap_or(usual)))
    }

    /// Fields `host` and `port`.
    pub(super) fn tcp(&self, usual_port: u16) -> Result<Address> {
        let host = self.text(&["host"])?;
        let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
        Ok(Address::Tcp(host, self.port(usual_port)?))
    }
}

/// A field that cannot be used.
pub(super) fn field_error(name: &str, allowed: &str) -> Error {
    Error::config(&format!("connection.{name}"), allowed)
}
