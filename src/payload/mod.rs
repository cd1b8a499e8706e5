//! The stored payload: the attributes' JSON text to and from what a driver keeps.
//!
//! Pure: no storage, no clock. Takes the text as it is; whether it is JSON is for the session to find out.

mod legacy;
mod sealed;

use std::fmt;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

pub use sealed::{Sealer, Unsealed};

/// How payloads are stored: the option `encrypt`.
#[derive(Debug)]
pub enum Form {
    /// The payload is the text itself.
    Plain,
    /// The payload is the text, encrypted and authenticated; nothing else is accepted.
    Sealed(Sealer),
}

/// The attributes' text, as it was found in a payload. Printing it shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The text. In the plain form it is the payload itself, not a copy of it.
    pub text: Arc<str>,
    /// Whether the payload should be sealed anew at the next save; see [`Unsealed::stale`].
    pub stale: bool,
}

impl Form {
    /// The payload to store for `text` under `id`.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal`]; the plain form has none.
    pub fn to_payload(&self, id: &SessionId, text: &Arc<str>) -> Result<Arc<str>> {
        match self {
            Form::Plain => Ok(Arc::clone(text)),
            Form::Sealed(sealer) => sealer.seal(id, text).map(Arc::from),
        }
    }

    /// The text in `payload`, which is stored under `id`.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_DECRYPT` when the payload does not authenticate, and when it is sealed while this form is plain.
    ///
    /// Compat: the original's own encrypted payloads are JSON; read as plain ones they are a session with the
    /// attributes `ct` and `mac`, here as there.
    pub fn to_text(&self, id: &SessionId, payload: &Arc<str>) -> Result<Loaded> {
        match self {
            Form::Plain if sealed::is_sealed(payload) => Err(Error::new(
                Code::Decrypt,
                "cannot read a sealed session payload while `encrypt` is off",
            )),
            Form::Plain => Ok(Loaded {
                text: Arc::clone(payload),
                stale: false,
            }),
            Form::Sealed(sealer) => {
                let Unsealed { text, stale } = sealer.unseal(id, payload)?;
                let text = Arc::from(text);
                Ok(Loaded { text, stale })
            }
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Loaded({} bytes, stale: {})",
            self.text.len(),
            self.stale
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}"#;
    /// The same text as the original's `encrypter` stores it, under the secret of compat.md E2.
    const ORIGINAL: &str = r#"{"ct":"zoQaOF6S/e294FJLWSBEiUI95KgfVqPJxbfnuNSt7a2FHSDzk8F+VSO8xeA7D69FH6QCqU0Wiw==","mac":"YKgWaSN1E96udRVZsqpgJ83gLfc="}"#;

    fn id() -> SessionId {
        SessionId::parse("6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx").unwrap()
    }

    fn sealed_form() -> Form {
        let secret = b"Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD".to_vec();
        Form::Sealed(Sealer::new(&[secret], "node_session", true))
    }

    #[test]
    fn a_plain_payload_is_the_text_and_is_not_copied() {
        let text = Arc::from(TEXT);
        let payload = Form::Plain.to_payload(&id(), &text).unwrap();
        assert!(Arc::ptr_eq(&text, &payload));
        let loaded = Form::Plain.to_text(&id(), &payload).unwrap();
        assert!(Arc::ptr_eq(&text, &loaded.text));
        assert!(!loaded.stale);
    }

    #[test]
    fn a_sealed_payload_is_not_the_text_and_gives_it_back() {
        let form = sealed_form();
        let payload = form.to_payload(&id(), &Arc::from(TEXT)).unwrap();
        assert!(!payload.contains("bob"));
        let loaded = form.to_text(&id(), &payload).unwrap();
        assert_eq!(&*loaded.text, TEXT);
        assert!(!loaded.stale);
    }

    #[test]
    fn a_sealed_payload_is_refused_while_encrypt_is_off() {
        let payload = sealed_form().to_payload(&id(), &Arc::from(TEXT)).unwrap();
        let error = Form::Plain.to_text(&id(), &payload).unwrap_err();
        assert_eq!(error.code(), Code::Decrypt);
    }

    #[test]
    fn plain_json_is_refused_while_encrypt_is_on() {
        let error = sealed_form().to_text(&id(), &Arc::from(TEXT)).unwrap_err();
        assert_eq!(error.code(), Code::Decrypt);
    }

    #[test]
    fn the_originals_payload_is_plain_json_while_encrypt_is_off_and_stale_while_it_is_on() {
        let payload = Arc::from(ORIGINAL);
        let plain = Form::Plain.to_text(&id(), &payload).unwrap();
        assert_eq!(&*plain.text, ORIGINAL);
        let unsealed = sealed_form().to_text(&id(), &payload).unwrap();
        assert_eq!(&*unsealed.text, TEXT);
        assert!(unsealed.stale);
    }
}
