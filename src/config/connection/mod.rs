//! Option `connection`: which database keeps the sessions, and how to reach it.
//!
//! Makes addresses and credentials of it; opens nothing. A URL is taken apart into the fields that an object has
//! (`url.rs`), so each field is checked once.

mod fields;
mod redis;
mod server;
mod tls;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};

use self::fields::Fields;
use super::setting::{Options, Setting};
use super::storage::{absolute, is_path};
use crate::error::{Error, Result};

pub use self::redis::{Redis, Topology};
pub use self::server::Server;
pub use self::tls::Tls;

/// A database, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An SQLite file, absolute. Default: the folder of option `files`, with `.sqlite` appended to its name.
    Sqlite(PathBuf),
    /// Redis or Valkey: one server, a cluster, or what its sentinels name.
    Redis(Redis),
    /// PostgreSQL.
    Postgres(Server),
    /// MySQL or MariaDB.
    MySql(Server),
}

/// The engines behind [`Connection`], with the names that `connection.adapter` has for each. The first is the one that
/// messages use; the others are those of the Waterline adapters that node-session was used with.
const ADAPTERS: [(Engine, &[&str]); 4] = [
    (Engine::Sqlite, &["sqlite"]),
    (Engine::Redis, &["redis", "valkey", "sails-redis"]),
    (
        Engine::Postgres,
        &["postgres", "postgresql", "sails-postgresql"],
    ),
    (Engine::MySql, &["mysql", "mariadb", "sails-mysql"]),
];

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// Redis or Valkey.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
}

impl Engine {
    /// The engine that `connection.adapter` calls so.
    pub fn named(adapter: &str) -> Option<Self> {
        let of = |(engine, names): &(Engine, &[&str])| names.contains(&adapter).then_some(*engine);
        ADAPTERS.iter().find_map(of)
    }

    /// Every name that `connection.adapter` may have.
    pub fn adapters() -> impl Iterator<Item = &'static str> {
        ADAPTERS.iter().flat_map(|(_, names)| names.iter().copied())
    }

    /// What messages call it.
    fn name(self) -> &'static str {
        let found = ADAPTERS.iter().find(|(engine, _)| *engine == self);
        found.map_or("", |(_, names)| names[0])
    }
}

impl Connection {
    /// Whose it is.
    pub fn engine(&self) -> Engine {
        match self {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Redis(_) => Engine::Redis,
            Connection::Postgres(_) => Engine::Postgres,
            Connection::MySql(_) => Engine::MySql,
        }
    }

    /// How it is encrypted.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Connection::Sqlite(_) => None,
            Connection::Redis(redis) => redis.tls.as_ref(),
            Connection::Postgres(server) | Connection::MySql(server) => server.tls.as_ref(),
        }
    }

    /// The schema that the table is in, where it names one.
    pub(super) fn schema(&self) -> Option<&str> {
        match self {
            Connection::Sqlite(_) | Connection::Redis(_) => None,
            Connection::Postgres(server) | Connection::MySql(server) => server.schema.as_deref(),
        }
    }

    /// Option `connection`, of the engine `usual` where it names none.
    pub(super) fn parse(
        options: &Options,
        usual: Engine,
        files: &Path,
        working_directory: &Path,
    ) -> Result<Self> {
        let given = options.get("connection");
        let fields = match given {
            given if given.is_falsy() => Fields::default(),
            Setting::Text(address) => Fields::of_url(address)?,
            Setting::Map(members) => Fields::of_object(members)?,
            _ => {
                let allowed = "false, a URL such as 'postgres://user:password@host/database', or an object such as \
                               {adapter: 'sqlite', filename: 'sessions.sqlite'}";
                return Err(Error::config("connection", allowed));
            }
        };
        let engine = match fields.get("adapter") {
            Setting::Undefined if given.is_falsy() => usual,
            adapter => engine_of(adapter, usual)?,
        };
        Ok(match engine {
            Engine::Sqlite => Connection::Sqlite(match filename(&fields)? {
                Some(filename) => absolute(filename, working_directory),
                None => beside(files),
            }),
            Engine::Redis => Connection::Redis(Redis::parse(&fields)?),
            Engine::Postgres => Connection::Postgres(Server::parse(&fields, engine)?),
            Engine::MySql => Connection::MySql(Server::parse(&fields, engine)?),
        })
    }
}

/// The engine that an adapter's name means, where the driver's name means `usual`.
fn engine_of(adapter: &Setting, usual: Engine) -> Result<Engine> {
    let named = match adapter {
        Setting::Undefined if usual == Engine::Redis => Some(usual),
        Setting::Text(adapter) => Engine::named(adapter),
        _ => None,
    };
    let is_driver = |engine: &Engine| usual == Engine::Sqlite || *engine == usual;
    named.filter(is_driver).ok_or_else(|| {
        let allowed = match usual {
            Engine::Redis => "'redis' or 'valkey', with the driver 'redis'",
            _ => {
                "'sqlite', 'redis', 'postgres' or 'mysql' (as with Waterline: 'sails-redis', 'sails-postgresql' or \
                 'sails-mysql')"
            }
        };
        Error::config("connection.adapter", allowed)
    })
}

/// The driver that option `connection` asks for where `driver` names none; nothing where there is no connection.
///
/// Nothing, too, for an adapter of Waterline's: node-session kept sessions in files then, whatever the connection said. What
/// cannot be a connection asks for `database`, which refuses it.
pub fn implied_driver(connection: &Setting) -> Option<&'static str> {
    let fields = match connection {
        given if given.is_falsy() => return None,
        Setting::Text(address) => Fields::of_url(address),
        Setting::Map(members) => Fields::of_object(members),
        _ => return Some("database"),
    };
    match fields.unwrap_or_default().get("adapter") {
        Setting::Text(adapter) => match Engine::named(adapter)? {
            _ if adapter.starts_with("sails-") => None,
            Engine::Redis => Some("redis"),
            _ => Some("database"),
        },
        _ => Some("database"),
    }
}

fn filename(fields: &Fields) -> Result<Option<&str>> {
    fields.only(Engine::Sqlite, &["adapter", "filename"], &[])?;
    match fields.get("filename") {
        Setting::Undefined | Setting::Null => Ok(None),
        Setting::Text(path) if is_path(path) && !path.is_empty() && path != ":memory:" => {
            Ok(Some(path))
        }
        _ => Err(Error::config("connection.filename", "the path of a file")),
    }
}

/// The default database: a neighbour of the folder of session files.
fn beside(files: &Path) -> PathBuf {
    let mut filename = files.as_os_str().to_owned();
    filename.push(".sqlite");
    filename.into()
}

/// Where a server listens.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A host's name or address, and a port.
    Tcp(String, u16),
    /// A Unix domain socket: its path; for PostgreSQL the folder in which it is, and its port.
    Socket(PathBuf, u16),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Socket(path, _) => write!(f, "{}", path.display()),
        }
    }
}

/// A password, which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself, for the server alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}
