//! Field `ssl` of `connection`, as Node users write it.

use super::super::setting::{Options, Setting};
use super::fields::{Fields, field_error};
use crate::error::{Code, Error, Result};

/// How a connection is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that the server's may be signed by, as PEM text. Default: those of Mozilla's list.
    pub authorities: Option<Vec<u8>>,
    /// The client's own certificate and its key, as PEM text.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the server's certificate is verified. Default: yes.
    pub is_verified: bool,
    /// The name that the server's certificate is for. Default: the host.
    pub server_name: Option<String>,
}

/// A key may be in it.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls(verified: {})", self.is_verified)
    }
}

const PLAIN: Tls = Tls {
    authorities: None,
    identity: None,
    is_verified: true,
    server_name: None,
};

impl Tls {
    /// Fields `ssl` (or `tls`) and `sslmode`; `None` for a connection that is not encrypted.
    ///
    /// Shape: `true`, `false`, or `{ca, cert, key, rejectUnauthorized, servername}`, whose `ca`, `cert` and `key` are PEM
    /// text, a `Buffer` of it, or for `ca` a list of these. As text, from a URL: what PostgreSQL's `sslmode` may be, or
    /// `true` and `false`.
    pub(super) fn parse(fields: &Fields) -> Result<Option<Self>> {
        for name in ["ssl", "tls", "sslmode"] {
            match fields.get(name) {
                Setting::Undefined | Setting::Null => {}
                Setting::Bool(wanted) => return Ok(wanted.then_some(PLAIN)),
                Setting::Text(mode) => return by_mode(name, mode),
                Setting::Map(members) => return of_members(name, members).map(Some),
                _ => return Err(refused(name)),
            }
        }
        Ok(None)
    }
}

fn refused(name: &str) -> Error {
    let allowed = "true, false or an object such as {ca: fs.readFileSync('ca.pem')}";
    field_error(name, allowed)
}

fn by_mode(name: &str, mode: &str) -> Result<Option<Tls>> {
    match mode {
        "disable" | "false" | "0" => Ok(None),
        "require" | "verify-ca" | "verify-full" | "true" | "1" => Ok(Some(PLAIN)),
        "no-verify" => Ok(Some(Tls {
            is_verified: false,
            ..PLAIN
        })),
        _ => {
            let allowed = "'disable', 'require', 'verify-ca', 'verify-full' or 'no-verify'";
            Err(field_error(name, allowed))
        }
    }
}

fn of_members(name: &str, members: &[(String, Setting)]) -> Result<Tls> {
    let known = ["ca", "cert", "key", "rejectUnauthorized", "servername"];
    if let Some((member, _)) = members
        .iter()
        .find(|(member, _)| !known.contains(&member.as_str()))
    {
        let message = format!(
            "option `connection.{name}` has no field `{member}`: it knows `ca`, `cert`, `key`, `rejectUnauthorized` and \
             `servername`"
        );
        return Err(Error::new(Code::Config, message));
    }
    let given = Options::new(members);
    let of = |member: &str| format!("{name}.{member}");
    let identity = match (pem(&given, "cert", &of)?, pem(&given, "key", &of)?) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(field_error(&of("key"), "given together with `cert`")),
        (None, Some(_)) => return Err(field_error(&of("cert"), "given together with `key`")),
    };
    let server_name = match given.get("servername") {
        Setting::Undefined | Setting::Null => None,
        Setting::Text(name) if !name.is_empty() => Some(name.clone()),
        _ => return Err(field_error(&of("servername"), "the name of a host")),
    };
    let is_verified = match given.get("rejectUnauthorized") {
        Setting::Undefined | Setting::Null => true,
        Setting::Bool(is_verified) => *is_verified,
        _ => return Err(field_error(&of("rejectUnauthorized"), "true or false")),
    };
    Ok(Tls {
        authorities: pem(&given, "ca", &of)?,
        identity,
        is_verified,
        server_name,
    })
}

/// PEM text; a list of texts is one after the other.
fn pem(given: &Options, member: &str, of: &impl Fn(&str) -> String) -> Result<Option<Vec<u8>>> {
    let refused = || {
        let allowed =
            "PEM text, such as fs.readFileSync('cert.pem') gives, and not the path of a file";
        field_error(&of(member), allowed)
    };
    let bytes = match given.get(member) {
        Setting::Undefined | Setting::Null => return Ok(None),
        Setting::List(texts) if member == "ca" && !texts.is_empty() => {
            let each = texts.iter().map(bytes_of);
            let all: Option<Vec<_>> = each.collect();
            all.map(|texts| texts.join(&b'\n'))
        }
        given => bytes_of(given),
    };
    let has_pem = |bytes: &Vec<u8>| memchr::memmem::find(bytes, b"-----BEGIN ").is_some();
    bytes.filter(has_pem).map(Some).ok_or_else(refused)
}

fn bytes_of(given: &Setting) -> Option<Vec<u8>> {
    match given {
        Setting::Text(text) => Some(text.as_bytes().to_vec()),
        Setting::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}
