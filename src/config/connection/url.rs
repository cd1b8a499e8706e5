//! A database's URL, as the fields that an object would have.

use ::url::Url;

use super::super::setting::Setting;
use crate::error::{Error, Result};

/// The schemes there are: the adapter that each stands for, and whether it asks for TLS.
const SCHEMES: [(&str, &str, bool); 11] = [
    ("sqlite", "sqlite", false),
    ("redis", "redis", false),
    ("rediss", "redis", true),
    ("valkey", "redis", false),
    ("valkeys", "redis", true),
    ("redis+unix", "redis", false),
    ("unix", "redis", false),
    ("postgres", "postgres", false),
    ("postgresql", "postgres", false),
    ("mysql", "mysql", false),
    ("mariadb", "mysql", false),
];

/// The fields that `address`, the value of `option`, stands for.
///
/// Shape: `scheme://user:password@host:port/database?field=value`, percent-encoded where it has to be.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG`, which does not repeat the URL: a password may be in it.
pub(super) fn fields(address: &str, option: &str) -> Result<Vec<(String, Setting)>> {
    let refused = || {
        let allowed = "a URL that begins with sqlite:, redis:, rediss:, valkey:, valkeys:, unix:, postgres:, \
                       postgresql:, mysql: or mariadb:";
        Error::config(option, allowed)
    };
    let parsed = Url::parse(address.trim()).map_err(|_| refused())?;
    let found = SCHEMES.iter().find(|scheme| scheme.0 == parsed.scheme());
    let (_, adapter, has_tls) = *found.ok_or_else(refused)?;
    let mut fields = vec![("adapter".to_owned(), Setting::Text(adapter.to_owned()))];
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.push((name.to_owned(), Setting::Text(value)));
        }
    };
    let path = decoded(parsed.path(), refused)?;
    let user = decoded(parsed.username(), refused)?;
    let password = parsed.password().map(|text| decoded(text, refused));
    add("user", Some(user));
    add("password", password.transpose()?);
    match parsed.scheme() {
        "sqlite" => add("filename", Some(file_of(&parsed, path))),
        "unix" | "redis+unix" => add("path", Some(path)),
        _ => {
            let host = parsed.host_str().map(|host| decoded(host, refused));
            let host = host.transpose()?;
            add("host", host.map(|host| without_brackets(&host)));
            add("port", parsed.port().map(|port| port.to_string()));
            add("database", Some(path.trim_start_matches('/').to_owned()));
        }
    }
    for (name, value) in parsed.query_pairs() {
        add(&name, Some(value.into_owned()));
    }
    if has_tls {
        fields.push(("ssl".to_owned(), Setting::Bool(true)));
    }
    Ok(fields)
}

/// `sqlite:data/s.db` is relative, `sqlite:///var/s.db` is not.
fn file_of(url: &Url, path: String) -> String {
    match url.host_str() {
        Some(host) if !host.is_empty() => format!("{host}{path}"),
        _ => path,
    }
}

/// An IPv6 address without its brackets.
fn without_brackets(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
}

fn decoded(text: &str, refused: impl Fn() -> Error) -> Result<String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| refused())
}
