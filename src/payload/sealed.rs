//! The sealed payload: text under AES-256-GCM, with a key for each payload.
//!
//! Knows nothing of JSON, cookies or storage. The layout, all of it ASCII that JSON and SQL leave unescaped:
//!
//! ```text
//! ns1.  kkkkkkkk  .  rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr  cccccccc…
//! │     │            │                                 └ ciphertext ‖ tag: as many bytes as the text, and 16
//! │     │            └ 24 random bytes, 32 characters: the first 12 choose the key, the last 12 are the nonce
//! │     └ key id: 6 bytes that tell which secret sealed it, 8 characters
//! └ the version of this layout
//!
//! k, r, c      base64url without padding; r and c are one base64 text, since 24 bytes fill 32 characters
//! master key   HKDF-Extract-SHA-256(salt = "node-session payload 1", secret)
//! key id       HKDF-Expand(master key, "key id", 6 bytes)
//! payload key  HKDF-Expand(master key, "payload key" ‖ session id ‖ first 12 random bytes, 32 bytes)
//! associated   "ns1.", key id (its 8 characters), cookie name, session id;
//! data         before each of the four its length in bytes, as 8 bytes, big-endian
//! ```
//!
//! Bound: GCM with random nonces seals at most 2³² texts under one key (NIST SP 800-38D §8.3). Every payload has a key
//! of its own, chosen by 96 random bits, so that no key ever comes near that many.
//!
//! Not defended: whoever can write to the storage can put back an older payload of the same session.

use std::fmt;

use aes_gcm::{AeadInOut, Aes256Gcm, Key, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::legacy;
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

/// What every sealed payload begins with. No JSON text does.
const VERSION: &str = "ns1.";
/// The salt of the master key: keeps it apart from all else that is made from the same secret, such as signatures.
const SALT: &[u8] = b"node-session payload 1";
/// 48 bits: a second secret of a ring has the same key id once in 10¹⁴, and then both are tried.
const KEY_ID_BYTES: usize = 6;
const KEY_ID_CHARS: usize = 8;
const _: () = assert!(KEY_ID_BYTES * 4 == KEY_ID_CHARS * 3);
/// The nonce for which GCM is defined without hashing it first.
const NONCE_BYTES: usize = 12;
/// What chooses a payload's key, and its nonce.
const RANDOM_BYTES: usize = 12 + NONCE_BYTES;
const RANDOM_CHARS: usize = 32;
const _: () = assert!(RANDOM_BYTES * 4 == RANDOM_CHARS * 3);
const TAG_BYTES: usize = 16;
const PAYLOAD_KEY_BYTES: usize = 32;

/// Whether `payload` says of itself that it is sealed. It is not authenticated by that.
pub(super) fn is_sealed(payload: &str) -> bool {
    payload.starts_with(VERSION)
}

/// Seals and unseals payloads with the secrets of one application.
///
/// Printing one shows no secret; what it holds of the secrets is overwritten when it is dropped.
pub struct Sealer {
    /// The first seals, all unseal.
    keys: Vec<MasterKey>,
    /// For the payloads of the original; empty when they are not to be read.
    originals: Vec<legacy::Keys>,
}

/// What `unseal` gives. Printing it shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsealed {
    /// The text that was sealed.
    pub text: String,
    /// Sealed by an older secret or in the original's format: to be sealed anew at the next save.
    pub stale: bool,
}

impl Sealer {
    /// A sealer for one cookie name.
    ///
    /// Shape: of `secrets` the first seals and all unseal; bytes of any kind and number. `cookie_name` is bound to
    /// each payload, so that two applications with the same secret do not read each other's. `legacy`: also read
    /// the payloads of the original, which are bound to neither cookie name nor session id.
    pub fn new(secrets: &[Vec<u8>], cookie_name: &str, legacy: bool) -> Self {
        let originals = if legacy { secrets } else { &[] };
        Self {
            keys: secrets
                .iter()
                .map(|secret| MasterKey::new(secret, cookie_name))
                .collect(),
            originals: originals
                .iter()
                .map(|secret| legacy::Keys::new(secret))
                .collect(),
        }
    }

    /// Seals `text` for the session `id`. Two payloads of the same text differ.
    ///
    /// Shape: see the top of this file; ASCII, at most 51 characters more than four thirds of the text's bytes.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` without a secret, `ERR_SESSION_INTERNAL` when the system gives no random bytes,
    /// `ERR_SESSION_TOO_LARGE` beyond the 64 GiB that GCM can seal.
    pub fn seal(&self, id: &SessionId, text: &str) -> Result<String> {
        match self.keys.first() {
            Some(key) => key.seal(id, text),
            None => Err(Error::config("secret", "given when `encrypt` is on")),
        }
    }

