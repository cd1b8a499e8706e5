//! The option `secret`.
//!
//! Holds the secrets as given; keys are derived from them elsewhere.

use std::fmt;

use zeroize::Zeroize;

use crate::config::setting::{Options, Setting};
use crate::cookie::keyring::SECRET_REQUIRED;
use crate::error::{Code, Error, Result};

/// Bytes below which a secret is worth a warning: the strength of HMAC-SHA256.
const STRONG: usize = 32;

/// The secrets in order: the first signs and seals, all verify and unseal.
///
/// Never empty, and no secret in it is. Wiped from memory when dropped, and never printed.
pub struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// All of them; text as its UTF-8 bytes.
    pub fn all(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Reads a string, bytes, or a list of those, newest first.
    pub(super) fn parse(options: &Options, warnings: &mut Vec<String>) -> Result<Self> {
        let given = options.get("secret");
        if given.is_falsy() {
            return Err(Error::new(Code::Config, SECRET_REQUIRED));
        }
        let entries = match given {
            Setting::List(entries) => entries.as_slice(),
            single => std::slice::from_ref(single),
        };
        let mut secrets = Secrets(Vec::with_capacity(entries.len()));
        for entry in entries {
            secrets.0.push(secret(entry).ok_or_else(refused)?.to_vec());
        }
        if secrets.0.is_empty() {
            return Err(refused());
        }
        if secrets.0.iter().any(|secret| secret.len() < STRONG) {
            warnings.push(format!(
                "option `secret` should be at least {STRONG} random bytes long"
            ));
        }
        Ok(secrets)
    }
}

fn secret(entry: &Setting) -> Option<&[u8]> {
    let bytes = match entry {
        Setting::Text(text) => text.as_bytes(),
        Setting::Bytes(bytes) => bytes,
        _ => return None,
    };
    (!bytes.is_empty()).then_some(bytes)
}

fn refused() -> Error {
    let allowed = "a string, a Buffer, or a list of those, newest first, none of them empty";
    Error::config("secret", allowed)
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({}, **redacted**)", self.0.len())
    }
}
