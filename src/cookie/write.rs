//! Writing: from a session id to the text of a `Set-Cookie` header.
//!
//! Decides nothing about whether or when a cookie is sent.

use std::cell::RefCell;
use std::fmt;

use crate::clock::Millis;
use crate::cookie::date::http_date;
use crate::cookie::header::SIGNED;
use crate::cookie::keyring::{Keyring, SIGNATURE_CHARS};
use crate::cookie::{CookieOptions, Priority, SameSite};
use crate::session_id::{ID_CHARS, SessionId};

/// Most characters of a cookie's value as it travels: each `+` and `/` of a signature takes three.
pub const MAX_WIRE_CHARS: usize = "s%3A".len() + ID_CHARS + 1 + SIGNATURE_CHARS * 3;

/// The cookie's value for `id`, signed and encoded as it travels.
///
/// Shape: `s%3A`, the id, a dot, the signature with `+` as `%2B` and `/` as `%2F`.
pub fn wire_value(id: &SessionId, keyring: &Keyring) -> String {
    encoded(&keyring.sign(id.as_str()))
}

/// The cookie's value for a signed id.
pub(super) fn encoded(signed: &str) -> String {
    let mut wire = String::with_capacity(signed.len() + 16);
    encode_component(SIGNED, &mut wire);
    encode_component(signed, &mut wire);
    wire
}

/// A cookie's value as it travels: what JavaScript's `encodeURIComponent` gives.
pub fn encode(value: &str) -> String {
    let mut wire = String::with_capacity(value.len() + 16);
    encode_component(value, &mut wire);
    wire
}

/// What `encodeURIComponent` leaves as it is, by character.
const UNRESERVED: [bool; 256] = {
    let mut unreserved = [false; 256];
    let mut at = 0;
    while at < 256 {
        unreserved[at] = matches!(at as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
            || matches!(
                at as u8,
                b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
            );
        at += 1;
    }
    unreserved
};

/// Appends what JavaScript's `encodeURIComponent` gives for `text`.
fn encode_component(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let is_reserved = |byte: u8| !UNRESERVED[usize::from(byte)];
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_reserved) {
        // What stands before is of single bytes.
        out.push_str(&rest[..at]);
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        for byte in rest[at..at + width].bytes() {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        rest = &rest[at + width..];
    }
    out.push_str(rest);
}

/// Writes the `Set-Cookie` headers of one `NodeSession`; what never changes in them is put together once.
pub struct CookieWriter {
    name: String,
    max_age: Option<Millis>,
    /// `; Max-Age=…`, or nothing.
    max_age_text: String,
    /// `; Domain=…; Path=…`
    scope: String,
    /// `; HttpOnly; Secure; SameSite=…; Partitioned; Priority=…`
    flags: String,
    /// The second since 1970 that was formatted last, and its text: a busy server asks for the same one again.
    latest: RefCell<(i64, String)>,
}

impl CookieWriter {
    /// A writer of cookies with these attributes.
    pub fn new(options: &CookieOptions) -> Self {
        let seconds = |age: Millis| format!("; Max-Age={}", age.0.max(0) / 1000);
        Self {
            name: options.name.clone(),
            max_age: options.max_age,
            max_age_text: options.max_age.map_or_else(String::new, seconds),
            scope: scope(options),
            flags: flags(options),
            latest: RefCell::new((0, http_date(0))),
        }
    }

    /// The header that gives a browser the session.
    ///
    /// Shape: `name=value; Max-Age=…; Domain=…; Path=…; Expires=…; HttpOnly; Secure; SameSite=…; Partitioned;
    /// Priority=…`, each attribute only where it is set. `value` is already encoded. `Max-Age` is in whole seconds,
    /// rounded down; `Expires` is `now` and the age later.
    ///
    /// Compat: `serialize` of cookie 0.1.5, in order and spelling, then the attributes it does not know.
    /// Spec: RFC 6265 §4.1.
    pub fn set_cookie(&self, value: &str, now: Millis) -> String {
        let Some(max_age) = self.max_age else {
            return self.assemble(value, "", None);
        };
        let second = (now + max_age).0.div_euclid(1000);
        let mut latest = self.latest.borrow_mut();
        if latest.0 != second {
            *latest = (second, http_date(second));
        }
        self.assemble(value, &self.max_age_text, Some(&latest.1))
    }

    /// The header that takes the cookie away from a browser: no value, the same name, path, domain and flags.
    pub fn expired_cookie(&self) -> String {
        self.assemble("", "; Max-Age=0", Some(&http_date(0)))
    }

    fn assemble(&self, value: &str, max_age: &str, expires: Option<&str>) -> String {
        let (expires, date) = expires.map_or(("", ""), |date| ("; Expires=", date));
        let name = self.name.as_str();
        let parts = [
            name,
            "=",
            value,
            max_age,
            &self.scope,
            expires,
            date,
            &self.flags,
        ];
        parts.concat()
    }
}

impl fmt::Debug for CookieWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scope, .. } = self;
        write!(f, "CookieWriter({name}=…{scope}{})", self.flags)
    }
}

