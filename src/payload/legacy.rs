//! The payloads of the original: what the npm package `encrypter` 1.0.0-beta writes, read only.
//!
//! Reads them so that live sessions survive the switch; writes none, since the format repeats its key stream.
//!
//! ```text
//! payload   {"ct":"<base64>","mac":"<base64>"}     both with padding; a JSON object, further members are ignored
//! key ‖ iv  MD5(s) ‖ MD5(MD5(s) ‖ s) ‖ …           32 and 16 bytes of EVP_BytesToKey, no salt, one iteration
//! ct        AES-256-CTR(key, iv, text in UTF-8)     the counter is all of the iv, big-endian
//! mac       HMAC-SHA-1(s, ct as its base64 text)
//! ```
//!
//! Compat: `Encrypter.js` of that package, with `aes-256-ctr` and `sha1` as node-session's `EncryptedStore` has it.

use std::borrow::Cow;

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const MD5_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 16;
const _: () = assert!(KEY_BYTES == 2 * MD5_BYTES && IV_BYTES == MD5_BYTES);
/// An HMAC-SHA-1 of 20 bytes in padded base64.
const MAC_CHARS: usize = 28;
const _: () = assert!(20usize.div_ceil(3) * 4 == MAC_CHARS);
/// Nesting of ignored members that is read through. The original writes none at all.
const MAX_DEPTH: u32 = 16;

/// What the original makes of one secret.
pub(super) struct Keys {
    key: Zeroizing<[u8; KEY_BYTES]>,
    iv: Zeroizing<[u8; IV_BYTES]>,
    mac: Hmac<Sha1>,
}

impl Keys {
    pub(super) fn new(secret: &[u8]) -> Self {
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        let mut iv = Zeroizing::new([0u8; IV_BYTES]);
        let (first, second) = key.split_at_mut(MD5_BYTES);
        first.copy_from_slice(&*md5(&[secret]));
        second.copy_from_slice(&*md5(&[first, secret]));
        iv.copy_from_slice(&*md5(&[second, secret]));
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { key, iv, mac }
    }

    /// The text in `envelope`, or `None` when this secret did not authenticate it. Decrypts nothing before that.
    ///
    /// Compat: bytes that are not UTF-8 become U+FFFD, as in Node's `Buffer`.
    pub(super) fn unseal(&self, envelope: &Envelope<'_>) -> Option<String> {
        let mac = self.mac.clone().chain_update(envelope.ct.as_bytes());
        let mut expected = [0u8; MAC_CHARS];
        STANDARD
            .encode_slice(mac.finalize().into_bytes(), &mut expected)
            .ok()?;
        if !bool::from(expected.ct_eq(envelope.mac.as_bytes())) {
            return None;
        }
        let mut bytes = STANDARD.decode(envelope.ct.as_bytes()).ok()?;
        Ctr128BE::<Aes256>::new((&*self.key).into(), (&*self.iv).into())
            .apply_keystream(&mut bytes);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn md5(parts: &[&[u8]]) -> Zeroizing<[u8; MD5_BYTES]> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().into())
}

/// The two members of a payload, not yet authenticated.
pub(super) struct Envelope<'a> {
    ct: Cow<'a, str>,
    mac: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// `None` unless `payload` is a JSON object with the strings `ct` and `mac`, in any order. Of two members of the
    /// same name the last one counts, as in JavaScript. One pass, without recursion deeper than `MAX_DEPTH`.
    pub(super) fn parse(payload: &'a str) -> Option<Self> {
        let mut json = Scanner { rest: payload };
        let (mut ct, mut mac) = (None, None);
        json.list('{', '}', |json| {
            let name = json.string()?;
            json.take(':')?;
            match &*name {
                "ct" => ct = Some(json.string()?),
                "mac" => mac = Some(json.string()?),
                _ => json.skip_value(MAX_DEPTH)?,
            }
            Some(())
        })?;
        match json.peek() {
            None => Some(Self { ct: ct?, mac: mac? }),
            Some(_) => None,
        }
    }
}

