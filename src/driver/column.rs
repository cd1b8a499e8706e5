//! The payload column: a session's text wrapped once more as a JSON string, as node-session wrote it.
//!
//! Text in, text out. Knows nothing of SQL, nor of what the payload means.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod known;

use std::sync::Arc;

#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) use self::known::Known;

/// Most bytes of the column that one byte of payload can take: `\u0000`.
pub(super) const WORST_ESCAPE: usize = 6;
/// Bytes of the column that are not payload: the two quotes.
pub(super) const QUOTES: usize = 2;

/// The column's text for a payload.
///
/// Shape: a JSON string, byte for byte what V8's `JSON.stringify(payload)` gives: short escapes where JSON has them, other
/// control characters as `\u00` and two lower-case digits, everything else as it is.
///
/// Compat: `JSON.stringify(data)` in `lib/handler/DatabaseSessionHandler.js`.
pub(super) fn encode(payload: &str) -> String {
    let mut column = String::with_capacity(payload.len() + payload.len() / 4 + QUOTES);
    column.push('"');
    let mut copied = 0;
    for (at, byte) in payload.bytes().enumerate() {
        if is_plain(byte) {
            continue;
        }
        column.push_str(&payload[copied..at]);
        escape(byte, &mut column);
        copied = at + 1;
    }
    column.push_str(&payload[copied..]);
    column.push('"');
    column
}

/// Whether a byte of a JSON string stands for itself.
fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

fn escape(byte: u8, column: &mut String) {
    column.push_str(match byte {
        b'"' => "\\\"",
        b'\\' => "\\\\",
        0x08 => "\\b",
        b'\t' => "\\t",
        b'\n' => "\\n",
        0x0c => "\\f",
        b'\r' => "\\r",
        other => return column.push_str(&format!("\\u{other:04x}")),
    });
}

/// The payload that a column holds, or `None` when it holds none.
///
/// Shape: a JSON string in any spelling that `JSON.parse` accepts, white space around it included, except that a lone
/// surrogate is no text. A column that begins with `{` was not wrapped, and is the payload itself.
///
/// Compat: `JSON.parse(session.payload)` in `lib/handler/DatabaseSessionHandler.js`, which reads the unwrapped text too.
pub(super) fn decode(column: &[u8]) -> Option<Arc<str>> {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let first = column.iter().position(|b| !space(b))?;
    match column[first] {
        b'{' => std::str::from_utf8(column).ok().map(Arc::from),
        b'"' => {
            let last = column.iter().rposition(|b| !space(b))?;
            unwrap(&column[first + 1..=last]).map(Arc::from)
        }
        _ => None,
    }
}

/// Reads the inside of a JSON string up to its closing quote, which must end the text.
///
/// Byte by byte into a buffer of the same length: a payload has an escape every few bytes, too close for longer strides,
/// and no escape stands for more bytes than it has.
fn unwrap(inside: &[u8]) -> Option<String> {
    let mut payload = vec![0; inside.len()];
    let (mut from, mut to) = (0, 0);
    loop {
        let byte = *inside.get(from)?;
        from += 1;
        if is_plain(byte) {
            payload[to] = byte;
            to += 1;
        } else if byte == b'\\' {
            let (character, length) = unescape(&inside[from..])?;
            from += length;
            to += character.encode_utf8(&mut payload[to..]).len();
        } else if byte == b'"' && from == inside.len() {
            payload.truncate(to);
            return String::from_utf8(payload).ok();
        } else {
            return None;
        }
    }
}

/// Bytes of the escape of one UTF-16 code unit without its backslash: `u` and four digits.
const UNIT: usize = 5;
/// Bytes of the escapes of a surrogate pair without the first backslash.
const PAIR: usize = UNIT + 1 + UNIT;

/// What an escape stands for, and its length without the backslash.
fn unescape(escape: &[u8]) -> Option<(char, usize)> {
    let character = match escape.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{08}',
        b'f' => '\u{0c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_utf16(&escape[1..]),
        _ => return None,
    };
    Some((character, 1))
}

/// The same for what follows `\u`: one code unit, or the two of a surrogate pair.
fn unescape_utf16(digits: &[u8]) -> Option<(char, usize)> {
    let first = code_unit(digits)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, UNIT));
    }
    let second = code_unit(digits[4..].strip_prefix(b"\\u")?)?;
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Some((char::from_u32(code)?, PAIR))
}

fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(column: &str) -> Option<String> {
        decode(column.as_bytes()).map(|payload| payload.to_string())
    }

    #[test]
    fn a_payload_is_wrapped_as_v8_wraps_it() {
        // Each right-hand side was printed by Node 20.
        for (payload, column) in [
            ("", r#""""#),
            (r#"{"a":"b \"q\""}"#, r#""{\"a\":\"b \\\"q\\\"\"}""#),
            ("\u{8}\t\n\u{c}\r/\u{7f}", "\"\\b\\t\\n\\f\\r/\u{7f}\""),
            ("\0\u{1}\u{1b}\u{1f}", r#""\u0000\u0001\u001b\u001f""#),
            ("\u{2028}é日😀", "\"\u{2028}é日😀\""),
        ] {
            assert_eq!(encode(payload), column);
            assert_eq!(decoded(column).as_deref(), Some(payload));
        }
    }

    #[test]
    fn every_spelling_of_a_json_string_is_read() {
        for (column, payload) in [
            (r#""\u007b\u007D\/""#, "{}/"),
            (r#""\ud83d\uDE00\ue000""#, "😀\u{e000}"),
            (" \t\r\n\"a\"\n", "a"),
            ("\"\u{7f}\"", "\u{7f}"),
        ] {
            assert_eq!(decoded(column).as_deref(), Some(payload), "{column}");
        }
    }

    #[test]
    fn a_column_that_was_not_wrapped_is_the_payload_itself() {
        assert_eq!(decoded(r#"{"a":1}"#).as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn anything_else_holds_no_payload() {
        for column in [
            "",
            " ",
            "null",
            "5",
            "[1]",
            "abc",
            r#"""#,
            r#""a"#,
            r#""a"b"#,
            r#""a" "b""#,
            r#""\"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\ud800""#,
            r#""\ud800\n""#,
            r#""\udc00""#,
            r#""\ud800\ud800""#,
            r#""\u00é""#,
            "\"a\nb\"",
            "\"a\0\"",
            "\"a\"\0",
        ] {
            assert_eq!(decoded(column), None, "{column:?}");
        }
        assert!(decode(b"\"\xff\"").is_none());
        assert!(decode(b"{\xff}").is_none());
    }

    proptest! {
        #[test]
        fn what_is_wrapped_unwraps_to_itself_within_the_bound(payload in any::<String>()) {
            let column = encode(&payload);
            prop_assert!(column.len() <= WORST_ESCAPE * payload.len() + QUOTES);
            prop_assert_eq!(decoded(&column), Some(payload));
        }

        #[test]
        fn no_column_is_too_strange_to_look_at(column in any::<Vec<u8>>()) {
            decode(&column);
        }
    }
}
