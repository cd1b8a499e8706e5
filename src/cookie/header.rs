//! Reading: from a raw `Cookie` header to the session id it carries.
//!
//! Looks for one name only and never fails: a visitor cannot cause an error here. Whether the session exists is not
//! its question.

use crate::cookie::keyring::{Keyring, SIGNATURE_CHARS};
use crate::cookie::write;
use crate::session_id::{ID_CHARS, SessionId};

/// What marks a cookie's value as signed.
pub(super) const SIGNED: &str = "s:";
/// Characters in a cookie's value, decoded.
const VALUE_CHARS: usize = SIGNED.len() + ID_CHARS + 1 + SIGNATURE_CHARS;
/// Most signatures that one header is checked for.
///
/// A planted cookie of our name must not push the good one out of sight, and Node's header limit of 16 KiB holds no
/// more well-formed ones than this; beyond it, a header buys no more work.
const MAX_CANDIDATES: usize = 16 * 1024 / (VALUE_CHARS + "a=;".len());

/// The session id that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The id, rightly signed.
    pub id: SessionId,
    /// The cookie's encoded value, to be sent back as it is; `None` when it is due for a new signature, because an
    /// older secret than the first signed it.
    pub wire: Option<String>,
}

/// Finds the session id under `name` in a `Cookie` header.
///
/// Shape: pairs are parted by `;`, values may be quoted or percent-encoded; decoded, a value is `s:`, a 40-character
/// id, a dot and the signature. Of several cookies of that name the first valid one counts. Time is linear in the
/// header's length.
///
/// Compat: `__getCookie` in `index.js` with the parser of cookie 0.1.5, which looks at the first one only, and so lets
/// a bad one planted from elsewhere hide the good one.
pub fn read(header: &str, name: &str, keyring: &Keyring) -> Option<Found> {
    let mut decoded = [0; VALUE_CHARS];
    let mut checked = 0;
    for value in values(header, name) {
        let Some(text) = decode(value, &mut decoded) else {
            continue;
        };
        let Some(signed) = text.strip_prefix(SIGNED) else {
            continue;
        };
        if let Some(found) = verify(signed, keyring) {
            return Some(found);
        }
        checked += 1;
        if checked == MAX_CANDIDATES {
            break;
        }
    }
    None
}

fn verify(signed: &str, keyring: &Keyring) -> Option<Found> {
    let verified = keyring.verify(signed)?;
    let id = SessionId::parse(verified.value)?;
    let wire = verified.by_first.then(|| write::encoded(signed));
    Some(Found { id, wire })
}

/// The values under `name`, in order, trimmed and without quotes, not yet decoded.
///
/// Looks for the name and then at what surrounds it, which passes over other cookies at the speed of a text search. An
/// occurrence is a cookie's name if only blanks part it from the `;` before it and the `=` after it.
fn values<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.match_indices(name).filter_map(|(at, name)| {
        let before = header[..at].trim_end_matches(is_blank);
        if !(before.is_empty() || before.ends_with(';')) {
            return None;
        }
        let after = header[at + name.len()..].trim_start_matches(is_blank);
        let value = after.strip_prefix('=')?.split(';').next()?;
        Some(unquote(value.trim_matches(is_blank)))
    })
}