/// Reads JSON from the front of `rest`. `None` from any method means that the text is not JSON, or nested too deep.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    fn take(&mut self, expected: char) -> Option<()> {
        self.peek();
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// `open`, items with commas between them, `close`.
    fn list(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open)?;
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(',').is_none() {
                return self.take(close);
            }
        }
    }

    /// A string with its escapes resolved; without any it is not copied.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.take('"')?;
        let mut text = Cow::Borrowed("");
        loop {
            let stop = self.rest.find(|c| c == '"' || c == '\\' || c < ' ')?;
            let (plain, rest) = self.rest.split_at(stop);
            text += plain;
            self.rest = &rest[1..];
            match rest.as_bytes()[0] {
                b'"' => return Some(text),
                b'\\' => text.to_mut().push(self.escape()?),
                _ => return None,
            }
        }
    }

    /// What follows a backslash. A surrogate becomes U+FFFD, which is neither in base64 nor in a name looked for.
    fn escape(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let kind = chars.next()?;
        self.rest = chars.as_str();
        match kind {
            '"' | '\\' | '/' => Some(kind),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let (hex, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                let code = hex
                    .chars()
                    .try_fold(0, |code, c| Some(code * 16 + c.to_digit(16)?))?;
                Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => None,
        }
    }

    fn skip_value(&mut self, depth: u32) -> Option<()> {
        let inner = depth.checked_sub(1)?;
        match self.peek()? {
            '"' => self.string().map(drop),
            '[' => self.list('[', ']', |json| json.skip_value(inner)),
            '{' => self.list('{', '}', |json| {
                json.string()?;
                json.take(':')?;
                json.skip_value(inner)
            }),
            _ => self.skip_word(),
        }
    }

    fn skip_word(&mut self) -> Option<()> {
        let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !in_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (matches!(word, "true" | "false" | "null") || is_number(word)).then_some(())
    }
}

