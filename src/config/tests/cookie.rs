//! What the options of the cookie and of proxies may be.

use super::*;
use crate::cookie::transport::Trust;
use crate::cookie::{Priority, SameSite};

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
    let elsewhere = format!(
        "{allowed}; what express-session has in it stands beside it here, and `maxAge` is `lifetime`"
    );
    refuses("cookie", &elsewhere, [map([("maxAge", Number(1.0))])]);
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
