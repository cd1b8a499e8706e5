//! The options that say where sessions are kept: `driver`, `files`, `connection` and `table`.
//!
//! Makes names and paths of them; opens none.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::setting::{Options, Setting};
use crate::error::{Code, Error, Result};

/// Most characters of one part of a table's name: what the shortest-winded engine, PostgreSQL, keeps.
const MAX_IDENTIFIER: usize = 63;

/// What the `database` driver needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The SQLite file, absolute. Default: the folder of option `files`, with `.sqlite` appended to its name.
    pub filename: PathBuf,
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
        })
    }

    /// The schema, where one is given.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
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

/// Option `driver`; what JavaScript takes for false is the default.
pub(super) fn driver(options: &Options) -> Result<String> {
    match options.get("driver") {
        Setting::Text(name) if !name.is_empty() => Ok(name.clone()),
        given if given.is_falsy() => Ok("file".to_owned()),
        _ => Err(Error::config("driver", "the name of a driver")),
    }
}

/// Whether a driver's name is the `database` driver's. Compat: its first letter may be either case.
pub(super) fn is_database(driver: &str) -> bool {
    matches!(driver, "database" | "Database")
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
    pub(super) fn parse(options: &Options, files: &Path, working_directory: &Path) -> Result<Self> {
        let filename = match connection(options)? {
            Some(filename) => absolute(filename, working_directory),
            None => beside(files),
        };
        let table = match options.get("table") {
            Setting::Undefined => TableName::parse("sessions"),
            Setting::Text(name) => TableName::parse(name),
            _ => None,
        };
        let allowed = "a table's name, [schema.]name, each part a letter or _ and then up to 62 letters, digits, _ or $";
        let table = table.ok_or_else(|| Error::config("table", allowed))?;
        Ok(Self { filename, table })
    }
}

/// Option `connection`: the file that it names, if it does.
fn connection<'a>(options: &Options<'a>) -> Result<Option<&'a str>> {
    let fields = match options.get("connection") {
        given if given.is_falsy() => return Ok(None),
        Setting::Map(fields) => fields,
        _ => {
            let allowed =
                "false or an object such as {adapter: 'sqlite', filename: 'sessions.sqlite'}";
            return Err(Error::config("connection", allowed));
        }
    };
    let members = Options::new(fields);
    if !matches!(members.get("adapter"), Setting::Text(adapter) if adapter == "sqlite") {
        let allowed = "'sqlite', the one adapter that is supported";
        return Err(Error::config("connection.adapter", allowed));
    }
    let known = |field: &str| matches!(field, "adapter" | "filename");
    if let Some((field, _)) = fields.iter().find(|(field, _)| !known(field)) {
        let message = format!(
            "option `connection` has no field `{field}` for the adapter 'sqlite': it knows `adapter` and `filename`"
        );
        return Err(Error::new(Code::Config, message));
    }
    match members.get("filename") {
        Setting::Undefined | Setting::Null => Ok(None),
        Setting::Text(path) if is_path(path) && !path.is_empty() && path != ":memory:" => {
            Ok(Some(path))
        }
        _ => Err(Error::config("connection.filename", "the path of a file")),
    }
}

fn is_path(text: &str) -> bool {
    !text.contains('\0')
}

/// The path from the working directory, without a trailing slash or `.` in between.
fn absolute(path: &str, working_directory: &Path) -> PathBuf {
    working_directory.join(path).components().collect()
}

/// The default database: a neighbour of the folder of session files.
fn beside(files: &Path) -> PathBuf {
    let mut filename = files.as_os_str().to_owned();
    filename.push(".sqlite");
    filename.into()
}
