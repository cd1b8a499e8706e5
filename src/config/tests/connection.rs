//! What option `connection` may be, and what it then leads to.

use super::*;

/// The connection of a driver of that name.
fn led(driver: &str, connection: Setting) -> Connection {
    let given = [("driver", text(driver)), ("connection", connection)];
    parse(&given).database.unwrap().connection
}

fn refused(driver: &str, connection: Setting) -> String {
    refusal(&[("driver", text(driver)), ("connection", connection)])
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp(host.to_owned(), port)
}

fn server(connection: Connection) -> Server {
    match connection {
        Connection::Postgres(server) | Connection::MySql(server) => server,
        other => panic!("{other:?} is no SQL server"),
    }
}

fn redis(connection: Connection) -> Redis {
    match connection {
        Connection::Redis(redis) => redis,
        other => panic!("{other:?} is no Redis"),
    }
}

#[test]
fn a_connection_may_be_an_sqlite_file() {
    let sqlite = |filename| map([("adapter", text("sqlite")), ("filename", filename)]);
    for (value, path) in [
        (Bool(false), "/srv/app/sessions.sqlite"),
        (Null, "/srv/app/sessions.sqlite"),
        (sqlite(Undefined), "/srv/app/sessions.sqlite"),
        (sqlite(text("data/s.db")), "/srv/app/data/s.db"),
        (sqlite(text("/var/s.db")), "/var/s.db"),
        (text("sqlite:data/s.db"), "/srv/app/data/s.db"),
        (text("sqlite:///var/a%20b.db"), "/var/a b.db"),
        (
            map([("adapter", text("sqlite"))]),
            "/srv/app/sessions.sqlite",
        ),
    ] {
        assert_eq!(
            led("database", value),
            Connection::Sqlite(PathBuf::from(path))
        );
    }
    let beside = parse(&[("files", text("/var/lib/app/"))]).database.unwrap();
    let path = PathBuf::from("/var/lib/app.sqlite");
    assert_eq!(beside.connection, Connection::Sqlite(path));
}

#[test]
fn the_originals_block_leads_to_a_server() {
    let block = |adapter: &str| {
        map([
            ("adapter", text(adapter)),
            ("host", text("db.example.com")),
            ("port", text("6543")),
            ("user", text("web")),
            ("password", text("canary")),
            ("database", text("shop")),
        ])
    };
    for (adapter, engine) in [
        ("postgres", Engine::Postgres),
        ("postgresql", Engine::Postgres),
        ("sails-postgresql", Engine::Postgres),
        ("mysql", Engine::MySql),
        ("mariadb", Engine::MySql),
        ("sails-mysql", Engine::MySql),
    ] {
        let connection = led("database", block(adapter));
        assert_eq!(connection.engine(), engine, "{adapter}");
        assert!(!format!("{connection:?}").contains("canary"));
        let server = server(connection);
        assert_eq!(server.address, tcp("db.example.com", 6543));
        assert_eq!(server.user, "web");
        assert_eq!(server.password.unwrap().reveal(), "canary");
        assert_eq!(server.database, "shop");
        assert_eq!((server.tls, server.pool_size), (None, 10));
    }
}

#[test]
fn a_url_says_the_same_and_fields_beside_it_count_more() {
    let address = "postgresql://w%40b:p%2Fw@[::1]:6543/shop?poolSize=3&sslmode=no-verify";
    let from_url = server(led("database", text(address)));
    assert_eq!(from_url.address, tcp("::1", 6543));
    assert_eq!(from_url.user, "w@b");
    assert_eq!(from_url.password.unwrap().reveal(), "p/w");
    assert_eq!(from_url.database, "shop");
    assert_eq!(from_url.pool_size, 3);
    assert!(!from_url.tls.unwrap().is_verified);
    let unverified = map([("rejectUnauthorized", Bool(false))]);
    let both = map([("url", text("rediss://cache")), ("tls", unverified)]);
    assert!(!redis(led("redis", both)).tls.unwrap().is_verified);
    let both = map([
        ("url", text("mysql://web@db/shop")),
        ("host", text("other")),
        ("adapter", Undefined),
    ]);
    let both = server(led("Database", both));
    assert_eq!(both.address, tcp("other", 3306));
    assert_eq!(
        (both.user.as_str(), both.database.as_str()),
        ("web", "shop")
    );
}

