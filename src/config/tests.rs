//! What each option may be, as tables of good and bad values.

use super::*;
use crate::cookie::transport::Trust;
use crate::cookie::{Priority, SameSite};
use crate::error::Code;

use Setting::{Bool, Bytes, Function, List, Map, Null, Number, Undefined};

const STRONG: &str = "Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD";

fn text(text: &str) -> Setting {
    Setting::Text(text.to_owned())
}

fn list<const N: usize>(items: [Setting; N]) -> Setting {
    List(items.into())
}

fn map<const N: usize>(fields: [(&str, Setting); N]) -> Setting {
    Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The configuration of a strong secret and `options`, of which later ones count.
fn parse_all(options: &[(&str, Setting)]) -> Result<(Config, Vec<String>)> {
    let mut all = vec![("secret".to_owned(), text(STRONG))];
    all.extend(
        options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    Config::parse(&all, Path::new("/srv/app"))
}

fn parse(options: &[(&str, Setting)]) -> Config {
    parse_all(options).unwrap().0
}

fn with(name: &str, value: Setting) -> Config {
    parse(&[(name, value)])
}

fn refusal(options: &[(&str, Setting)]) -> String {
    let error = match parse_all(options) {
        Ok(_) => panic!("{options:?} is accepted"),
        Err(error) => error,
    };
    assert_eq!(error.code(), Code::Config);
    error.message().to_owned()
}

/// Each value is refused, with a sentence that names the option and ends in what is allowed.
fn refuses<const N: usize>(name: &str, allowed: &str, values: [Setting; N]) {
    for value in values {
        let expected = format!("option `{name}` must be {allowed}");
        assert_eq!(refusal(&[(name, value)]), expected);
    }
}

#[test]
fn the_defaults_are_the_originals() {
    let (config, warnings) = parse_all(&[]).unwrap();
    assert_eq!(config.driver, "file");
    assert_eq!(config.files, Path::new("/srv/app/sessions"));
    let database = config.database.clone().unwrap();
    assert_eq!(database.filename, Path::new("/srv/app/sessions.sqlite"));
    assert_eq!(
        (database.table.schema(), database.table.name()),
        (None, "sessions")
    );
    let cookie = CookieOptions {
        name: "node_session".to_owned(),
        path: Some("/".to_owned()),
        domain: None,
        http_only: true,
        secure: false,
        same_site: None,
        partitioned: false,
        priority: None,
        max_age: Some(Millis(300_000)),
    };
    assert_eq!(config.cookie, cookie);
    assert_eq!(config.idle_timeout(), Millis(300_000));
    assert_eq!(config.trust_proxy, TrustProxy::Off);
    assert_eq!(
        config.lottery,
        Lottery {
            hits: 2,
            draws: 100
        }
    );
    assert!(!config.encrypt && config.legacy_payloads && !config.strict_save);
    assert_eq!((config.max_depth, config.max_bytes), (1000, 1_048_576));
    assert_eq!(config.max_sessions, 1_000_000);
    assert_eq!(config.durability, Durability::Process);
    assert_eq!(warnings, [] as [String; 0]);
}

#[test]
fn undefined_keeps_every_default_and_unknown_options_are_left_alone() {
    let names = [
        "driver",
        "files",
        "connection",
        "table",
        "cookie",
        "path",
        "domain",
        "httpOnly",
        "secure",
        "sameSite",
        "partitioned",
        "priority",
        "lifetime",
        "expireOnClose",
        "trustProxy",
        "trustProxyFn",
        "lottery",
        "encrypt",
        "legacyPayloads",
        "maxDepth",
        "maxBytes",
        "maxSessions",
        "durability",
        "strictSave",
        "touchInterval",
    ];
    let mut options: Vec<_> = names.map(|name| (name, Undefined)).into();
    options.extend([
        ("rolling", Function),
        ("store", Null),
        ("__proto__", map([])),
    ]);
    assert_eq!(
        format!("{:?}", parse(&options)),
        format!("{:?}", parse(&[]))
    );
}

#[test]
fn a_missing_secret_is_refused_in_the_originals_words() {
    for value in [
        Undefined,
        Null,
        Bool(false),
        Number(0.0),
        Number(f64::NAN),
        text(""),
    ] {
        let message = refusal(&[("secret", value)]);
        assert_eq!(message, "secret option required for sessions");
    }
    let error = Config::parse(&[], Path::new("/srv/app")).unwrap_err();
    assert_eq!(error.message(), "secret option required for sessions");
}

#[test]
fn a_secret_is_text_or_bytes_or_a_list_of_those() {
    let strong = STRONG.as_bytes().to_vec();
    let other = vec![0xff; 32];
    for (value, secrets) in [
        (text(STRONG), vec![strong.clone()]),
        (Bytes(other.clone()), vec![other.clone()]),
        (
            list([Bytes(other.clone()), text(STRONG)]),
            vec![other, strong],
        ),
        (text(&"é".repeat(16)), vec!["é".repeat(16).into_bytes()]),
    ] {
        let (config, warnings) = parse_all(&[("secret", value)]).unwrap();
        assert_eq!((config.secrets.all(), warnings.len()), (&secrets[..], 0));
    }
    let allowed = "a string, a Buffer, or a list of those, newest first, none of them empty";
    refuses(
        "secret",
        allowed,
        [
            Number(5.0),
            Bool(true),
            Function,
            Map(vec![]),
            Bytes(vec![]),
            list([]),
            list([text("")]),
            list([text(STRONG), Undefined]),
            list([text(STRONG), list([text(STRONG)])]),
        ],
    );
}

#[test]
fn short_secrets_are_warned_of_once_and_never_shown() {
    let short = list([text("canary"), text("bird"), text(STRONG)]);
    let (config, warnings) = parse_all(&[("secret", short)]).unwrap();
    assert_eq!(
        warnings,
        ["option `secret` should be at least 32 random bytes long"]
    );
    let shown = format!("{config:?} {:?}", text("canary"));
    assert!(shown.contains("Secrets(3, **redacted**)"), "{shown}");
    assert!(
        !shown.contains("canary") && !shown.contains(STRONG),
        "{shown}"
    );
}

#[test]
fn a_driver_is_any_name() {
    for (value, name) in [
        (text("memory"), "memory"),
        (text("File"), "File"),
        (text("constructor"), "constructor"),
        (text(""), "file"),
        (Null, "file"),
        (Bool(false), "file"),
    ] {
        assert_eq!(with("driver", value).driver, name);
    }
    refuses(
        "driver",
        "the name of a driver",
        [Number(1.0), Bool(true), Function, list([])],
    );
}

#[test]
fn files_is_a_folder_from_the_working_directory() {
    for (value, path) in [
        (text("/var/sessions/"), "/var/sessions"),
        (text("./data/./sessions"), "/srv/app/data/sessions"),
        (text("../sessions"), "/srv/app/../sessions"),
        (text(""), "/srv/app"),
        (Null, "/srv/app/sessions"),
        (Bool(false), "/srv/app/sessions"),
    ] {
        assert_eq!(with("files", value).files, Path::new(path));
    }
    refuses(
        "files",
        "the path of a folder",
        [
            text("a\0b"),
            Number(0.0),
            Bool(true),
            Bytes(vec![1]),
            list([]),
        ],
    );
}

fn database(options: &[(&str, Setting)]) -> Result<Database> {
    parse(options).database
}

#[test]
fn a_connection_is_an_sqlite_file() {
    let sqlite = |filename| map([("adapter", text("sqlite")), ("filename", filename)]);
    for (value, path) in [
        (Bool(false), "/srv/app/sessions.sqlite"),
        (Null, "/srv/app/sessions.sqlite"),
        (sqlite(Undefined), "/srv/app/sessions.sqlite"),
        (sqlite(text("data/s.db")), "/srv/app/data/s.db"),
        (sqlite(text("/var/s.db")), "/var/s.db"),
        (
            map([("adapter", text("sqlite"))]),
            "/srv/app/sessions.sqlite",
        ),
    ] {
        let given = [("driver", text("database")), ("connection", value)];
        assert_eq!(database(&given).unwrap().filename, Path::new(path));
    }
    let beside = database(&[("files", text("/var/lib/app/"))]).unwrap();
    assert_eq!(beside.filename, Path::new("/var/lib/app.sqlite"));
}

#[test]
fn other_connections_are_refused_where_the_driver_is_the_database() {
    let sqlite = |field, value| map([("adapter", text("sqlite")), (field, value)]);
    let adapter = "option `connection.adapter` must be 'sqlite', the one adapter that is supported";
    let filename = "option `connection.filename` must be the path of a file";
    for (value, message) in [
        (
            map([
                ("adapter", text("sails-mysql")),
                ("password", text("canary")),
            ]),
            adapter,
        ),
        (map([("adapter", text("SQLite"))]), adapter),
        (map([]), adapter),
        (sqlite("filename", text("")), filename),
        (sqlite("filename", text(":memory:")), filename),
        (sqlite("filename", text("a\0")), filename),
        (sqlite("filename", Number(3.0)), filename),
        (
            sqlite("file", text("s.db")),
            "option `connection` has no field `file` for the adapter 'sqlite': it knows `adapter` and `filename`",
        ),
        (
            text("sqlite:s.db"),
            "option `connection` must be false or an object such as {adapter: 'sqlite', filename: 'sessions.sqlite'}",
        ),
    ] {
        for driver in ["database", "Database"] {
            let given = [("driver", text(driver)), ("connection", value.clone())];
            assert_eq!(refusal(&given), message);
        }
        let error = database(&[("connection", value)]).unwrap_err();
        assert_eq!(error.message(), message);
    }
}

#[test]
fn a_table_is_a_plain_name_with_at_most_one_schema() {
    let longest = "a".repeat(63);
    for (value, schema, name) in [
        ("sessions", None, "sessions"),
        ("_s$1", None, "_s$1"),
        ("web.sessions", Some("web"), "sessions"),
        (longest.as_str(), None, longest.as_str()),
    ] {
        let table = database(&[("table", text(value))]).unwrap().table;
        assert_eq!((table.schema(), table.name()), (schema, name));
    }
    let too_long = "a".repeat(64);
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a.b.c",
        "1a",
        "$a",
        "a-b",
        "a b",
        "a\"b",
        "a`b",
        "a;drop table b",
        "a'",
        "é",
        "a\0",
        "a\n",
        too_long.as_str(),
    ] {
        let given = [("driver", text("database")), ("table", text(bad))];
        assert!(
            refusal(&given).starts_with("option `table` must be a table's name"),
            "{bad}"
        );
        assert!(database(&[("table", text(bad))]).is_err(), "{bad}");
    }
    for bad in [Null, Number(1.0), list([])] {
        assert!(database(&[("table", bad)]).is_err());
    }
}

#[test]
fn a_lifetime_is_milliseconds_and_ages_the_cookie() {
    let day = 24 * 60 * 60 * 1000;
    for (value, idle, max_age) in [
        (Number(1000.0), 1000, Some(1000)),
        (text("300000"), 300_000, Some(300_000)),
        (text(" 1e3 "), 1000, Some(1000)),
        (Number(1500.5), 1501, Some(1501)),
        (Number(0.25), 1, Some(1)),
        (Number(0.0), day, None),
        (Number(-0.0), day, None),
        (text("0"), day, None),
        (Number(1e300), i64::MAX, Some(i64::MAX)),
    ] {
        let config = with("lifetime", value);
        assert_eq!(config.idle_timeout(), Millis(idle));
        assert_eq!(config.cookie.max_age, max_age.map(Millis));
    }
    let allowed = "a number of milliseconds, 0 or more";
    let bad = || {
        let bad = [
            Number(-1.0),
            Number(f64::NAN),
            Number(f64::INFINITY),
            text(""),
            text("5m"),
            text("inf"),
        ];
        bad.into_iter().chain([Bool(true), list([]), Function])
    };
    for value in bad() {
        refuses("lifetime", allowed, [value.clone()]);
        refuses("touchInterval", allowed, [value]);
    }
    refuses("lifetime", allowed, [Null]);
}

#[test]
fn a_cookie_that_expires_on_close_has_no_age_but_the_session_times_out() {
    let config = parse(&[("expireOnClose", Bool(true)), ("lifetime", Number(5000.0))]);
    assert_eq!(
        (config.cookie.max_age, config.idle_timeout()),
        (None, Millis(5000))
    );
}

#[test]
fn a_cookie_kept_longer_than_browsers_do_is_warned_of() {
    let day = 86_400_000.0;
    let warned = |days, on_close| {
        let lifetime = ("lifetime", Number(days * day));
        parse_all(&[lifetime, ("expireOnClose", Bool(on_close))])
            .unwrap()
            .1
    };
    assert_eq!(warned(400.0, false).len(), 0);
    assert_eq!(warned(401.0, true).len(), 0);
    let sentence = "option `lifetime` is longer than the 400 days that browsers keep a cookie";
    assert_eq!(warned(401.0, false), [sentence]);
}

#[test]
fn a_touch_interval_that_is_not_set_is_the_drivers() {
    use TouchDefault::{EveryRequest, Seldom};
    for (lifetime, value, default, interval) in [
        (300_000.0, Undefined, EveryRequest, 0),
        (300_000.0, Null, Seldom, 30_000),
        (600_010.0, Undefined, Seldom, 60_000),
        (0.0, Undefined, Seldom, 60_000),
        (5.0, Undefined, Seldom, 0),
        (300_000.0, Number(0.0), Seldom, 0),
        (300_000.0, text("7000"), EveryRequest, 7000),
    ] {
        let config = parse(&[("lifetime", Number(lifetime)), ("touchInterval", value)]);
        assert_eq!(config.touch_interval(default), Millis(interval));
    }
}

#[test]
fn a_lottery_is_merged_with_the_default_item_by_item() {
    for (value, hits, draws) in [
        (list([Number(2.0)]), 2, 100),
        (list([Number(5.0)]), 5, 100),
        (list([]), 2, 100),
        (list([Undefined, Number(7.0)]), 2, 7),
        (list([Number(0.0), Number(1.0), Null]), 0, 1),
        (list([text("1"), text("50")]), 1, 50),
        (Bool(false), 0, 1),
    ] {
        assert_eq!(with("lottery", value).lottery, Lottery { hits, draws });
    }
    refuses(
        "lottery",
        "a list of two whole numbers, [hits, draws], with at least one draw, or false",
        [
            Null,
            Bool(true),
            Number(5.0),
            text("2,100"),
            list([Null, Number(1.0)]),
            list([Number(1.0), Number(0.0)]),
            list([Number(-1.0)]),
            list([Number(0.5)]),
            list([Number(1.0), Number(1e10)]),
        ],
    );
}

#[test]
fn the_originals_switches_go_by_what_javascript_takes_for_true() {
    for (value, on) in [
        (Bool(true), true),
        (Bool(false), false),
        (Null, false),
        (Number(1.0), true),
        (Number(0.0), false),
        (text("yes"), true),
        (text(""), false),
    ] {
        let read = |name| with(name, value.clone());
        assert_eq!(read("secure").cookie.secure, on);
        assert_eq!(read("httpOnly").cookie.http_only, on);
        assert_eq!(read("encrypt").encrypt, on);
        assert_eq!(read("expireOnClose").cookie.max_age.is_none(), on);
    }
    for name in ["secure", "httpOnly", "encrypt", "expireOnClose"] {
        refuses(
            name,
            "true or false",
            [Function, list([]), map([]), Bytes(vec![])],
        );
    }
}

#[test]
fn the_other_switches_are_true_or_false() {
    for on in [true, false] {
        assert_eq!(with("legacyPayloads", Bool(on)).legacy_payloads, on);
        assert_eq!(with("strictSave", Bool(on)).strict_save, on);
        let partitioned = [("secure", Bool(true)), ("partitioned", Bool(on))];
        assert_eq!(parse(&partitioned).cookie.partitioned, on);
    }
    assert!(with("legacyPayloads", Null).legacy_payloads);
    for name in ["legacyPayloads", "strictSave", "partitioned"] {
        refuses(
            name,
            "true or false",
            [text("false"), Number(1.0), Function, list([])],
        );
    }
}

#[test]
fn counts_are_whole_numbers_within_bounds() {
    for (value, count) in [
        (Number(1024.0), 1024),
        (text("2000"), 2000),
        (Number(4000.0), 4000),
    ] {
        assert_eq!(with("maxDepth", value.clone()).max_depth, count);
        assert_eq!(with("maxBytes", value.clone()).max_bytes, count);
        assert_eq!(with("maxSessions", value).max_sessions, count);
    }
    assert_eq!(with("maxDepth", Number(1.0)).max_depth, 1);
    assert_eq!(with("maxSessions", Null).max_sessions, 1_000_000);
    let bad = [
        Number(0.0),
        Number(1.5),
        Number(-1.0),
        Number(f64::NAN),
        text(""),
        Bool(true),
        list([]),
    ];
    for value in bad {
        refuses("maxDepth", "a whole number from 1 to 4000", [value.clone()]);
        refuses("maxBytes", "a whole number, 1024 or more", [value.clone()]);
        refuses("maxSessions", "a whole number, 1 or more", [value]);
    }
    refuses(
        "maxDepth",
        "a whole number from 1 to 4000",
        [Number(4001.0)],
    );
    refuses(
        "maxBytes",
        "a whole number, 1024 or more",
        [Number(1023.0), Number(f64::INFINITY)],
    );
}

#[test]
fn durability_is_up_to_the_process_or_the_disk() {
    assert_eq!(
        with("durability", text("process")).durability,
        Durability::Process
    );
    assert_eq!(
        with("durability", text("disk")).durability,
        Durability::Disk
    );
    assert_eq!(with("durability", Null).durability, Durability::Process);
    refuses(
        "durability",
        "'process' or 'disk'",
        [text(""), text("fsync"), Bool(true)],
    );
}

#[test]
fn a_cookies_name_is_a_token_that_leaves_room_for_its_value() {
    let longest = "a".repeat(4096 - 174);
    for name in [
        "sid",
        "a.b-c_d",
        "!#$%&'*+-.^_`|~",
        "__proto__",
        longest.as_str(),
    ] {
        assert_eq!(with("cookie", text(name)).cookie.name, name);
    }
    let too_long = format!("{longest}a");
    let allowed = "a cookie's name: up to 3922 letters, digits and any of !#$%&'*+-.^_`|~";
    for bad in [
        "",
        "a b",
        "a;b",
        "a=b",
        "a,b",
        "a\"",
        "a\r\nb",
        "a\0",
        "sÿd",
        "日",
        "a; Domain=evil; b",
        too_long.as_str(),
    ] {
        refuses("cookie", allowed, [text(bad)]);
    }
    refuses("cookie", allowed, [Null, Number(1.0), Bool(true), list([])]);
}

#[test]
fn path_and_domain_cannot_break_out_of_their_attribute() {
    let longest = "/".repeat(1024);
    for (value, path) in [
        (text("/app"), Some("/app")),
        (text(&longest), Some(longest.as_str())),
        (text(""), None),
        (Bool(false), None),
        (Null, Some("/")),
    ] {
        assert_eq!(with("path", value).cookie.path.as_deref(), path);
    }
    for (value, domain) in [
        (text(".example.com"), Some(".example.com")),
        (text(""), None),
        (Bool(false), None),
        (Null, None),
    ] {
        assert_eq!(with("domain", value).cookie.domain.as_deref(), domain);
    }
    let allowed = "up to 1024 printable ASCII characters other than ;";
    let too_long = "/".repeat(1025);
    for name in ["path", "domain"] {
        for bad in [
            "/;",
            "/\r",
            "/\n",
            "/\0",
            "/\t",
            "/\u{7f}",
            "/é",
            too_long.as_str(),
        ] {
            refuses(name, allowed, [text(bad)]);
        }
        refuses(name, allowed, [Number(1.0), Bool(true), list([]), Function]);
    }
}

#[test]
fn same_site_and_priority_are_chosen_by_name() {
    for (value, same_site) in [
        (Bool(true), Some(SameSite::Strict)),
        (Bool(false), None),
        (Null, None),
        (text("lax"), Some(SameSite::Lax)),
        (text("Strict"), Some(SameSite::Strict)),
        (text("NONE"), Some(SameSite::None)),
    ] {
        let config = parse(&[("secure", Bool(true)), ("sameSite", value)]);
        assert_eq!(config.cookie.same_site, same_site);
    }
    for (value, priority) in [
        (text("low"), Some(Priority::Low)),
        (text("Medium"), Some(Priority::Medium)),
        (text("HIGH"), Some(Priority::High)),
        (Null, None),
    ] {
        assert_eq!(with("priority", value).cookie.priority, priority);
    }
    let allowed = "true (which is 'strict'), false, 'lax', 'strict' or 'none'";
    refuses(
        "sameSite",
        allowed,
        [text(""), text("auto"), Number(1.0), list([])],
    );
    let allowed = "'low', 'medium' or 'high'";
    refuses(
        "priority",
        allowed,
        [text(""), text("highest"), Bool(true), Number(1.0)],
    );
}

#[test]
fn what_browsers_would_throw_away_is_refused() {
    let secure = ("secure", Bool(true));
    let host = ("cookie", text("__hOST-sid"));
    let mustnt = "because the cookie's name begins with";
    for (options, message) in [
        (
            vec![("sameSite", text("none"))],
            "option `secure` must be true, because `sameSite` is 'none'".to_owned(),
        ),
        (
            vec![("partitioned", Bool(true))],
            "option `secure` must be true, because `partitioned` is true".to_owned(),
        ),
        (
            vec![("cookie", text("__secure-sid"))],
            format!("option `secure` must be true, {mustnt} `__Secure-`"),
        ),
        (
            vec![host.clone()],
            format!("option `secure` must be true, {mustnt} `__Host-`"),
        ),
        (
            vec![host.clone(), secure.clone(), ("path", text("/app"))],
            format!("option `path` must be '/', {mustnt} `__Host-`"),
        ),
        (
            vec![host.clone(), secure.clone(), ("path", text(""))],
            format!("option `path` must be '/', {mustnt} `__Host-`"),
        ),
        (
            vec![host.clone(), secure.clone(), ("domain", text("a.example"))],
            format!("option `domain` must be null, {mustnt} `__Host-`"),
        ),
    ] {
        assert_eq!(refusal(&options), message);
    }
    let domain = ("domain", text("a.example"));
    parse(&[secure.clone(), host]);
    parse(&[secure, ("cookie", text("__Secure-sid")), domain]);
}

#[test]
fn a_proxy_is_trusted_by_hops_addresses_or_a_function() {
    let ranges = |items: &[&str]| TrustProxy::Ranges(Trust::ranges(items).unwrap());
    for (value, trust) in [
        (Bool(true), TrustProxy::Everyone),
        (Bool(false), TrustProxy::Off),
        (Null, TrustProxy::Off),
        (text(""), TrustProxy::Off),
        (Number(0.0), TrustProxy::Off),
        (Number(1.0), TrustProxy::Hops(1)),
        (Number(1.5), TrustProxy::Hops(2)),
        (Number(f64::INFINITY), TrustProxy::Hops(u32::MAX)),
        (
            text("loopback , 10.0.0.0/8"),
            ranges(&["loopback", "10.0.0.0/8"]),
        ),
        (
            list([text("10.0.0.1"), text("::1")]),
            ranges(&["10.0.0.1", "::1"]),
        ),
        (list([]), TrustProxy::Ranges(Trust::Nobody)),
        (Function, TrustProxy::Function),
    ] {
        assert_eq!(with("trustProxy", value).trust_proxy, trust);
    }
    assert_eq!(
        refusal(&[("trustProxy", text("bogus"))]),
        "invalid IP address: bogus"
    );
    refuses(
        "trustProxy",
        "true, false, a number of hops (0 or more), a string or list of addresses, or a function",
        [Number(-1.0), map([]), Bytes(vec![]), list([Number(1.0)])],
    );
}

#[test]
fn a_trust_function_stands_in_for_trust_proxy_where_that_is_set() {
    let given = |trust, function| [("trustProxy", trust), ("trustProxyFn", function)];
    let trust = |given: [(&str, Setting); 2]| parse(&given).trust_proxy;
    assert_eq!(trust(given(text("bogus"), Function)), TrustProxy::Function);
    assert_eq!(trust(given(Undefined, Function)), TrustProxy::Off);
    assert_eq!(trust(given(Bool(false), Number(1.0))), TrustProxy::Off);
    assert_eq!(trust(given(Bool(true), Null)), TrustProxy::Everyone);
    let message = refusal(&given(Bool(true), Number(1.0)));
    assert_eq!(message, "option `trustProxyFn` must be a function");
}
