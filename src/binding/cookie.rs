//! Cookies and proxies, for the methods of NodeSession that handle them.

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::js::{Js, Scope, Text};
use super::registry;
use super::reply;
use crate::clock::Millis;
use crate::cookie::CookieOptions;
use crate::cookie::transport;
use crate::panics::point;

/// Which proxies are believed.
#[napi]
#[derive(Debug)]
pub struct Trust {
    ranges: crate::error::Result<transport::Trust>,
}

#[napi]
impl Trust {
    /// @param items addresses, ranges, and the names `loopback`, `linklocal`, `uniquelocal`
    #[napi(constructor, catch_unwind)]
    pub fn new(items: Vec<String>) -> Self {
        point("entry");
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        Trust {
            ranges: transport::Trust::ranges(&items),
        }
    }

    /// Why the items were refused, as `{kind, code, message}`; `undefined` when they were not.
    #[napi(catch_unwind, ts_return_type = "object | undefined")]
    pub fn refused(&self, env: Env) -> Js {
        point("entry");
        let report = |error| reply::report(Scope(env.raw()), "error", error).ok();
        self.ranges
            .as_ref()
            .err()
            .and_then(report)
            .unwrap_or(Js::UNDEFINED)
    }

    /// Whether the proxy at an address is believed.
    #[napi(catch_unwind)]
    pub fn trusts(&self, address: String) -> bool {
        point("entry");
        self.ranges
            .as_ref()
            .is_ok_and(|ranges| ranges.trusts(&address))
    }
}

/// Whether a request came over https.
///
/// @param encrypted whether its socket is a TLS socket
/// @param peerTrusted whether its peer is a proxy that is believed
/// @param forwardedProto its `X-Forwarded-Proto` header
#[napi(catch_unwind)]
pub fn is_secure(encrypted: bool, peer_trusted: bool, forwarded_proto: Option<Text>) -> bool {
    point("entry");
    transport::is_secure(
        encrypted,
        peer_trusted,
        forwarded_proto.as_ref().map(Text::as_str),
    )
}

/// The session id in the cookie of that name, or `undefined`.
#[napi(catch_unwind)]
pub fn read_cookie(engine: u32, header: Text, name: Text) -> Option<String> {
    let id = registry::engine(engine)?
        .manager
        .read_cookie(header.as_str(), name.as_str())?;
    Some(id.as_str().to_owned())
}

/// The value that was signed, or `null` when no secret signed it.
#[napi(catch_unwind)]
pub fn unsign(engine: u32, signed: Text) -> Option<String> {
    let engine = registry::engine(engine)?;
    engine.manager.unsign(signed.as_str()).map(str::to_owned)
}

/// What a cookie of the application's is sent with.
#[napi(object)]
#[derive(Debug, Default)]
pub struct AnyCookie {
    /// Whether it is signed by the first secret.
    pub signed: Option<bool>,
    /// How long it lives. Units: milliseconds.
    pub max_age: Option<f64>,
    /// Its path; `/` when there is none.
    pub path: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// Whether scripts are kept from reading it.
    pub http_only: Option<bool>,
    /// Whether it goes over https only.
    pub secure: Option<bool>,
}

/// The text of a `Set-Cookie` header.
#[napi(catch_unwind)]
pub fn serialise_cookie(
    engine: u32,
    name: String,
    value: Text,
    options: AnyCookie,
) -> Option<String> {
    let attributes = CookieOptions {
        name,
        path: Some(options.path.unwrap_or_else(|| "/".to_owned())),
        domain: options.domain,
        http_only: options.http_only.unwrap_or(false),
        secure: options.secure.unwrap_or(false),
        same_site: None,
        partitioned: false,
        priority: None,
        max_age: options.max_age.map(|millis| Millis(millis as i64)),
    };
    let engine = registry::engine(engine)?;
    Some(
        engine
            .manager
            .any_cookie(&attributes, value.as_str(), options.signed.unwrap_or(false)),
    )
}

/// Gives a session the id that a request's cookie names; a new one when it names none.
///
/// @param verified the session id that a cookie parser verified
#[napi(catch_unwind)]
pub fn identify_session(session: f64, engine: u32, cookie: Option<Text>, verified: Option<Text>) {
    let (Some(entry), Some(engine)) = (registry::entry(session), registry::engine(engine)) else {
        return;
    };
    if let Ok(visit) = super::opening::visit(&engine, cookie, verified)
        && visit.may_exist
    {
        let id = visit.session.id();
        entry.session.identify(id);
        entry.wire.replace(visit.wire.map(|wire| (id, wire)));
    }
}