#[test]
fn what_a_connection_leaves_out_has_a_default() {
    let postgres = server(led("database", map([("adapter", text("postgres"))])));
    assert_eq!(postgres.address, tcp("127.0.0.1", 5432));
    assert_eq!(
        (postgres.user.as_str(), postgres.database.as_str()),
        ("postgres", "postgres")
    );
    for nothing in [Bool(false), Undefined, Null, map([])] {
        let redis = redis(led("redis", nothing));
        assert_eq!(redis.topology, Topology::Single(tcp("127.0.0.1", 6379)));
        assert_eq!(
            (redis.database, redis.prefix.as_str()),
            (0, "node-session:")
        );
        assert!(redis.user.is_none() && redis.password.is_none() && redis.tls.is_none());
    }
}

#[test]
fn redis_is_one_server_a_cluster_or_what_sentinels_name() {
    let single = redis(led("redis", text("rediss://:pw@cache:7000/2?prefix=shop:")));
    assert_eq!(single.topology, Topology::Single(tcp("cache", 7000)));
    assert_eq!((single.database, single.prefix.as_str()), (2, "shop:"));
    assert_eq!(single.password.unwrap().reveal(), "pw");
    assert!(single.tls.is_some_and(|tls| tls.is_verified));
    let socket = redis(led("redis", text("unix:///run/redis.sock")));
    let path = Address::Socket(PathBuf::from("/run/redis.sock"), 0);
    assert_eq!(socket.topology, Topology::Single(path));
    let nodes = list([
        text("a:7000"),
        text("redis://b:7001"),
        map([("host", text("c"))]),
    ]);
    let cluster = map([("adapter", text("sails-redis")), ("nodes", nodes)]);
    let nodes = vec![tcp("a", 7000), tcp("b", 7001), tcp("c", 6379)];
    assert_eq!(
        redis(led("database", cluster)).topology,
        Topology::Cluster(nodes)
    );
    let sentinels = list([text("a"), map([("host", text("b")), ("port", Number(7.0))])]);
    let watched = map([("sentinels", sentinels), ("name", text("main"))]);
    let sentinels = vec![tcp("a", 26379), tcp("b", 7)];
    assert_eq!(
        redis(led("redis", watched)).topology,
        Topology::Sentinel {
            sentinels,
            name: "main".to_owned(),
            password: None
        }
    );
}

#[test]
fn ssl_is_what_node_users_write() {
    let with_ssl = |ssl| {
        let fields = map([("adapter", text("postgres")), ("ssl", ssl)]);
        server(led("database", fields)).tls
    };
    assert_eq!(with_ssl(Bool(false)), None);
    assert!(with_ssl(Bool(true)).unwrap().is_verified);
    let pem = "-----BEGIN CERTIFICATE-----";
    let given = with_ssl(map([
        ("ca", list([text(pem), Bytes(pem.into())])),
        ("cert", text(pem)),
        ("key", Bytes(pem.into())),
        ("rejectUnauthorized", Bool(false)),
        ("servername", text("db")),
    ]));
    let tls = given.unwrap();
    assert_eq!(tls.authorities.unwrap().len(), 2 * pem.len() + 1);
    assert!(tls.identity.is_some() && !tls.is_verified);
    assert_eq!(tls.server_name.as_deref(), Some("db"));
}

