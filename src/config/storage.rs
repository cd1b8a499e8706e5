//! The options that say where sessions are kept: `driver`, `files`, `connection` and `table`.
//!
//! Makes names and paths of them; opens none.

use std::fmt;
use std::path::{Path, PathBuf};

use super::connection::{Connection, Engine, implied_driver};
use super::setting::{Options, Setting};
use crate::error::{Error, Result};

/// Most characters of one part of a table's name: what the shortest-winded engine, PostgreSQL, keeps.
const MAX_IDENTIFIER: usize = 63;

/// What the drivers `database` and `redis` need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Option `connection`. Default: an SQLite file, or Redis on this machine.
    pub connection: Connection,
    /// The table of sessions. Default: `sessions`.
    pub table: TableName,
}

/// The name of a table, with or without the schema it is in.
///
/// Shape of each part: a letter or `_`, then up to 62 letters, digits, `_` and `$`, all ASCII. A statement still has to
/// quote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    name: String,
    has_to_exist: bool,
}

impl TableName {
    /// Returns `None` unless `text` is a name or a schema, a dot and a name.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        let valid = schema.is_none_or(is_identifier) && is_identifier(name);
        valid.then(|| Self {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            has_to_exist: false,
        })
    }

    /// The same table in the schema that `connection` names.
    fn within(self, schema: &str) -> Result<Self> {
        let is_other = self.schema.as_deref().is_some_and(|own| own != schema);
        if is_other || !is_identifier(schema) {
            let allowed = "the name of a schema, and none but that which option `table` may have";
            return Err(Error::config("connection.schema", allowed));
        }
        Ok(Self {
            schema: Some(schema.to_owned()),
            ..self
        })
    }

    /// The schema, where one is given.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Whether it is an error that there is none: no table is made then. Default: no.
    pub fn has_to_exist(&self) -> bool {
        self.has_to_exist
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let later = |b: u8| first(b) || b.is_ascii_digit() || b == b'$';
    text.len() <= MAX_IDENTIFIER
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(later)
}

/// Option `driver`; with what JavaScript takes for false it follows from `connection`.
pub(super) fn driver(options: &Options) -> Result<String> {
    match options.get("driver") {
        Setting::Text(name) if !name.is_empty() => Ok(name.clone()),
        given if given.is_falsy() => {
            let implied = implied_driver(options.get("connection"));
            Ok(implied.unwrap_or("file").to_owned())
        }
        _ => Err(Error::config("driver", "the name of a driver")),
    }
}

/// The engine that a driver of that name has where option `connection` names none; `None` for drivers that need no
/// connection. Compat: the first letter may be either case.
pub(super) fn engine_of(driver: &str) -> Option<Engine> {
    match driver {
        "database" | "Database" => Some(Engine::Sqlite),
        "redis" | "Redis" => Some(Engine::Redis),
        _ => None,
    }
}

/// Option `files`.
pub(super) fn files(options: &Options, working_directory: &Path) -> Result<PathBuf> {
    match options.get("files") {
        Setting::Text(path) if is_path(path) => Ok(absolute(path, working_directory)),
        Setting::Undefined | Setting::Null | Setting::Bool(false) => {
            Ok(absolute("sessions", working_directory))
        }
        _ => Err(Error::config("files", "the path of a folder")),
    }
}

impl Database {
    /// Options `connection`, `table` and `createTable`, for a driver of that name.
    pub(super) fn parse(
        options: &Options,
        driver: &str,
        files: &Path,
        working_directory: &Path,
    ) -> Result<Self> {
        let usual = engine_of(driver).unwrap_or(Engine::Sqlite);
        let connection = Connection::parse(options, usual, files, working_directory)?;
        let table = match options.get("table") {
            Setting::Undefined => TableName::parse("sessions"),
            Setting::Text(name) => TableName::parse(name),
            _ => None,
        };
        let allowed = "a table's name, [schema.]name, each part a letter or _ and then up to 62 letters, digits, _ or $";
        let mut table = table.ok_or_else(|| Error::config("table", allowed))?;
        if let Some(schema) = connection.schema() {
            table = table.within(schema)?;
        }
        table.has_to_exist = !options.switch("createTable", true)?;
        Ok(Self { connection, table })
    }
}

pub(super) fn is_path(text: &str) -> bool {
    !text.contains('\0')
}

/// The path from the working directory, without a trailing slash or `.` in between.
pub(super) fn absolute(path: &str, working_directory: &Path) -> PathBuf {
    working_directory.join(path).components().collect()
}