/// Spec: RFC 8259 §6.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = split_off(unsigned, ['e', 'E']);
    let (whole, fraction) = split_off(mantissa, ['.', '.']);
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// `text` up to the first of `marks`, and what follows that.
fn split_off(text: &str, marks: [char; 2]) -> (&str, Option<&str>) {
    match text.split_once(marks) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD";
    const CT: &str = "zoQaOF6S/e294FJLWSBEiUI95KgfVqPJxbfnuNSt7a2FHSDzk8F+VSO8xeA7D69FH6QCqU0Wiw==";
    const MAC: &str = "YKgWaSN1E96udRVZsqpgJ83gLfc=";
    const TEXT: &str = r#"{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}"#;

    fn unseal(secret: &[u8], payload: &str) -> Option<String> {
        Keys::new(secret).unseal(&Envelope::parse(payload)?)
    }

    /// Unseals what `template` becomes when CT and MAC in it are replaced.
    fn read(template: &str) -> Option<String> {
        let payload = template.replace("CT", CT).replace("MAC", MAC);
        unseal(SECRET.as_bytes(), &payload)
    }

    #[test]
    fn a_secret_gives_the_key_and_iv_that_openssl_gives() {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let keys = Keys::new(SECRET.as_bytes());
        let key = "1cad7ec780e322e882bf835638bea0f42820c39a60da855cf065a2e2591a3f83";
        assert_eq!(hex(&*keys.key), key);
        assert_eq!(hex(&*keys.iv), "0d85acbcebefd2cf5c5a158bfb123fc0");
    }

    #[test]
    fn what_the_original_wrote_is_read() {
        let vectors: [(&[u8], &str, &str, &str); 6] = [
            (SECRET.as_bytes(), CT, MAC, TEXT),
            (
                SECRET.as_bytes(),
                "zQ==",
                "Xjw75FsE3QN6DEhd1NJxoP1aRoI=",
                "x",
            ),
            (SECRET.as_bytes(), "", "fYjKBjwGPXaOgijSKrzYYpu2mSg=", ""),
            (
                SECRET.as_bytes(),
                "dg+j25QfBC9vReif",
                "agnDLIHm7tQY7qOGSq4zuEQ0s68=",
                "é日本😀",
            ),
            (
                "clé-日本".as_bytes(),
                "uJA=",
                "kKnF5SvSgNEFCnsYgOjKwyYJOK4=",
                "hi",
            ),
            (
                &[0xff, 0xfe, 0x00, 0x80],
                "0TGvq3M=",
                "1kc17KlBW7Zr2NNqBQRdb+9n110=",
                "bytes",
            ),
        ];
        for (secret, ct, mac, text) in vectors {
            let payload = format!(r#"{{"ct":"{ct}","mac":"{mac}"}}"#);
            assert_eq!(unseal(secret, &payload).as_deref(), Some(text));
        }
    }

    #[test]
    fn members_in_any_order_with_escapes_spaces_and_company_are_read() {
        let escaped = CT.replace('/', "\\/").replace('z', "\\u007A");
        for template in [
            r#"{"mac":"MAC","ct":"CT"}"#,
            "\t{ \"ct\" : \"CT\" ,\r\n\"mac\":\"MAC\" } \n",
            r#"{"c\u0074":"CT","mac":"MAC"}"#,
            &r#"{"ct":"CT","mac":"MAC"}"#.replace("CT", &escaped),
            r#"{"v":1,"ct":"CT","x":[{},[],{"ct":"no"},-0.5e+3,true,null,"\ud83d\"]"],"mac":"MAC","😀":""}"#,
            r#"{"ct":"no","ct":"CT","mac":"MAC"}"#,
        ] {
            assert_eq!(read(template).as_deref(), Some(TEXT), "{template}");
        }
    }

    #[test]
    fn what_is_not_strict_json_with_both_members_is_refused() {
        for template in [
            "",
            "{}",
            "[]",
            "null",
            r#""CT""#,
            r#"{"ct":"CT"}"#,
            r#"{"mac":"MAC"}"#,
            r#"{"ct":"CT","mac":28}"#,
            r#"{"ct":["CT"],"mac":"MAC"}"#,
            r#"{"ct":"CT","mac":"MAC","mac":"no"}"#,
            r#"{"ct":"CT","mac":"MAC"}}"#,
            r#"{"ct":"CT","mac":"MAC"} x"#,
            r#"{"ct":"CT","mac":"MAC""#,
            r#"{"ct":"CT","mac":"MAC",}"#,
            r#"{,"ct":"CT","mac":"MAC"}"#,
            r#"{"ct":"CT" "mac":"MAC"}"#,
            r#"{ct:"CT","mac":"MAC"}"#,
            r#"{'ct':'CT','mac':'MAC'}"#,
            "{\"ct\":\"CT\",\"mac\":\"MAC\",\"a\":\"\n\"}",
            "\u{feff}{\"ct\":\"CT\",\"mac\":\"MAC\"}",
        ] {
            assert_eq!(read(template), None, "{template}");
        }
        for value in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "NaN",
            "tru",
            "[1,]",
            "[1",
            "{\"a\"}",
            "[}",
            r#""\x""#,
            r#""\u00g0""#,
            r#""\u+041""#,
            r#""\u00"#,
        ] {
            let template = format!(r#"{{"a":{value},"ct":"CT","mac":"MAC"}}"#);
            assert_eq!(read(&template), None, "{template}");
        }
    }

    #[test]
    fn an_envelope_with_any_character_changed_is_refused() {
        let payload = format!(r#"{{"ct":"{CT}","mac":"{MAC}"}}"#);
        for position in 0..payload.len() {
            for bit in 0..7 {
                let mut bytes = payload.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(unseal(SECRET.as_bytes(), &changed), None, "{changed}");
            }
            assert_eq!(unseal(SECRET.as_bytes(), &payload[..position]), None);
        }
    }

    #[test]
    fn another_spelling_of_the_same_mac_is_refused() {
        for mac in [
            "",
            "YKgWaSN1E96udRVZsqpgJ83gLfc",
            "YKgWaSN1E96udRVZsqpgJ83gLfc==",
            "YKgWaSN1E96udRVZsqpgJ83gLfd=",
        ] {
            let payload = format!(r#"{{"ct":"{CT}","mac":"{mac}"}}"#);
            assert_eq!(unseal(SECRET.as_bytes(), &payload), None, "{mac}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        let nested = |depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            read(&format!(r#"{{"a":{open}{close},"ct":"CT","mac":"MAC"}}"#))
        };
        assert_eq!(nested(16).as_deref(), Some(TEXT));
        assert_eq!(nested(17), None);
        assert_eq!(nested(1_000_000), None);
    }

    proptest! {
        #[test]
        fn no_string_makes_the_parser_panic(text in any::<String>(), json in r#"[\[\]{}",:\\u0-9a-fctm é]{0,60}"#) {
            for payload in [&text, &json, &format!("{{{json}"), &format!(r#"{{"ct":"{json}","mac":"{text}"}}"#)] {
                prop_assert_eq!(unseal(SECRET.as_bytes(), payload), None);
            }
        }
    }
}