#[test]
fn what_cannot_be_a_connection_is_refused_with_what_can() {
    let of = |adapter: &str, field: &'static str, value| {
        map([("adapter", text(adapter)), (field, value)])
    };
    let adapter = "option `connection.adapter` must be 'sqlite', 'redis', 'postgres' or 'mysql' (as with Waterline: \
                   'sails-redis', 'sails-postgresql' or 'sails-mysql')";
    let filename = "option `connection.filename` must be the path of a file";
    let whole = "option `connection` must be false, a URL such as 'postgres://user:password@host/database', or an object \
                 such as {adapter: 'sqlite', filename: 'sessions.sqlite'}";
    let schemes = "option `connection` must be a URL that begins with sqlite:, redis:, rediss:, valkey:, valkeys:, unix:, \
                   postgres:, postgresql:, mysql: or mariadb:";
    for (value, message) in [
        (of("sails-canary", "password", text("canary")), adapter),
        (map([("adapter", text("SQLite"))]), adapter),
        (map([]), adapter),
        (map([("host", text("db"))]), adapter),
        (of("sqlite", "filename", text("")), filename),
        (of("sqlite", "filename", text(":memory:")), filename),
        (of("sqlite", "filename", text("a\0")), filename),
        (of("sqlite", "filename", Number(3.0)), filename),
        (
            of("sqlite", "file", text("s.db")),
            "option `connection` has no field `file` for the adapter 'sqlite': it knows `adapter` and `filename`",
        ),
        (
            of("sails-mysql", "passwort", text("canary")),
            "option `connection` has no field `passwort` for the adapter 'mysql': it knows `adapter`, `url`, `host`, `port`, \
             `user`, `password`, `database`, `ssl`, `poolSize` and `socketPath`",
        ),
        (
            of("postgres", "port", Number(0.0)),
            "option `connection.port` must be a whole number from 1 to 65535",
        ),
        (
            of("postgres", "host", text("")),
            "option `connection.host` must be a text that is not empty",
        ),
        (
            of("mysql", "host", text("db")),
            "option `connection.database` must be the name of a database",
        ),
        (
            of("postgres", "ssl", map([("cert", text("/etc/cert.pem"))])),
            "option `connection.ssl.cert` must be PEM text, such as fs.readFileSync('cert.pem') gives, and not the path of a \
             file",
        ),
        (
            of("redis", "nodes", list([text("rediss://:canary@a:7000")])),
            "option `connection.nodes` must be a list of hosts and ports: `user`, `password` and `ssl` stand beside it, for all \
             of them",
        ),
        (
            of("redis", "nodes", list([])),
            "option `connection.nodes` must be a list of servers, each {host, port}, 'host:port' or a URL, with one at least",
        ),
        (Number(5.0), whole),
        (list([]), whole),
        (text("mongodb://web:canary@db/shop"), schemes),
        (text("canary"), schemes),
    ] {
        for driver in ["database", "Database"] {
            let told = refused(driver, value.clone());
            assert_eq!(told, message);
            assert!(!told.contains("canary"));
        }
        // Who asks for another driver only learns of it on asking for this one.
        let other = [("driver", text("file")), ("connection", value)];
        let error = parse(&other).database.unwrap_err();
        assert_eq!(error.message(), message);
    }
    let other = refused("redis", text("postgres://db"));
    assert!(other.starts_with("option `connection.adapter` must be 'redis' or 'valkey'"));
    let database = of("redis", "db", Number(1.0));
    let Map(mut fields) = database else { return };
    fields.push(("nodes".to_owned(), list([text("a")])));
    assert_eq!(
        refused("redis", Map(fields)),
        "option `connection.db` must be 0 for a cluster, which has no other"
    );
}

#[test]
fn a_driver_that_is_left_out_follows_from_the_connection() {
    let of = |adapter: &str| map([("adapter", text(adapter)), ("database", text("shop"))]);
    let sqlite = map([("adapter", text("sqlite"))]);
    let by_url = map([("url", text("valkey://cache"))]);
    for (connection, driver) in [
        (Undefined, "file"),
        (Bool(false), "file"),
        (text(""), "file"),
        (text("sqlite:s.db"), "database"),
        (text("rediss://cache"), "redis"),
        (text("postgres://db"), "database"),
        (by_url, "redis"),
        (sqlite, "database"),
        (map([("adapter", text("valkey"))]), "redis"),
        (of("mysql"), "database"),
        // Waterline's: node-session kept sessions in files then.
        (of("sails-redis"), "file"),
        (of("sails-postgresql"), "file"),
        (of("sails-mongo"), "file"),
    ] {
        for none in [Undefined, Null, text("")] {
            let given = [("driver", none), ("connection", connection.clone())];
            assert_eq!(parse(&given).driver, driver, "{connection:?}");
        }
        let given = [("driver", text("memory")), ("connection", connection)];
        assert_eq!(parse(&given).driver, "memory");
    }
    for bad in [
        Number(5.0),
        text("mongodb://db"),
        map([("host", text("db"))]),
        map([("url", Number(5.0))]),
    ] {
        assert!(refusal(&[("connection", bad)]).starts_with("option `connection"));
    }
}