fn scope(options: &CookieOptions) -> String {
    let mut text = String::new();
    for (attribute, value) in [("Domain", &options.domain), ("Path", &options.path)] {
        if let Some(value) = value {
            text.extend(["; ", attribute, "=", value]);
        }
    }
    text
}

fn flags(options: &CookieOptions) -> String {
    let same_site = options.same_site.map(|same_site| match same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
    });
    let priority = options.priority.map(|priority| match priority {
        Priority::Low => "; Priority=Low",
        Priority::Medium => "; Priority=Medium",
        Priority::High => "; Priority=High",
    });
    let parts = [
        options.http_only.then_some("; HttpOnly"),
        options.secure.then_some("; Secure"),
        same_site,
        options.partitioned.then_some("; Partitioned"),
        priority,
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 21:24:48 UTC.
    const NOW: Millis = Millis(1_795_382_688_999);

    fn defaults() -> CookieOptions {
        CookieOptions {
            name: "node_session".to_owned(),
            path: Some("/".to_owned()),
            domain: None,
            http_only: true,
            secure: false,
            same_site: None,
            partitioned: false,
            priority: None,
            max_age: Some(Millis(300_000)),
        }
    }

    fn sent(change: impl FnOnce(&mut CookieOptions)) -> String {
        let mut options = defaults();
        change(&mut options);
        CookieWriter::new(&options).set_cookie("v", NOW)
    }

    #[test]
    fn the_value_on_the_wire_is_the_originals() {
        let keyring = Keyring::new(&[b"Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD".to_vec()]).unwrap();
        let id = SessionId::parse("6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx").unwrap();
        assert_eq!(
            wire_value(&id, &keyring),
            "s%3A6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j%2FA4D0yZlLVkNuZeym1KAu6s"
        );
    }

    #[test]
    fn components_are_encoded_as_javascript_does() {
        let mut out = String::new();
        encode_component("aZ09-_.!~*'() /+:%é\n", &mut out);
        assert_eq!(out, "aZ09-_.!~*'()%20%2F%2B%3A%25%C3%A9%0A");
    }

    #[test]
    fn attributes_come_in_the_originals_order_and_spelling() {
        let date = "Expires=Sun, 22 Nov 2026 21:29:48 GMT";
        assert_eq!(
            sent(|_| ()),
            format!("node_session=v; Max-Age=300; Path=/; {date}; HttpOnly")
        );
        assert_eq!(
            sent(|o| o.max_age = None),
            "node_session=v; Path=/; HttpOnly"
        );
        assert_eq!(
            sent(|o| {
                o.domain = Some(".example.com".to_owned());
                o.path = Some("/app".to_owned());
                o.http_only = false;
            }),
            format!("node_session=v; Max-Age=300; Domain=.example.com; Path=/app; {date}")
        );
        assert_eq!(
            sent(|o| o.secure = true),
            format!("node_session=v; Max-Age=300; Path=/; {date}; HttpOnly; Secure")
        );
        assert_eq!(
            sent(|o| o.path = None),
            format!("node_session=v; Max-Age=300; {date}; HttpOnly")
        );
    }

    #[test]
    fn attributes_the_original_does_not_know_come_last() {
        let extended = sent(|o| {
            o.max_age = None;
            o.secure = true;
            o.same_site = Some(SameSite::Lax);
            o.partitioned = true;
            o.priority = Some(Priority::High);
        });
        assert_eq!(
            extended,
            "node_session=v; Path=/; HttpOnly; Secure; SameSite=Lax; Partitioned; Priority=High"
        );
        let other = sent(|o| {
            (o.max_age, o.http_only) = (None, false);
            (o.same_site, o.priority) = (Some(SameSite::Strict), Some(Priority::Low));
        });
        assert_eq!(
            other,
            "node_session=v; Path=/; SameSite=Strict; Priority=Low"
        );
    }

    #[test]
    fn the_age_is_in_whole_seconds() {
        let aged = |age| sent(|o| (o.max_age, o.http_only) = (Some(Millis(age)), false));
        assert_eq!(
            aged(1500),
            "node_session=v; Max-Age=1; Path=/; Expires=Sun, 22 Nov 2026 21:24:50 GMT"
        );
        assert_eq!(
            aged(i64::MAX),
            "node_session=v; Max-Age=9223372036854775; Path=/; Expires=Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    #[test]
    fn a_writer_asked_again_later_gives_the_later_date() {
        let writer = CookieWriter::new(&defaults());
        let first = writer.set_cookie("v", Millis(0));
        assert!(first.contains("Expires=Thu, 01 Jan 1970 00:05:00 GMT"));
        assert_eq!(writer.set_cookie("v", Millis(999)), first);
        let later = writer.set_cookie("v", Millis(1000));
        assert!(later.contains("Expires=Thu, 01 Jan 1970 00:05:01 GMT"));
    }

    #[test]
    fn an_expired_cookie_keeps_name_scope_and_flags() {
        let mut options = defaults();
        options.domain = Some("example.com".to_owned());
        options.secure = true;
        options.same_site = Some(SameSite::None);
        assert_eq!(
            CookieWriter::new(&options).expired_cookie(),
            "node_session=; Max-Age=0; Domain=example.com; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             HttpOnly; Secure; SameSite=None"
        );
    }
}
