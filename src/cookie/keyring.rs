//! The keyring of cookie signatures: the first secret signs, every secret verifies.
//!
//! Knows nothing of what it signs; sealing payloads is another ring's business, with keys of its own.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::{Code, Error, Result};

/// Bytes in an HMAC-SHA256.
const MAC_BYTES: usize = 32;
/// Characters in a signature: the MAC as base64 without padding.
pub const SIGNATURE_CHARS: usize = 43;
const _: () = assert!((MAC_BYTES * 8).div_ceil(6) == SIGNATURE_CHARS);

/// What refuses a `NodeSession` without a secret.
///
/// Compat: the message of `NodeSession` in `index.js`, word for word.
pub const SECRET_REQUIRED: &str = "secret option required for sessions";

/// An ordered list of secrets, ready to sign. Holds at least one.
pub struct Keyring {
    /// HMAC states that have taken in their secret: a signature then costs two blocks of SHA-256 less.
    keys: Vec<Hmac<Sha256>>,
}

/// A signed text whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// What was signed.
    pub value: &'a str,
    /// Whether the first secret signed it: otherwise it is due for a new signature.
    pub by_first: bool,
}

impl Keyring {
    /// A keyring whose first secret signs. Any length of secret is taken; text counts as its UTF-8 bytes.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` when there is no secret.
    pub fn new(secrets: &[Vec<u8>]) -> Result<Self> {
        if secrets.is_empty() {
            return Err(Error::new(Code::Config, SECRET_REQUIRED));
        }
        let key = |secret: &Vec<u8>| {
            Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes secrets of any length")
        };
        Ok(Self {
            keys: secrets.iter().map(key).collect(),
        })
    }

    /// The value, a dot, and its signature under the first secret.
    ///
    /// Shape: the signature is standard base64 without padding, `+` and `/` included.
    ///
    /// Compat: `sign` of cookie-signature 1.2.2.
    pub fn sign(&self, value: &str) -> String {
        let mut signed = String::with_capacity(value.len() + 1 + SIGNATURE_CHARS);
        signed.push_str(value);
        signed.push('.');
        let signature = signature(&self.keys[0], value);
        signed.push_str(std::str::from_utf8(&signature).expect("base64 is ASCII"));
        signed
    }

    /// What was signed, if the text after the last dot is its signature under one of the secrets.
    ///
    /// Signatures are compared as text, whole and in constant time, so a signature has one spelling only: padding,
    /// other alphabets and stray bits in the last character are refused.
    ///
    /// Compat: `unsign` of cookie-signature 1.2.2.
    pub fn verify<'a>(&self, signed: &'a str) -> Option<Verified<'a>> {
        let (value, given) = signed.rsplit_once('.')?;
        let matches =
            |key: &Hmac<Sha256>| bool::from(signature(key, value).ct_eq(given.as_bytes()));
        let position = self.keys.iter().position(matches)?;
        Some(Verified {
            value,
            by_first: position == 0,
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} secrets, **redacted**)", self.keys.len())
    }
}

fn signature(key: &Hmac<Sha256>, value: &str) -> [u8; SIGNATURE_CHARS] {
    let mac = key.clone().chain_update(value).finalize().into_bytes();
    let mut text = [0; SIGNATURE_CHARS];
    let written = STANDARD_NO_PAD.encode_slice(mac, &mut text);
    debug_assert_eq!(written, Ok(SIGNATURE_CHARS));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(secrets: &[&str]) -> Keyring {
        let secrets: Vec<_> = secrets.iter().map(|s| s.as_bytes().to_vec()).collect();
        Keyring::new(&secrets).unwrap()
    }

    #[test]
    fn signatures_are_those_of_cookie_signature() {
        for (value, secret, signed) in [
            (
                "a",
                "secret",
                "a.QEjESRGRYEP/YmiV/3jFJidkaFtsuaA84HiGqe/7kkw",
            ),
            ("a", "clé", "a.Au+ZNBfVhNNsF3F2+Ezkx60tz8CGus4bud7jNNsvn9E"),
            (
                "6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx",
                "Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD",
                "6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j/A4D0yZlLVkNuZeym1KAu6s",
            ),
        ] {
            assert_eq!(keyring(&[secret]).sign(value), signed);
            let verified = keyring(&[secret]).verify(signed).unwrap();
            assert_eq!((verified.value, verified.by_first), (value, true));
        }
    }

    #[test]
    fn the_value_ends_at_the_last_dot() {
        let keyring = keyring(&["k"]);
        let signed = keyring.sign("a.b.c");
        assert_eq!(keyring.verify(&signed).unwrap().value, "a.b.c");
        assert_eq!(keyring.verify(""), None);
        assert_eq!(keyring.verify("nodot"), None);
        assert_eq!(keyring.verify("a."), None);
    }

    #[test]
    fn a_signature_has_one_spelling_only() {
        let keyring = keyring(&["secret"]);
        let signed = "a.QEjESRGRYEP/YmiV/3jFJidkaFtsuaA84HiGqe/7kkw";
        assert!(keyring.verify(signed).is_some());
        let last_bits = format!("{}x", &signed[..signed.len() - 1]);
        for bad in [
            format!("{signed}="),
            format!("{signed}A"),
            format!("{signed} "),
            format!("{signed}\0"),
            format!("b{signed}"),
            signed.to_uppercase(),
            signed.replace('/', "_"),
            signed.replace('/', "%2F"),
            signed[..signed.len() - 1].to_owned(),
            last_bits,
        ] {
            assert_eq!(keyring.verify(&bad), None, "{bad}");
        }
    }

    #[test]
    fn every_changed_character_of_a_signature_is_refused() {
        let keyring = keyring(&["secret"]);
        let signed = keyring.sign("a");
        for at in 0..signed.len() {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(keyring.verify(&changed), None, "{changed}");
        }
    }

    #[test]
    fn the_first_secret_signs_and_every_secret_verifies() {
        let (old, new) = (keyring(&["old"]), keyring(&["new", "old"]));
        assert_eq!(new.sign("a"), keyring(&["new"]).sign("a"));
        assert!(new.verify(&new.sign("a")).unwrap().by_first);
        assert!(!new.verify(&old.sign("a")).unwrap().by_first);
        assert_eq!(old.verify(&new.sign("a")), None);
    }

    #[test]
    fn a_keyring_holds_at_least_one_secret() {
        let error = Keyring::new(&[]).unwrap_err();
        assert_eq!(error.message(), SECRET_REQUIRED);
    }

    #[test]
    fn printing_a_keyring_does_not_reveal_it() {
        let shown = format!("{:?}", keyring(&["canary", "bird"]));
        assert_eq!(shown, "Keyring(2 secrets, **redacted**)");
    }
}