#[test]
fn fields_that_say_nothing_beside_others_are_refused() {
    let nodes = || ("nodes", list([text("a")]));
    let sentinels = || ("sentinels", list([text("a")]));
    let pw = || text("canary");
    for (fields, message) in [
        (
            map([nodes(), ("host", text("b"))]),
            "host` must be left out where `nodes` is given",
        ),
        (
            map([nodes(), ("url", text("redis://b"))]),
            "host` must be left out where `nodes` is given",
        ),
        (
            map([nodes(), ("port", Number(1.0))]),
            "port` must be left out where `nodes` is given",
        ),
        (
            map([nodes(), ("path", text("/s"))]),
            "path` must be left out where `nodes` is given",
        ),
        (
            map([nodes(), sentinels()]),
            "nodes` must be left out where `sentinels` is given",
        ),
        (
            map([sentinels(), ("host", text("b"))]),
            "host` must be left out where `sentinels` is given",
        ),
        (
            map([("name", text("main"))]),
            "name` must be left out where no `sentinels` are given",
        ),
        (
            map([nodes(), ("name", text("main"))]),
            "name` must be left out where no `sentinels` are given",
        ),
        (
            map([("sentinelPassword", pw())]),
            "sentinelPassword` must be left out where no `sentinels` are given",
        ),
        (
            map([("path", text("/s")), ("host", text("b"))]),
            "host` must be left out where `path` is given",
        ),
        (
            map([("path", text("/s")), ("ssl", Bool(true))]),
            "ssl` must be left out where `path` is given",
        ),
        (
            map([("schema", text("web"))]),
            "schema` must be true or false, as Waterline has it: Redis has none, `prefix` keeps sessions apart",
        ),
    ] {
        let told = refused("redis", fields);
        assert_eq!(told, format!("option `connection.{message}"));
    }
    let of = |adapter, field, value| {
        map([
            ("adapter", text(adapter)),
            ("database", text("d")),
            (field, value),
        ])
    };
    for (fields, message) in [
        (
            of("postgres", "pool", map([("max", Number(5.0))])),
            "option `connection.pool` must be true or false, as Waterline has it: `poolSize` says how many connections there may \
             be",
        ),
        (
            of("mysql", "schema", text("web")),
            "option `connection.schema` must be true or false, as Waterline has it: `database` says where the table is",
        ),
    ] {
        assert_eq!(refused("database", fields), message);
    }
    let charset = refused("database", of("postgres", "charset", text("utf8")));
    assert!(
        charset
            .starts_with("option `connection` has no field `charset` for the adapter 'postgres'")
    );
    for (adapter, field) in [
        ("sails-postgresql", "pool"),
        ("sails-postgresql", "schema"),
        ("sails-mysql", "pool"),
        ("sails-mysql", "charset"),
        ("sails-redis", "schema"),
    ] {
        let mut fields = vec![("adapter", text(adapter)), (field, Bool(true))];
        if adapter == "sails-mysql" {
            fields.push(("database", text("d")));
        }
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        led("database", Map(fields.collect()));
    }
}

#[test]
fn the_schema_of_postgresql_is_where_the_table_is() {
    let database = |schema: &str, table: &str| {
        let connection = map([("adapter", text("postgres")), ("schema", text(schema))]);
        parse_all(&[
            ("driver", text("database")),
            ("connection", connection),
            ("table", text(table)),
        ])
        .map(|(config, _)| config.database.unwrap().table.to_string())
    };
    assert_eq!(database("web", "visits").unwrap(), "web.visits");
    assert_eq!(database("web", "web.visits").unwrap(), "web.visits");
    for (schema, table) in [("web", "other.visits"), ("a b", "visits")] {
        let error = database(schema, table).unwrap_err();
        assert_eq!(
            error.message(),
            "option `connection.schema` must be the name of a schema, and none but that which option `table` may have"
        );
    }
}
