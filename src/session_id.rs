//! Session ids: the 40 characters that name a session.
//!
//! Knows nothing of signatures or cookies, only of the id itself.

use std::cell::RefCell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::error::{Code, Error, Result};

/// Random bytes in a session id: 240 bits, which is 40 base64 characters.
///
/// Compat: `uid(30)` in `lib/store/Store.js`, and what `__isValidId` insists on.
const ID_BYTES: usize = 30;
/// Characters in a session id.
pub const ID_CHARS: usize = 40;
const _: () = assert!(ID_BYTES.div_ceil(3) * 4 == ID_CHARS);

/// The name of one session.
///
/// Shape: exactly 40 characters of `A-Z a-z 0-9 - _`. Printing one shows its first six characters only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; ID_CHARS]);

impl SessionId {
    /// Returns `None` unless `text` is exactly 40 URL-safe base64 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; ID_CHARS] = text.as_bytes().try_into().ok()?;
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
        bytes.iter().all(allowed).then_some(Self(bytes))
    }

    /// A new id from the operating system's random source.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_INTERNAL` when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        random_bytes().map(|random| Self::of_bytes(&random))
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let mut text = [0u8; ID_CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(ID_CHARS));
        Self(text)
    }

    /// The id that stands for a name which another library gave a session, of any length and any characters: 240 bits of its
    /// SHA-256. Another name never has the same one.
    pub fn standing_for(name: &str) -> Self {
        Self::of_bytes(&Sha256::digest(name)[..ID_BYTES])
    }

    /// The 40 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is ASCII")
    }

    /// The bits that the characters stand for.
    pub fn packed(&self) -> PackedId {
        let mut bytes = [0u8; ID_BYTES];
        URL_SAFE_NO_PAD
            .decode_slice(self.0, &mut bytes)
            .expect("an id is base64 of as many bytes");
        PackedId(bytes)
    }
}

/// A session id in three quarters of the room: 30 bytes, every one of which can have any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PackedId([u8; ID_BYTES]);

impl PackedId {
    /// The id that was packed.
    pub fn unpacked(&self) -> SessionId {
        SessionId::of_bytes(&self.0)
    }
}

impl fmt::Debug for PackedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpacked().fmt(f)
    }
}

/// Random bytes that a thread asks the system for at a time: a call costs more than the bytes it gives.
const DRAWN: usize = ID_BYTES * 64;

thread_local! {
    /// Random bytes that have not been used yet, and how many are left of them.
    static RANDOM: RefCell<([u8; DRAWN], usize)> = const { RefCell::new(([0; DRAWN], 0)) };
}

/// Bytes from the operating system's random source. None is given twice; used ones are overwritten.
fn random_bytes() -> Result<[u8; ID_BYTES]> {
    RANDOM.with(|random| {
        let (bytes, left) = &mut *random.borrow_mut();
        if *left == 0 {
            getrandom::fill(bytes).map_err(|error| {
                Error::new(Code::Internal, "cannot read random bytes").because(error, None)
            })?;
            *left = DRAWN;
        }
        let from = *left - ID_BYTES;
        let mut drawn = [0u8; ID_BYTES];
        drawn.copy_from_slice(&bytes[from..*left]);
        bytes[from..*left].fill(0);
        *left = from;
        Ok(drawn)
    })
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", &self.as_str()[..6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx";

    #[test]
    fn only_forty_url_safe_characters_are_an_id() {
        assert_eq!(SessionId::parse(GOOD).unwrap().as_str(), GOOD);
        for bad in [
            "",
            &GOOD[1..],
            &format!("{GOOD}a"),
            &GOOD.replace('-', "/"),
            &GOOD.replace('-', "."),
            &GOOD.replace('-', "\0"),
            &GOOD.replace("-U", "é"),
            &format!("{}\n", &GOOD[1..]),
        ] {
            assert!(SessionId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_the_same_after_it_was_packed() {
        let (lowest, highest) = ("A".repeat(ID_CHARS), "_".repeat(ID_CHARS));
        for text in [GOOD, &lowest, &highest] {
            let id = SessionId::parse(text).unwrap();
            assert_eq!(id.packed().unpacked(), id);
            assert_eq!(format!("{:?}", id.packed()), format!("{id:?}"));
        }
        assert_ne!(
            SessionId::parse(&lowest).unwrap().packed(),
            SessionId::parse(&highest).unwrap().packed()
        );
    }

    #[test]
    fn generated_ids_are_valid_and_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000)
            .map(|_| SessionId::generate().unwrap())
            .collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| SessionId::parse(id.as_str()).is_some()));
    }

    #[test]
    fn a_name_of_any_shape_has_an_id_of_its_own() {
        // printf %s abc | openssl dgst -sha256 -binary | head -c 30 | base64 | tr +/ -_
        let known = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIA";
        assert_eq!(SessionId::standing_for("abc").as_str(), known);
        let long = "x".repeat(10_000);
        let names = ["", "a", "A", "é", "a b", &long];
        let ids: std::collections::HashSet<_> =
            names.into_iter().map(SessionId::standing_for).collect();
        assert_eq!(ids.len(), names.len());
    }

    #[test]
    fn printing_an_id_does_not_reveal_it() {
        let shown = format!("{:?}", SessionId::parse(GOOD).unwrap());
        assert_eq!(shown, "SessionId(6nZA4-…)");
    }
}
