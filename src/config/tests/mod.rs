//! What each option may be, as tables of good and bad values; here those of no particular part.

mod connection;
mod cookie;
mod locking;
mod storage;

use super::*;
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
    let filename = PathBuf::from("/srv/app/sessions.sqlite");
    assert_eq!(database.connection, Connection::Sqlite(filename));
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
        "readTimeout",
        "saveTimeout",
    ];
    let mut options: Vec<_> = names.map(|name| (name, Undefined)).into();
    options.extend([
        ("mystery", Function),
        ("store", Null),
        ("__proto__", map([])),
    ]);
    assert_eq!(
        format!("{:?}", parse(&options)),
        format!("{:?}", parse(&[]))
    );
}

#[test]
fn options_of_express_session_are_named_once_with_what_they_are_here() {
    let given = [
        ("saveUninitialized", Bool(false)),
        ("maxAge", Number(1.0)),
        ("resave", Undefined),
        ("name", text("canary")),
    ];
    let (_, warnings) = parse_all(&given).unwrap();
    assert_eq!(
        warnings,
        [
            "options of express-session have no effect: `name` (here `cookie`), `maxAge` (here `lifetime`), `saveUninitialized` \
             (here every session is stored)"
        ]
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
        assert_eq!(with("maxSessions", value.clone()).max_sessions, count);
        let limit = Millis(count as i64);
        assert_eq!(with("readTimeout", value.clone()).read_timeout, limit);
        assert_eq!(with("saveTimeout", value).save_timeout, limit);
    }
    assert_eq!(with("maxDepth", Number(1.0)).max_depth, 1);
    assert_eq!(with("maxSessions", Null).max_sessions, 1_000_000);
    assert_eq!(parse(&[]).read_timeout, Millis(2_000));
    assert_eq!(with("saveTimeout", Null).save_timeout, Millis(2_000));
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
        refuses("maxSessions", "a whole number, 1 or more", [value.clone()]);
        for name in ["readTimeout", "saveTimeout"] {
            let allowed = "a whole number from 1 to 2147483647";
            refuses(name, allowed, [value.clone(), Number(2_147_483_648.0)]);
        }
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
