//! The protocol: commands to bytes, bytes to answers.
//!
//! Speaks RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>). Knows no connection and no command.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Millis;
use crate::digits::Digits;

/// How deep answers may lie in one another. A server's deepest is a list of lists of lists.
const DEEPEST: u8 = 16;
/// Most bytes of one text, as servers have it by default (`proto-max-bulk-len`).
const LONGEST: usize = 512 << 20;
/// The first byte of what nobody asked for.
pub(super) const PUSH: u8 = b'>';
/// Most parts of one answer.
const MOST_PARTS: usize = 1 << 24;

/// A part of a command. Servers take numbers as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Number(i64),
}

impl<'t> From<&'t str> for Part<'t> {
    fn from(text: &'t str) -> Self {
        Part::Text(text)
    }
}

impl From<usize> for Part<'_> {
    fn from(number: usize) -> Self {
        Part::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Part<'_> {
    fn from(number: i64) -> Self {
        Part::Number(number)
    }
}

impl From<Millis> for Part<'_> {
    fn from(time: Millis) -> Self {
        Part::Number(time.0)
    }
}

/// What goes out as one: a command, or some in a row.
pub(super) trait Outgoing {
    /// Adds what is sent for it; gives of how many commands it is.
    fn write_to(&self, bytes: &mut Vec<u8>) -> usize;
}

impl Part<'_> {
    /// Adds what is sent for it.
    pub(super) fn write_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Part::Text(text) => write_text(bytes, text),
            Part::Number(number) => write_text(bytes, Digits::of(*number).as_str()),
        }
    }
}

/// A command: its name and what follows. Hardly any has more parts than have room here.
#[derive(Clone, Debug, Default)]
pub(super) struct Command<'t>(SmallVec<[Part<'t>; 9]>);

impl<'t> Command<'t> {
    /// One of texts.
    pub(super) fn of(parts: &[&'t str]) -> Self {
        Self(parts.iter().map(|text| Part::Text(text)).collect())
    }

    pub(super) fn add(&mut self, parts: &[Part<'t>]) {
        self.0.extend_from_slice(parts);
    }
}

impl Outgoing for Command<'_> {
    fn write_to(&self, bytes: &mut Vec<u8>) -> usize {
        write_length(bytes, b'*', self.0.len());
        for part in &self.0 {
            part.write_to(bytes);
        }
        1
    }
}

/// Adds what is sent for a text.
pub(super) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_pieces(bytes, &[text]);
}

