//! The session cookie: header text to and from a session id.
//!
//! Does no I/O, reads no clock and knows nothing of storage; it is given texts, secrets and `Millis`.
//!
//! ```text
//! 6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx                                    the session id
//! s:6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEX…KAu6s                 the cookie's value: `s:` id `.` signature
//! node_session=s%3A6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEX…KAu6s  on the wire, percent-encoded
//! ```

mod date;
pub mod header;
pub mod keyring;
pub mod transport;
pub mod write;

use crate::clock::Millis;

/// What the session cookie is called, and the attributes it is sent with.
///
/// Texts are put on the wire as they are: whoever makes one of these has checked them (see `config`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    /// The cookie's name, a token. Case counts.
    pub name: String,
    /// `Path`; `None` sends no such attribute.
    pub path: Option<String>,
    /// `Domain`; `None` sends no such attribute.
    pub domain: Option<String>,
    /// Whether scripts in the page are kept from reading the cookie.
    pub http_only: bool,
    /// Whether browsers send the cookie over https only.
    pub secure: bool,
    /// `SameSite`; `None` sends no such attribute.
    pub same_site: Option<SameSite>,
    /// Whether embedded pages get a cookie jar per top-level site.
    pub partitioned: bool,
    /// `Priority`; `None` sends no such attribute.
    pub priority: Option<Priority>,
    /// How long a browser keeps the cookie, from the response that carries it. Units: milliseconds.
    /// `None` keeps it until the browser closes.
    pub max_age: Option<Millis>,
}

/// Which cross-site requests carry the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None of them.
    Strict,
    /// Only navigation to this site.
    Lax,
    /// All of them.
    None,
}

/// Which cookies a browser with too many of them keeps longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Thrown away first.
    Low,
    /// As without the attribute.
    Medium,
    /// Thrown away last.
    High,
}