/// What JavaScript's `trim` takes away.
fn is_blank(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// A value that begins with a quote, without its first and last character, whatever the last one is.
fn unquote(value: &str) -> &str {
    let Some(rest) = value.strip_prefix('"') else {
        return value;
    };
    let mut inner = rest.chars();
    inner.next_back();
    inner.as_str()
}

/// The percent-decoded value, if it has the length of a signed id and is ASCII.
///
/// Compat: the original keeps a value that cannot be decoded as it is. Such a value holds a `%`, which neither an id
/// nor a signature does, so nothing is lost by refusing it here.
fn decode<'a>(value: &str, decoded: &'a mut [u8; VALUE_CHARS]) -> Option<&'a str> {
    let mut bytes = value.bytes();
    for slot in decoded.iter_mut() {
        *slot = match bytes.next()? {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        };
    }
    let whole = bytes.next().is_none() && decoded.is_ascii();
    std::str::from_utf8(decoded).ok().filter(|_| whole)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD";
    const ID: &str = "6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx";
    const PLAIN: &str =
        "s:6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j/A4D0yZlLVkNuZeym1KAu6s";
    const WIRE: &str = "s%3A6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j%2FA4D0yZlLVkNuZeym1KAu6s";

    fn keyring() -> Keyring {
        Keyring::new(&[SECRET.to_vec()]).unwrap()
    }

    fn id_in(header: &str) -> Option<String> {
        let found = read(header, "node_session", &keyring())?;
        Some(found.id.as_str().to_owned())
    }

    #[test]
    fn every_spelling_the_original_accepts_is_read() {
        let everything_encoded: String = PLAIN.bytes().map(|b| format!("%{b:02x}")).collect();
        for header in [
            format!("node_session={WIRE}"),
            format!("node_session={PLAIN}"),
            format!("node_session=\"{WIRE}\""),
            format!("node_session=\"{PLAIN}\""),
            format!("node_session=\"{PLAIN}x"),
            format!("node_session={everything_encoded}"),
            format!("node_session={}", WIRE.replace("%2F", "%2f")),
            format!("  node_session \t= \u{a0}{WIRE}\u{feff} "),
            format!("a=b;node_session={WIRE}"),
            format!("a=b;   node_session={WIRE};c"),
            format!("; =;;flag; node_session={WIRE};"),
        ] {
            assert_eq!(id_in(&header).as_deref(), Some(ID), "{header}");
        }
    }

    #[test]
    fn what_the_original_refuses_is_refused() {
        let keyring = keyring();
        let escape = format!("s:{}", keyring.sign("../../etc/passwd"));
        let newline = format!("s:{}", keyring.sign(&format!("{}\n", &ID[1..])));
        for header in [
            String::new(),
            "node_session".to_owned(),
            "node_session=".to_owned(),
            "node_session=\"".to_owned(),
            "node_session=%".to_owned(),
            "node_session=%é".to_owned(),
            format!("node_session={ID}"),
            format!("node_session=s:{ID}"),
            format!("node_session={}", &PLAIN[2..]),
            format!("node_session=S{}", &PLAIN[1..]),
            format!("node_session={WIRE}="),
            format!("node_session={WIRE}%3D"),
            format!("node_session={}t", &WIRE[..WIRE.len() - 1]),
            format!("node_session={}", WIRE.replace("%2F", "%2")),
            format!("node_session={}", WIRE.replace("%2F", "%252F")),
            format!("node_session={}", WIRE.replace("%3A", "%+A")),
            format!("node_session={}", WIRE.replace("%3A", "%ff")),
            format!("node_session={escape}"),
            format!("node_session={newline}"),
            format!("Node_Session={WIRE}"),
            format!("xnode_session={WIRE}"),
            format!("a=b, node_session={WIRE}"),
            format!("a=node_session={WIRE}"),
            format!("a= node_session={WIRE}"),
            format!("node_session node_session={WIRE}"),
            format!("node_session; ={WIRE}"),
        ] {
            assert_eq!(id_in(&header), None, "{header}");
        }
    }

    #[test]
    fn of_several_cookies_the_first_valid_one_counts() {
        let forged = WIRE.replace("6nZA", "AAAA");
        let other = "B".repeat(ID_CHARS);
        let second = keyring().sign(&other);
        let header = format!("node_session={forged}; node_session={WIRE}; node_session=s:{second}");
        assert_eq!(id_in(&header).as_deref(), Some(ID));
        let header = format!("node_session=; node_session=s:{second}; node_session={WIRE}");
        assert_eq!(id_in(&header), Some(other));
    }

    #[test]
    fn a_cookie_signed_by_the_first_secret_goes_back_as_it_came() {
        let found = |value: &str, keyring: &Keyring| {
            read(&format!("sid={value}"), "sid", keyring).unwrap().wire
        };
        assert_eq!(found(WIRE, &keyring()).as_deref(), Some(WIRE));
        assert_eq!(found(PLAIN, &keyring()).as_deref(), Some(WIRE));
        let rotated = Keyring::new(&[b"new".to_vec(), SECRET.to_vec()]).unwrap();
        assert_eq!(found(WIRE, &rotated), None);
    }

    #[test]
    fn names_that_objects_inherit_are_ordinary_names() {
        for name in ["__proto__", "toString", "constructor"] {
            let header = format!("{name}={WIRE}");
            assert!(read(&header, name, &keyring()).is_some(), "{name}");
        }
    }

    #[test]
    fn a_header_full_of_forgeries_costs_a_bounded_number_of_signatures() {
        let forged = format!("node_session={};", WIRE.replace("6nZA", "AAAA"));
        let good = format!("node_session={WIRE}");
        let within = forged.repeat(MAX_CANDIDATES - 1) + &good;
        assert_eq!(id_in(&within).as_deref(), Some(ID));
        let beyond = forged.repeat(MAX_CANDIDATES) + &good;
        assert_eq!(id_in(&beyond), None);
    }

    #[test]
    fn cookies_that_cannot_be_ours_do_not_use_up_the_bound() {
        let header = "node_session=x;".repeat(100_000) + &format!("node_session={WIRE}");
        assert_eq!(id_in(&header).as_deref(), Some(ID));
        let header = "a=b; node_session ;c==\"".repeat(50_000) + &format!(";node_session={WIRE}");
        assert_eq!(id_in(&header).as_deref(), Some(ID));
    }

    /// Reading any of these in more than linear time would take minutes.
    #[test]
    fn a_header_of_a_megabyte_is_read_in_linear_time() {
        let blanks = " ".repeat(100);
        let pairs = [
            "a=b; ", "sid", "sid=", "sid ", "sid;", "sid=;", "\"sid", "sid=%", &blanks,
        ];
        for pair in pairs {
            let header = pair.repeat(1_000_000 / pair.len());
            assert_eq!(read(&header, "sid", &keyring()), None);
            assert_eq!(read(&format!("{header}sid=;"), "sid", &keyring()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_causes_an_error(header in "\\PC*", tail in "[%;=\" s:.a-f0-9]*") {
            let header = format!("{header}; node_session={tail}");
            assert_eq!(id_in(&header), None);
        }
    }
}