    /// The text that was sealed for the session `id`.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_DECRYPT` for anything that does not authenticate: another session's payload, another cookie
    /// name's, an unknown secret's, a changed or shortened one, plain text. Nothing of it is decrypted or parsed, but
    /// for the JSON around an original payload, which holds its MAC.
    pub fn unseal(&self, id: &SessionId, payload: &str) -> Result<Unsealed> {
        let unsealed = if is_sealed(payload) {
            self.unseal_current(id, payload)
        } else {
            self.unseal_original(payload)
        };
        unsealed.ok_or_else(|| {
            Error::new(
                Code::Decrypt,
                "cannot unseal a session payload: it does not authenticate",
            )
        })
    }

    fn unseal_current(&self, id: &SessionId, payload: &str) -> Option<Unsealed> {
        let mut ring = self.keys.iter().enumerate();
        ring.find_map(|(position, key)| {
            let text = key.unseal(id, payload)?;
            let stale = position > 0;
            Some(Unsealed { text, stale })
        })
    }

    fn unseal_original(&self, payload: &str) -> Option<Unsealed> {
        if self.originals.is_empty() {
            return None;
        }
        let envelope = legacy::Envelope::parse(payload)?;
        let text = self
            .originals
            .iter()
            .find_map(|key| key.unseal(&envelope))?;
        Some(Unsealed { text, stale: true })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(**redacted**)")
    }
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unsealed({} bytes, stale: {})",
            self.text.len(),
            self.stale
        )
    }
}

/// What is made of one secret, once.
struct MasterKey {
    /// How each payload of this secret begins: version, key id and a dot.
    head: String,
    /// The associated data but for the session id.
    bound: Vec<u8>,
    derive: Hkdf<Sha256>,
}

impl MasterKey {
    fn new(secret: &[u8], cookie_name: &str) -> Self {
        let derive = Hkdf::<Sha256>::new(Some(SALT), secret);
        let mut key_id = [0u8; KEY_ID_BYTES];
        derive
            .expand(b"key id", &mut key_id)
            .expect("a key id is shorter than HKDF's longest output");
        let key_id = URL_SAFE_NO_PAD.encode(key_id);
        let mut bound = Vec::new();
        push_part(&mut bound, VERSION);
        push_part(&mut bound, &key_id);
        push_part(&mut bound, cookie_name);
        let head = format!("{VERSION}{key_id}.");
        Self {
            head,
            bound,
            derive,
        }
    }

    fn seal(&self, id: &SessionId, text: &str) -> Result<String> {
        let mut random = [0u8; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            Error::new(Code::Internal, "cannot read random bytes").because(error, None)
        })?;
        let mut sealed = Vec::with_capacity(text.len() + TAG_BYTES);
        sealed.extend_from_slice(text.as_bytes());
        let (salt, nonce) = halves(&random);
        self.cipher(id, salt)
            .encrypt_in_place(&nonce.into(), &self.associated_data(id), &mut sealed)
            .map_err(|_| {
                Error::new(Code::TooLarge, "cannot seal a session payload of this size")
            })?;

        let body_chars = RANDOM_CHARS + sealed.len().div_ceil(3) * 4;
        let mut payload = String::with_capacity(self.head.len() + body_chars);
        payload.push_str(&self.head);
        URL_SAFE_NO_PAD.encode_string(random, &mut payload);
        URL_SAFE_NO_PAD.encode_string(sealed, &mut payload);
        Ok(payload)
    }

    /// `None` when this key did not seal `payload` for `id`.
    fn unseal(&self, id: &SessionId, payload: &str) -> Option<String> {
        let body = payload.strip_prefix(&self.head)?;
        let (random_text, sealed_text) = body.split_at_checked(RANDOM_CHARS)?;
        let mut random = [0u8; RANDOM_BYTES];
        URL_SAFE_NO_PAD
            .decode_slice(random_text, &mut random)
            .ok()?;
        let (salt, nonce) = halves(&random);
        let mut text = URL_SAFE_NO_PAD.decode(sealed_text).ok()?;
        self.cipher(id, salt)
            .decrypt_in_place(&nonce.into(), &self.associated_data(id), &mut text)
            .ok()?;
        String::from_utf8(text).ok()
    }

    /// The cipher under a payload's own key.
    fn cipher(&self, id: &SessionId, salt: &[u8]) -> Aes256Gcm {
        let mut key = Zeroizing::new([0u8; PAYLOAD_KEY_BYTES]);
        let info = [b"payload key", id.as_str().as_bytes(), salt];
        self.derive
            .expand_multi_info(&info, &mut *key)
            .expect("a payload key is shorter than HKDF's longest output");
        let key: &Key<Aes256Gcm> = (&*key).into();
        Aes256Gcm::new(key)
    }

    fn associated_data(&self, id: &SessionId) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.bound.len() + size_of::<u64>() + id.as_str().len());
        data.extend_from_slice(&self.bound);
        push_part(&mut data, id.as_str());
        data
    }
}