/// The same for a text in pieces.
pub(super) fn write_pieces(bytes: &mut Vec<u8>, pieces: &[&str]) {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    bytes.reserve(length + Digits::MOST + 5);
    write_length(bytes, b'$', length);
    for piece in pieces {
        bytes.extend_from_slice(piece.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Adds the line that tells how long what follows is.
pub(super) fn write_length(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    bytes.push(kind);
    bytes.extend_from_slice(Digits::of(i64::try_from(length).unwrap_or(i64::MAX)).as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing is there.
    Nil,
    /// A whole number; a truth value is 0 or 1.
    Int(i64),
    /// A text, also a number that is not whole.
    Text(Arc<str>),
    /// Bytes that are no UTF-8.
    Bytes(Arc<[u8]>),
    /// A text that was left out, since it is too long.
    TooLong,
    /// A list; a map is one of keys and values in turn.
    List(Vec<Value>),
    /// The server refuses. Shape: a word, a space, and what follows.
    Refusal(Arc<str>),
    /// The server says something that nobody asked for.
    Push,
}

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The rest has not come yet.
    Unfinished,
    /// In this place, which may end later than the bytes, there is a text that is too long: `TOO_LONG` is to stand for it.
    TooLong(Range<usize>),
    /// They are no answer at all, and whatever follows makes none.
    Foreign,
}

type Read<T> = Result<T, Unread>;

/// What stands for a text that was left out. No server says it.
pub(super) const TOO_LONG: &[u8] = b"?\r\n";

/// The answer with which `bytes` begin, and how many of them it has. A text of more than `longest` is too long.
pub(super) fn read(bytes: &[u8], longest: usize) -> Read<(Value, usize)> {
    let mut rest = Rest {
        bytes,
        at: 0,
        longest,
    };
    let value = rest.value(0)?;
    Ok((value, rest.at))
}

/// What has not been read yet.
struct Rest<'b> {
    bytes: &'b [u8],
    at: usize,
    longest: usize,
}

impl<'b> Rest<'b> {
    fn value(&mut self, depth: u8) -> Read<Value> {
        let (kind, line) = self.line()?;
        Ok(match kind {
            b'$' | b'=' | b'!' => return self.bulk(kind, line),
            b'*' | b'~' | PUSH | b'%' | b'|' => return self.list(kind, line, depth),
            b':' => Value::Int(number(line).ok_or(Unread::Foreign)?),
            b'+' | b',' | b'(' => text(line),
            b'-' => refusal(line),
            b'_' => Value::Nil,
            b'?' => Value::TooLong,
            b'#' => Value::Int(i64::from(line == b"t")),
            _ => return Err(Unread::Foreign),
        })
    }

    /// A text whose length is told first.
    fn bulk(&mut self, kind: u8, line: &[u8]) -> Read<Value> {
        let Some(length) = length(line, LONGEST)? else {
            return Ok(Value::Nil);
        };
        let end = self.at + length;
        if length > self.longest {
            // Its kind and the line's end stand before it, too.
            return Err(Unread::TooLong(self.at - line.len() - 3..end + 2));
        }
        let bytes = self.bytes.get(self.at..end).ok_or(Unread::Unfinished)?;
        match self.bytes.get(end..end + 2) {
            Some(b"\r\n") => self.at = end + 2,
            Some(_) => return Err(Unread::Foreign),
            None => return Err(Unread::Unfinished),
        }
        Ok(match kind {
            b'!' => refusal(bytes),
            // Three letters and a colon tell of what kind the text is.
            b'=' => text(bytes.get(4..).ok_or(Unread::Foreign)?),
            _ => text(bytes),
        })
    }

    fn list(&mut self, kind: u8, line: &[u8], depth: u8) -> Read<Value> {
        if depth == DEEPEST {
            return Err(Unread::Foreign);
        }
        let Some(length) = length(line, MOST_PARTS)? else {
            return Ok(Value::Nil);
        };
        let parts = match kind {
            b'%' | b'|' => 2 * length,
            _ => length,
        };
        // A part has three bytes or more: no room is made for more parts than can have come.
        let room = parts.min((self.bytes.len() - self.at) / 3 + 1);
        let mut list = Vec::with_capacity(room);
        for _ in 0..parts {
            list.push(self.value(depth + 1)?);
        }
        match kind {
            PUSH => Ok(Value::Push),
            // What is said about the answer that follows.
            b'|' => self.value(depth + 1),
            _ => Ok(Value::List(list)),
        }
    }

    /// What stands before the next line's end: its first byte, and the rest.
    fn line(&mut self) -> Read<(u8, &'b [u8])> {
        let left = &self.bytes[self.at..];
        let Some(end) = memchr::memchr(b'\r', left) else {
            return Err(Unread::Unfinished);
        };
        match left.get(end + 1) {
            Some(b'\n') => self.at += end + 2,
            Some(_) => return Err(Unread::Foreign),
            None => return Err(Unread::Unfinished),
        }
        let (kind, line) = left[..end].split_first().ok_or(Unread::Foreign)?;
        Ok((*kind, line))
    }
}

/// A length that is told; none stands for nothing at all.
fn length(line: &[u8], most: usize) -> Read<Option<usize>> {
    match number(line) {
        Some(-1) => Ok(None),
        Some(length) => match usize::try_from(length) {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => Err(Unread::Foreign),
        },
        None => Err(Unread::Foreign),
    }
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.into()),
        Err(_) => Value::Bytes(bytes.into()),
    }
}

