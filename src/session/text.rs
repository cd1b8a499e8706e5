//! JSON text as it lies: checks it once and finds the ranges of an object's members, without building a tree.
//!
//! Accepts exactly what `JSON.parse` accepts (RFC 8259). Knows nothing of what the members mean.

mod find;
mod quote;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use smallvec::SmallVec;

pub use find::member;
pub use quote::quote;

/// Why a text is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Malformed,
    /// Arrays and objects nested deeper than allowed.
    TooDeep,
}

/// One member of the outermost object, or one element of the outermost array, as byte ranges of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes; empty for an element of an array.
    pub key: Range<usize>,
    /// The value, without surrounding white space.
    pub value: Range<usize>,
}

/// The outermost value of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// An object, with its members in order; a repeated key stands once, with its last value.
    Object(Vec<Member>),
    /// An array, with its elements in order.
    Array(Vec<Member>),
    /// A string, with its quotes.
    String,
    /// A number, `true`, `false` or `null`.
    Other,
}

/// Checks `text` and gives the ranges of its outermost members.
///
/// `max_depth` bounds the nesting of arrays and objects, the outermost one included.
pub fn scan(text: &str, max_depth: usize) -> Result<Root, Fault> {
    let mut members = Vec::new();
    let first = visit(text, max_depth, |member| members.push(member))?;
    Ok(match first {
        b'{' => {
            drop_repeated(text, &mut members);
            Root::Object(members)
        }
        b'[' => Root::Array(members),
        b'"' => Root::String,
        _ => Root::Other,
    })
}

/// Checks `text`, shows its outermost members one by one, and gives the first byte of its value.
fn visit(text: &str, max_depth: usize, show: impl FnMut(Member)) -> Result<u8, Fault> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        open: SmallVec::new(),
        max_depth,
        member: Member {
            key: 0..0,
            value: 0..0,
        },
        show,
    };
    scanner.run()?;
    Ok(scanner.bytes[first_non_space(scanner.bytes)])
}

fn first_non_space(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(0)
}

/// Keeps each key once, where it first stood, with the value that stood last: as `JSON.parse` does.
fn drop_repeated(text: &str, members: &mut Vec<Member>) {
    if !repeats(text, members) {
        return;
    }
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    let mut places: HashMap<_, usize> = HashMap::new();
    for member in members.drain(..) {
        match places.entry(decode(&text[member.key.clone()])) {
            Entry::Occupied(place) => kept[*place.get()].value = member.value,
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(member);
            }
        }
    }
    *members = kept;
}

/// Most members of which each is compared with each: below it, that is faster than hashing them.
const FEW: usize = 16;

/// Whether a key stands twice.
fn repeats(text: &str, members: &[Member]) -> bool {
    let key = |member: &Member| &text[member.key.clone()];
    let is_plain = |member: &Member| memchr::memchr(b'\\', key(member).as_bytes()).is_none();
    if members.len() <= FEW && members.iter().all(is_plain) {
        let earlier = |at: usize| {
            members[..at]
                .iter()
                .any(|member| key(member) == key(&members[at]))
        };
        return (1..members.len()).any(earlier);
    }
    let mut seen = HashSet::with_capacity(members.len());
    !members
        .iter()
        .all(|member| seen.insert(decode(key(member))))
}

/// What a bracket still open is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Object,
    Array,
}

struct Scanner<'a, F> {
    bytes: &'a [u8],
    at: usize,
    /// The containers around, from the outermost; nobody nests so many that they would not fit.
    open: SmallVec<[Open; 32]>,
    max_depth: usize,
    /// The outermost member that is being read.
    member: Member,
    show: F,
}

