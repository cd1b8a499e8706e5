//! `connection` of Redis or Valkey.

use std::path::PathBuf;

use super::super::setting::Setting;
use super::fields::{Fields, field_error};
use super::{Address, Engine, Password, Tls};
use crate::error::Result;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// What the keys of sessions begin with, where nothing says otherwise.
const PREFIX: &str = "node-session:";
const MOST_DATABASES: u64 = 1 << 20;

/// Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Which servers.
    pub topology: Topology,
    /// Field `user`. Default: none, which is Redis's user `default`.
    pub user: Option<String>,
    /// Field `password`. Default: none.
    pub password: Option<Password>,
    /// Field `db`: the number of the database. Default: 0; a cluster has no other.
    pub database: u32,
    /// Field `ssl`. Default: not encrypted.
    pub tls: Option<Tls>,
    /// Field `prefix`: what the key of a session begins with, before its id. Default: `node-session:`.
    pub prefix: String,
}

/// How many servers there are, and which of them has the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One: fields `host` (default 127.0.0.1) and `port` (default 6379), or `path`, a socket.
    Single(Address),
    /// A cluster: field `nodes`, of which some must answer.
    Cluster(Vec<Address>),
    /// The primary that the sentinels in field `sentinels` know by the `name`. Default of `name`: `mymaster`.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Address>,
        /// What they call the primary.
        name: String,
        /// Field `sentinelPassword`. Default: none.
        password: Option<Password>,
    },
}

const KNOWN: [&str; 14] = [
    "adapter",
    "url",
    "host",
    "port",
    "path",
    "user",
    "password",
    "db",
    "prefix",
    "ssl",
    "nodes",
    "sentinels",
    "name",
    "sentinelPassword",
];
/// Other names of the same, and what Waterline knew besides.
const IGNORED: [&str; 5] = ["username", "tls", "database", "schema", "migrate"];

impl Redis {
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        fields.only(Engine::Redis, &KNOWN, &IGNORED)?;
        fields.only_switch("schema", "Redis has none, `prefix` keeps sessions apart")?;
        let topology = topology(fields)?;
        let database = fields.number(&["db", "database"], 0, MOST_DATABASES)?;
        if database.is_some_and(|number| number > 0) && matches!(topology, Topology::Cluster(_)) {
            return Err(field_error("db", "0 for a cluster, which has no other"));
        }
        let prefix = match fields.get("prefix") {
            Setting::Undefined | Setting::Null => PREFIX.to_owned(),
            Setting::Text(prefix) => prefix.clone(),
            _ => return Err(field_error("prefix", "a text")),
        };
        Ok(Self {
            topology,
            user: fields.text(&["user", "username"])?,
            password: fields.password(&["password"])?,
            database: database.map_or(0, |number| u32::try_from(number).unwrap_or(0)),
            tls: Tls::parse(fields)?,
            prefix,
        })
    }
}

fn topology(fields: &Fields) -> Result<Topology> {
    let nodes = addresses(fields, "nodes", PORT)?;
    let sentinels = addresses(fields, "sentinels", SENTINEL_PORT)?;
    if let Some(sentinels) = sentinels {
        let others = ["nodes", "host", "port", "path"];
        fields.none_of(&others, "where `sentinels` is given")?;
        let name = fields.text(&["name"])?;
        return Ok(Topology::Sentinel {
            sentinels,
            name: name.unwrap_or_else(|| "mymaster".to_owned()),
            password: fields.password(&["sentinelPassword"])?,
        });
    }
    fields.none_of(
        &["name", "sentinelPassword"],
        "where no `sentinels` are given",
    )?;
    if let Some(nodes) = nodes {
        fields.none_of(&["host", "port", "path"], "where `nodes` is given")?;
        return Ok(Topology::Cluster(nodes));
    }
    Ok(Topology::Single(match fields.text(&["path"])? {
        Some(path) => {
            let others = ["host", "port", "ssl", "tls"];
            fields.none_of(&others, "where `path` is given")?;
            Address::Socket(PathBuf::from(path), 0)
        }
        None => fields.tcp(PORT)?,
    }))
}

/// A list of servers: `{host, port}` objects, `'host:port'` texts or URLs.
fn addresses(fields: &Fields, name: &str, port: u16) -> Result<Option<Vec<Address>>> {
    let refused = || {
        let allowed =
            "a list of servers, each {host, port}, 'host:port' or a URL, with one at least";
        field_error(name, allowed)
    };
    let list = match fields.get(name) {
        Setting::Undefined | Setting::Null => return Ok(None),
        Setting::List(list) if !list.is_empty() => list,
        _ => return Err(refused()),
    };
    let given = |server: &Setting| match server {
        Setting::Map(members) => Fields::of_object(members),
        Setting::Text(text) if text.contains("://") => Fields::of_url(text),
        Setting::Text(text) => Fields::of_url(&format!("redis://{text}")),
        _ => Err(refused()),
    };
    let mut addresses = Vec::new();
    for server in list {
        let fields = given(server).map_err(|_| refused())?;
        // What is said of one server alone would be lost: a password, or that it is encrypted.
        if !fields.has_only(&["adapter", "host", "port"]) {
            let allowed = "a list of hosts and ports: `user`, `password` and `ssl` stand beside it, for all of them";
            return Err(field_error(name, allowed));
        }
        addresses.push(fields.tcp(port).map_err(|_| refused())?);
    }
    Ok(Some(addresses))
}
