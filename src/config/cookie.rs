//! The options of the cookie: its name, its attributes and its age.
//!
//! Makes sure that what is written on the wire is what was meant: nothing here can break out of its attribute.

use crate::clock::Millis;
use crate::config::setting::{Options, Setting};
use crate::cookie::write::MAX_WIRE_CHARS;
use crate::cookie::{CookieOptions, Priority, SameSite};
use crate::error::{Error, Result};

/// Most characters of a cookie's name and value together, and of one attribute. Spec: RFC 6265bis §5.5.
const MAX_NAME_AND_VALUE: usize = 4096;
const MAX_ATTRIBUTE: usize = 1024;
const MAX_NAME: usize = MAX_NAME_AND_VALUE - MAX_WIRE_CHARS;

/// Reads the options of the cookie.
pub(super) fn parse(options: &Options, lifetime: Millis) -> Result<CookieOptions> {
    let persistent = !options.truth("expireOnClose", false)? && lifetime != Millis(0);
    let cookie = CookieOptions {
        name: name(options)?,
        path: path(options)?,
        domain: domain(options)?,
        http_only: options.truth("httpOnly", true)?,
        secure: options.truth("secure", false)?,
        same_site: same_site(options)?,
        partitioned: options.switch("partitioned", false)?,
        priority: priority(options)?,
        max_age: persistent.then_some(lifetime),
    };
    check_secure(&cookie)?;
    check_host(&cookie)?;
    Ok(cookie)
}

/// What browsers throw away unless the cookie is `Secure`.
fn check_secure(cookie: &CookieOptions) -> Result<()> {
    let reason = if has_prefix(cookie, "__Host-") {
        "the cookie's name begins with `__Host-`"
    } else if has_prefix(cookie, "__Secure-") {
        "the cookie's name begins with `__Secure-`"
    } else if cookie.same_site == Some(SameSite::None) {
        "`sameSite` is 'none'"
    } else if cookie.partitioned {
        "`partitioned` is true"
    } else {
        return Ok(());
    };
    if cookie.secure {
        return Ok(());
    }
    Err(Error::config("secure", format!("true, because {reason}")))
}

/// What browsers throw away because of its name. Spec: RFC 6265bis §4.1.3.
fn check_host(cookie: &CookieOptions) -> Result<()> {
    let because = "because the cookie's name begins with `__Host-`";
    if !has_prefix(cookie, "__Host-") {
        Ok(())
    } else if cookie.path.as_deref() != Some("/") {
        Err(Error::config("path", format!("'/', {because}")))
    } else if cookie.domain.is_some() {
        Err(Error::config("domain", format!("null, {because}")))
    } else {
        Ok(())
    }
}

/// Browsers look at these prefixes without regard to case.
fn has_prefix(cookie: &CookieOptions, prefix: &str) -> bool {
    let start = cookie.name.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn name(options: &Options) -> Result<String> {
    match options.get("cookie") {
        Setting::Undefined => Ok("node_session".to_owned()),
        Setting::Text(name) if is_token(name) && name.len() <= MAX_NAME => Ok(name.clone()),
        given => {
            let mut allowed = format!(
                "a cookie's name: up to {MAX_NAME} letters, digits and any of !#$%&'*+-.^_`|~"
            );
            if matches!(given, Setting::Map(_)) {
                allowed += "; what express-session has in it stands beside it here, and `maxAge` is `lifetime`";
            }
            Err(Error::config("cookie", allowed))
        }
    }
}

/// Spec: RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Compat: `null` is the whole site; `''` leaves the attribute away.
fn path(options: &Options) -> Result<Option<String>> {
    match options.get("path") {
        Setting::Undefined | Setting::Null => Ok(Some("/".to_owned())),
        given => attribute("path", given),
    }
}

fn domain(options: &Options) -> Result<Option<String>> {
    attribute("domain", options.get("domain"))
}

/// The text of an attribute; none for what JavaScript takes for false.
fn attribute(option: &str, given: &Setting) -> Result<Option<String>> {
    let allowed = |b: u8| matches!(b, b' '..=b'~') && b != b';';
    match given {
        given if given.is_falsy() => Ok(None),
        Setting::Text(text) if text.len() <= MAX_ATTRIBUTE && text.bytes().all(allowed) => {
            Ok(Some(text.clone()))
        }
        _ => {
            let allowed = format!("up to {MAX_ATTRIBUTE} printable ASCII characters other than ;");
            Err(Error::config(option, allowed))
        }
    }
}

fn same_site(options: &Options) -> Result<Option<SameSite>> {
    let known = [
        ("lax", SameSite::Lax),
        ("strict", SameSite::Strict),
        ("none", SameSite::None),
    ];
    let chosen = match options.get("sameSite") {
        Setting::Undefined | Setting::Null | Setting::Bool(false) => return Ok(None),
        Setting::Bool(true) => Some(SameSite::Strict),
        given => choice(given, &known),
    };
    let allowed = "true (which is 'strict'), false, 'lax', 'strict' or 'none'";
    chosen
        .map(Some)
        .ok_or_else(|| Error::config("sameSite", allowed))
}

fn priority(options: &Options) -> Result<Option<Priority>> {
    let known = [
        ("low", Priority::Low),
        ("medium", Priority::Medium),
        ("high", Priority::High),
    ];
    let chosen = match options.get("priority") {
        Setting::Undefined | Setting::Null => return Ok(None),
        given => choice(given, &known),
    };
    let allowed = "'low', 'medium' or 'high'";
    chosen
        .map(Some)
        .ok_or_else(|| Error::config("priority", allowed))
}

/// The choice of this name, in any case.
fn choice<T: Copy>(given: &Setting, known: &[(&str, T)]) -> Option<T> {
    let Setting::Text(text) = given else {
        return None;
    };
    let named = known
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    named.map(|(_, choice)| *choice)
}