impl<F: FnMut(Member)> Scanner<'_, F> {
    /// Reads one value and makes sure that nothing follows it.
    fn run(&mut self) -> Result<(), Fault> {
        self.skip_space();
        loop {
            let entered = self.value()?;
            if !entered && self.close_finished()? {
                self.skip_space();
                return match self.peek() {
                    None => Ok(()),
                    Some(_) => Err(Fault::Malformed),
                };
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a scalar, an empty container, or the opening of a container up to its first value.
    ///
    /// Gives whether a container was entered, so that a value comes next.
    fn value(&mut self) -> Result<bool, Fault> {
        match self.peek().ok_or(Fault::Malformed)? {
            b'{' => self.enter(Open::Object, b'}'),
            b'[' => self.enter(Open::Array, b']'),
            b'"' => self.string().map(|()| false),
            b'-' | b'0'..=b'9' => self.number().map(|()| false),
            b't' => self.literal(b"true").map(|()| false),
            b'f' => self.literal(b"false").map(|()| false),
            b'n' => self.literal(b"null").map(|()| false),
            _ => Err(Fault::Malformed),
        }
    }

    fn enter(&mut self, open: Open, close: u8) -> Result<bool, Fault> {
        self.at += 1;
        if self.open.len() >= self.max_depth {
            return Err(Fault::TooDeep);
        }
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        self.open.push(open);
        self.start_member()?;
        Ok(true)
    }

    /// Reads up to where the next value of the innermost container begins.
    fn start_member(&mut self) -> Result<(), Fault> {
        let outermost = self.open.len() == 1;
        let mut key = self.at..self.at;
        if self.open.last() == Some(&Open::Object) {
            self.string()?;
            key.end = self.at;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
        }
        if outermost {
            let value = self.at..self.at;
            self.member = Member { key, value };
        }
        Ok(())
    }

    /// After a value: goes on to the next one, closing what ends here. Gives whether the outermost value is complete.
    fn close_finished(&mut self) -> Result<bool, Fault> {
        loop {
            let Some(&innermost) = self.open.last() else {
                return Ok(true);
            };
            if self.open.len() == 1 {
                self.member.value.end = self.at;
                (self.show)(self.member.clone());
            }
            self.skip_space();
            match (self.peek(), innermost) {
                (Some(b','), _) => {
                    self.at += 1;
                    self.skip_space();
                    self.start_member()?;
                    return Ok(false);
                }
                (Some(b'}'), Open::Object) | (Some(b']'), Open::Array) => {
                    self.at += 1;
                    self.open.pop();
                }
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Fault::Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(Fault::Malformed);
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.expect(b'"')?;
        loop {
            self.at += plain_run(&self.bytes[self.at..]);
            match self.peek().ok_or(Fault::Malformed)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let length = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => 6,
            _ => return Err(Fault::Malformed),
        };
        let digits = self.bytes.get(self.at + 2..self.at + length);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Fault::Malformed);
        }
        self.at += length;
        Ok(())
    }
}

/// How many bytes from the start are neither a quote, nor a backslash, nor a control character.
///
/// Looks at eight bytes at a time: a byte `b` of `word` is below `n` exactly when bit 7 of
/// `(word - n·0x01…) & !word` is set for the lowest such byte.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special =
            (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | control;
        let found = special & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let special = |b: &u8| *b == b'"' || *b == b'\\' || *b < 0x20;
    let rest = &bytes[at..];
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// The characters that a JSON string (with its quotes) stands for.
///
/// A lone surrogate becomes U+FFFD, which is what JavaScript's own conversion to UTF-8 gives.
pub fn decode(quoted: &str) -> Cow<'_, str> {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(quoted);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut decoded = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.find('\\') {
        decoded.push_str(&rest[..place]);
        let (character, length) = unescape(&rest[place..]);
        decoded.push(character);
        rest = &rest[place + length..];
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character that the escape at the start of `text` stands for, and the escape's length in bytes.
fn unescape(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let simple = match text.chars().nth(1) {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let first = unit(0).unwrap_or(0xFFFD);
            if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(6)) {
                let scalar = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return (char::from_u32(scalar).unwrap_or('\u{FFFD}'), 12);
            }
            let length = if unit(0).is_some() { 6 } else { 2 };
            return (char::from_u32(first).unwrap_or('\u{FFFD}'), length);
        }
        Some(other) => return (other, 1 + other.len_utf8()),
        None => return ('\\', 1),
    };
    (simple, 2)
}

/// Whether `JSON.stringify(JSON.parse(value))` surely gives `value` back, letter for letter.
///
/// `false` means only that it might not: white space, escapes, fractions, exponents, long or negative-zero integers,
/// and keys that JavaScript would put in another order.
pub fn is_canonical(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let run = plain_run(&bytes[at + 1..]);
                let end = at + 1 + run;
                let is_key = bytes.get(end + 1) == Some(&b':');
                if bytes.get(end) != Some(&b'"')
                    || (is_key && run > 0 && bytes[at + 1].is_ascii_digit())
                {
                    return false;
                }
                at = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let digits = bytes[at..]
                    .iter()
                    .take_while(|b| !b",]}".contains(b))
                    .count();
                let number = &bytes[at..at + digits];
                let plain = number
                    .iter()
                    .enumerate()
                    .all(|(place, b)| b.is_ascii_digit() || (place == 0 && *b == b'-'));
                if !plain || digits > 15 || number == b"-0" {
                    return false;
                }
                at += digits;
            }
            b' ' | b'\t' | b'\n' | b'\r' => return false,
            _ => at += 1,
        }
    }
    true
}

/// Whether the JSON string `quoted` stands for `name`.
pub fn is_key(quoted: &str, name: &str) -> bool {
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default();
    let is_escaped = || memchr::memchr(b'\\', inner.as_bytes()).is_some();
    // What is escaped is longer than what it stands for.
    match inner.len().cmp(&name.len()) {
        Ordering::Less => false,
        Ordering::Equal => inner == name && !is_escaped(),
        Ordering::Greater => is_escaped() && decode(quoted) == name,
    }
}

/// Whether JavaScript keeps `key` among an object's integer keys, which it orders by number before all others.
///
/// Spec: ECMA-262, *array index*: a canonical decimal below 2³² − 1.
pub fn array_index(key: &str) -> Option<u32> {
    let canonical =
        key == "0" || (!key.starts_with('0') && key.bytes().all(|b| b.is_ascii_digit()));
    let index = if canonical {
        key.parse().ok()?
    } else {
        return None;
    };
    (index != u32::MAX).then_some(index)
}

#[cfg(test)]
mod tests;