fn refusal(bytes: &[u8]) -> Value {
    Value::Refusal(String::from_utf8_lossy(bytes).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1_000;

    fn whole(text: &str) -> Value {
        let (value, length) = read(text.as_bytes(), MOST).unwrap();
        assert_eq!(length, text.len());
        value
    }

    fn said(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_command_is_a_list_of_its_parts() {
        let mut bytes = b"before".to_vec();
        let mut command = Command::of(&["SET", "key", "\u{e9}\r\n"]);
        command.add(&[12usize.into()]);
        assert_eq!(command.write_to(&mut bytes), 1);
        let told = "before*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4\r\n\u{e9}\r\n\r\n$2\r\n12\r\n";
        assert_eq!(bytes, told.as_bytes());
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        for (told, value) in [
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("_\r\n", Value::Nil),
            (":-12\r\n", Value::Int(-12)),
            ("#t\r\n", Value::Int(1)),
            ("#f\r\n", Value::Int(0)),
            ("+OK\r\n", said("OK")),
            ("$0\r\n\r\n", said("")),
            ("$4\r\na\r\nb\r\n", said("a\r\nb")),
            ("=7\r\ntxt:abc\r\n", said("abc")),
            (",1.5\r\n", said("1.5")),
            ("(12345678901234567890\r\n", said("12345678901234567890")),
            ("-ERR no\r\n", Value::Refusal("ERR no".into())),
            ("!6\r\nERR no\r\n", Value::Refusal("ERR no".into())),
            ("*0\r\n", Value::List(vec![])),
            (
                "~2\r\n:1\r\n*1\r\n$1\r\na\r\n",
                Value::List(vec![Value::Int(1), Value::List(vec![said("a")])]),
            ),
            (
                "%1\r\n+a\r\n:1\r\n",
                Value::List(vec![said("a"), Value::Int(1)]),
            ),
            ("|1\r\n+ttl\r\n:1\r\n+OK\r\n", said("OK")),
            (">2\r\n+invalidate\r\n_\r\n", Value::Push),
        ] {
            assert_eq!(whole(told), value, "{told:?}");
        }
        let bytes = Value::Bytes(b"\xff".as_slice().into());
        assert_eq!(read(b"$1\r\n\xff\r\n", MOST), Ok((bytes, 7)));
    }

    #[test]
    fn what_has_not_come_whole_is_waited_for() {
        let told = "*3\r\n$2\r\nab\r\n:1\r\n|1\r\n+a\r\n+b\r\n-ERR no\r\n";
        for end in 0..told.len() {
            assert_eq!(read(&told.as_bytes()[..end], MOST), Err(Unread::Unfinished));
        }
        let followed = format!("{told}+OK\r\n");
        assert_eq!(read(followed.as_bytes(), MOST).unwrap().1, told.len());
    }

    #[test]
    fn of_a_text_that_is_too_long_the_place_is_known_as_soon_as_its_length() {
        let told = format!("*2\r\n$1001\r\n{}\r\n:7\r\n", "x".repeat(1_001));
        let text = 4..told.len() - 4;
        for end in [11, 500, told.len()] {
            let read = read(&told.as_bytes()[..end], MOST);
            assert_eq!(read, Err(Unread::TooLong(text.clone())));
        }
        let told = [&told.as_bytes()[..4], TOO_LONG, b":7\r\n"].concat();
        let value = Value::List(vec![Value::TooLong, Value::Int(7)]);
        assert_eq!(read(&told, MOST), Ok((value, told.len())));
    }

    #[test]
    fn what_is_no_answer_is_not_waited_for() {
        let deep = "*1\r\n".repeat(usize::from(DEEPEST) + 1);
        for told in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            ":x\r\n",
            "$x\r\n",
            "$-2\r\n",
            "$1\r\nabc",
            "$999999999999\r\n",
            "*99999999999\r\n",
            "=2\r\nab\r\n",
            "+a\rb",
            &deep,
        ] {
            assert_eq!(
                read(told.as_bytes(), MOST),
                Err(Unread::Foreign),
                "{told:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_let_it_panic(bytes in "[*$:+~>%|=!,_#(\\-0-9a\r\n]{0,60}") {
            read(bytes.as_bytes(), MOST).ok();
        }

        #[test]
        fn any_text_comes_back(texts in proptest::collection::vec(".*", 0..9)) {
            let mut bytes = Vec::new();
            let parts = texts.iter().map(|text| Part::Text(text));
            Command(parts.collect()).write_to(&mut bytes);
            let values = texts.iter().map(|text| said(text)).collect();
            prop_assert_eq!(read(&bytes, MOST), Ok((Value::List(values), bytes.len())));
        }
    }
}