/// What chooses the key, and the nonce.
fn halves(random: &[u8; RANDOM_BYTES]) -> (&[u8], [u8; NONCE_BYTES]) {
    let (salt, nonce) = random.split_at(RANDOM_BYTES - NONCE_BYTES);
    (salt, nonce.try_into().expect("the second half is a nonce"))
}

/// Appends `part` behind its length, so that no other sequence of parts gives the same bytes.
fn push_part(data: &mut Vec<u8>, part: &str) {
    data.extend_from_slice(&(part.len() as u64).to_be_bytes());
    data.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}"#;
    const SECRET: &str = "Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD";
    const ID: &str = "6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx";
    /// `TEXT` sealed for `ID` under `SECRET` with the random bytes 00 01 … 17, made with the `crypto` module of Node.js.
    const SEALED: &str = "ns1.zTBKxD6r.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXbgzmYXN_QMUREpDTA-B8NGchJsPXqiTz0DYZ1k2w0xxfYiOHHh9CSlFm2WKu9oPVK89AvmBVwKSPARoGNhJKiPUzxQGdRBo";
    /// `TEXT` as the original's `encrypter` stores it under `SECRET`.
    const ORIGINAL: &str = r#"{"ct":"zoQaOF6S/e294FJLWSBEiUI95KgfVqPJxbfnuNSt7a2FHSDzk8F+VSO8xeA7D69FH6QCqU0Wiw==","mac":"YKgWaSN1E96udRVZsqpgJ83gLfc="}"#;

    fn id() -> SessionId {
        SessionId::parse(ID).unwrap()
    }

    fn sealer_of(secrets: &[&str]) -> Sealer {
        let secrets: Vec<_> = secrets.iter().map(|s| s.as_bytes().to_vec()).collect();
        Sealer::new(&secrets, "node_session", true)
    }

    fn assert_refused(sealer: &Sealer, payload: &str) {
        let refused = sealer.unseal(&id(), payload);
        assert_eq!(refused.unwrap_err().code(), Code::Decrypt, "{payload}");
    }

    #[test]
    fn the_layout_is_the_one_that_is_drawn() {
        let unsealed = sealer_of(&[SECRET]).unseal(&id(), SEALED).unwrap();
        assert_eq!(unsealed.text, TEXT);
        let payload = sealer_of(&[SECRET]).seal(&id(), TEXT).unwrap();
        assert_eq!(payload.len(), SEALED.len());
        assert_eq!(payload[..13], SEALED[..13]);
    }

    #[test]
    fn any_text_comes_back_as_it_was() {
        let sealer = sealer_of(&[SECRET]);
        for text in ["", "x", TEXT, "é日本😀\u{0}\u{feff}", &"a".repeat(1 << 20)] {
            let payload = sealer.seal(&id(), text).unwrap();
            let unsealed = sealer.unseal(&id(), &payload).unwrap();
            assert!(unsealed.text == text && !unsealed.stale);
        }
    }

    #[test]
    fn a_payload_needs_no_escapes_in_json() {
        let payload = sealer_of(&[SECRET]).seal(&id(), TEXT).unwrap();
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        assert!(payload.bytes().all(harmless));
    }

    #[test]
    fn a_payload_with_any_one_bit_changed_is_refused() {
        let sealer = sealer_of(&[SECRET]);
        for position in 0..SEALED.len() {
            for bit in 0..8 {
                let mut bytes = SEALED.as_bytes().to_vec();
                bytes[position] ^= 1 << bit;
                // Drivers give text; a bit that makes it something else never comes this far.
                if let Ok(payload) = String::from_utf8(bytes) {
                    assert_refused(&sealer, &payload);
                }
            }
        }
    }

    #[test]
    fn a_shortened_or_lengthened_payload_is_refused() {
        let sealer = sealer_of(&[SECRET]);
        for end in 0..SEALED.len() {
            assert_refused(&sealer, &SEALED[..end]);
        }
        for start in 1..SEALED.len() {
            assert_refused(&sealer, &SEALED[start..]);
        }
        for tail in ["A", "AA", "AAAA", "=", "==", "\n", " ", "\0", "é"] {
            assert_refused(&sealer, &format!("{SEALED}{tail}"));
        }
    }

    #[test]
    fn a_payload_moved_to_another_session_is_refused() {
        let sealer = sealer_of(&[SECRET]);
        let other = SessionId::parse(&ID.replace('6', "7")).unwrap();
        let refused = sealer.unseal(&other, SEALED).unwrap_err();
        assert_eq!(refused.code(), Code::Decrypt);
    }

    #[test]
    fn a_payload_of_another_cookie_name_is_refused() {
        let secrets = [SECRET.as_bytes().to_vec()];
        for name in ["", "node_sessio", "node_session2", "NODE_SESSION"] {
            assert_refused(&Sealer::new(&secrets, name, true), SEALED);
        }
    }

    #[test]
    fn the_first_secret_seals_and_every_secret_unseals() {
        let payload = sealer_of(&["new", SECRET]).seal(&id(), TEXT).unwrap();
        assert!(!sealer_of(&["new"]).unseal(&id(), &payload).unwrap().stale);
        assert_refused(&sealer_of(&[SECRET]), &payload);

        let old = sealer_of(&["new", "newer", SECRET]);
        let unsealed = old.unseal(&id(), SEALED).unwrap();
        assert!(unsealed.text == TEXT && unsealed.stale);
        assert_refused(&sealer_of(&["new"]), SEALED);
    }

    #[test]
    fn without_a_secret_nothing_is_sealed_or_unsealed() {
        let none = sealer_of(&[]);
        assert_eq!(none.seal(&id(), TEXT).unwrap_err().code(), Code::Config);
        assert_refused(&none, SEALED);
        assert_refused(&none, ORIGINAL);
    }

    #[test]
    fn equal_texts_never_make_equal_payloads() {
        let sealer = sealer_of(&[SECRET]);
        let payloads: std::collections::HashSet<_> = (0..10_000)
            .map(|_| sealer.seal(&id(), TEXT).unwrap())
            .collect();
        assert_eq!(payloads.len(), 10_000);
    }

    #[test]
    fn the_originals_payloads_are_read_by_any_secret_of_the_ring_and_are_stale() {
        for ring in [&[SECRET][..], &["new", SECRET]] {
            let unsealed = sealer_of(ring).unseal(&id(), ORIGINAL).unwrap();
            assert!(unsealed.text == TEXT && unsealed.stale);
        }
        assert_refused(&sealer_of(&["new"]), ORIGINAL);
    }

    #[test]
    fn the_originals_payloads_are_refused_when_they_are_not_to_be_read() {
        let secrets = [SECRET.as_bytes().to_vec()];
        let sealer = Sealer::new(&secrets, "node_session", false);
        assert_refused(&sealer, ORIGINAL);
        assert_eq!(sealer.unseal(&id(), SEALED).unwrap().text, TEXT);
    }

    #[test]
    fn what_was_never_sealed_is_refused() {
        let sealer = sealer_of(&[SECRET]);
        for payload in ["", "null", "{}", TEXT, "ns1.", "ns2.x", "ns1.zTBKxD6r."] {
            assert_refused(&sealer, payload);
        }
        assert_refused(&sealer, &SEALED.replacen("ns1", "ns2", 1));
        assert_refused(&sealer, &SEALED.replacen("AAEC", "AAé", 1));
    }

    #[test]
    fn printing_shows_neither_secrets_nor_text() {
        let sealer = sealer_of(&[SECRET]);
        assert_eq!(format!("{sealer:?}"), "Sealer(**redacted**)");
        let unsealed = sealer.unseal(&id(), SEALED).unwrap();
        assert_eq!(format!("{unsealed:?}"), "Unsealed(55 bytes, stale: false)");
    }

    proptest! {
        #[test]
        fn every_text_secret_and_name_make_the_round_trip(
            text in any::<String>(),
            secret in any::<Vec<u8>>(),
            name in any::<String>(),
        ) {
            let sealer = Sealer::new(&[secret], &name, false);
            let id = SessionId::generate().unwrap();
            let payload = sealer.seal(&id, &text).unwrap();
            prop_assert_eq!(sealer.unseal(&id, &payload).unwrap().text, text);
        }

        #[test]
        fn no_string_is_taken_for_a_payload(text in any::<String>(), body in "[A-Za-z0-9_=.é-]{0,80}") {
            let sealer = sealer_of(&[SECRET]);
            for payload in [&text, &format!("ns1.{text}"), &format!("ns1.zTBKxD6r.{body}")] {
                prop_assert!(sealer.unseal(&id(), payload).is_err());
            }
        }
    }
}
