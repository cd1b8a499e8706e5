//! The options `trustProxy` and `trustProxyFn`.
//!
//! What the original does not document, and Positron, a framework above it, passes.

use crate::config::setting::{Options, Setting};
use crate::cookie::transport::Trust;
use crate::error::{Error, Result};

/// Whom to believe about `X-Forwarded-Proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustProxy {
    /// Nobody.
    Off,
    /// Every peer.
    Everyone,
    /// Proxies up to this many hops away, at least 1; the peer itself is the nearest.
    Hops(u32),
    /// Peers with certain addresses.
    Ranges(Trust),
    /// Those a function of the application's accepts: `trustProxyFn(address, hop)`, or else `trustProxy` itself.
    Function,
}

impl TrustProxy {
    /// Compat: `compileTrust` in `lib/util.js`. `trustProxyFn` stands in for `trustProxy` where that is truthy.
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let given = options.get("trustProxy");
        if given.is_falsy() {
            return Ok(TrustProxy::Off);
        }
        match options.get("trustProxyFn") {
            Setting::Function => return Ok(TrustProxy::Function),
            other if !other.is_falsy() => return Err(Error::config("trustProxyFn", "a function")),
            _ => (),
        }
        match given {
            Setting::Bool(true) => Ok(TrustProxy::Everyone),
            Setting::Function => Ok(TrustProxy::Function),
            Setting::Number(hops) if *hops > 0.0 => Ok(TrustProxy::Hops(hops.ceil() as u32)),
            Setting::Text(list) => {
                let items: Vec<_> = list.split(',').map(|item| item.trim_matches(' ')).collect();
                Trust::ranges(&items).map(TrustProxy::Ranges)
            }
            Setting::List(items) => {
                let items: Option<Vec<_>> = items.iter().map(text).collect();
                Trust::ranges(&items.ok_or_else(refused)?).map(TrustProxy::Ranges)
            }
            _ => Err(refused()),
        }
    }
}

fn text(item: &Setting) -> Option<&str> {
    match item {
        Setting::Text(text) => Some(text),
        _ => None,
    }
}

fn refused() -> Error {
    let allowed =
        "true, false, a number of hops (0 or more), a string or list of addresses, or a function";
    Error::config("trustProxy", allowed)
}
