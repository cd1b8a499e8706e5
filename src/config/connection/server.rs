//! `connection` of an SQL server: PostgreSQL, MySQL or MariaDB.

use std::path::PathBuf;

use super::super::setting::Setting;
use super::fields::{Fields, field_error};
use super::{Address, Engine, Password, Tls};
use crate::error::Result;

/// Connections that one NodeSession keeps open, where nothing says otherwise.
const POOL: usize = 10;
const MOST_CONNECTIONS: u64 = 1_000;

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Fields `host` (default 127.0.0.1) and `port` (default 5432 or 3306), or `socketPath`.
    pub address: Address,
    /// Field `user`. Default: `postgres`, or `root` for MySQL.
    pub user: String,
    /// Field `password`. Default: none.
    pub password: Option<Password>,
    /// Field `database`. Default: the user's name for PostgreSQL; MySQL needs one.
    pub database: String,
    /// Field `schema`, of PostgreSQL: where the table is that option `table` names without one. Default: the server's choice.
    pub schema: Option<String>,
    /// Field `ssl`. Default: not encrypted.
    pub tls: Option<Tls>,
    /// Field `poolSize` (or `connectionLimit`): most connections that are open at a time, 1 to 1,000. Default: 10.
    pub pool_size: usize,
}

const KNOWN: [&str; 10] = [
    "adapter",
    "url",
    "host",
    "port",
    "user",
    "password",
    "database",
    "ssl",
    "poolSize",
    "socketPath",
];
/// Other names of the same, and what Waterline's adapters knew besides.
const IGNORED: [&str; 7] = [
    "username",
    "tls",
    "sslmode",
    "connectionLimit",
    "pool",
    "schema",
    "migrate",
];
/// What Waterline's adapter for MySQL handed on to its client.
const IGNORED_BY_MYSQL: [&str; 5] = [
    "charset",
    "collation",
    "timezone",
    "supportBigNumbers",
    "debug",
];

impl Server {
    pub(super) fn parse(fields: &Fields, engine: Engine) -> Result<Self> {
        let mut ignored = IGNORED.to_vec();
        if engine == Engine::MySql {
            ignored.extend(IGNORED_BY_MYSQL);
        }
        fields.only(engine, &KNOWN, &ignored)?;
        fields.only_switch("pool", "`poolSize` says how many connections there may be")?;
        let (port, usual_user) = match engine {
            Engine::MySql => (3306, "root"),
            _ => (5432, "postgres"),
        };
        let user = fields.text(&["user", "username"])?;
        let user = user.unwrap_or_else(|| usual_user.to_owned());
        let database = match (fields.text(&["database"])?, engine) {
            (Some(name), _) => name,
            (None, Engine::MySql) => return Err(field_error("database", "the name of a database")),
            (None, _) => user.clone(),
        };
        let pool = fields.number(&["poolSize", "connectionLimit"], 1, MOST_CONNECTIONS)?;
        Ok(Self {
            address: address(fields, port)?,
            database,
            user,
            password: fields.password(&["password"])?,
            schema: schema(fields, engine)?,
            tls: Tls::parse(fields)?,
            pool_size: pool.map_or(POOL, |size| usize::try_from(size).unwrap_or(POOL)),
        })
    }
}

/// A schema by name; as a switch the field was for Waterline alone.
fn schema(fields: &Fields, engine: Engine) -> Result<Option<String>> {
    match (engine, fields.get("schema")) {
        (_, Setting::Bool(_)) => Ok(None),
        (Engine::Postgres, _) => fields.text(&["schema"]),
        _ => {
            fields.only_switch("schema", "`database` says where the table is")?;
            Ok(None)
        }
    }
}

/// A host that is a path names the folder of a socket, as PostgreSQL's own programs have it.
fn address(fields: &Fields, port: u16) -> Result<Address> {
    let host = fields.text(&["host"])?.filter(|host| host.starts_with('/'));
    match fields.text(&["socketPath"])?.or(host) {
        Some(path) => Ok(Address::Socket(PathBuf::from(path), fields.port(port)?)),
        None => fields.tcp(port),
    }
}
