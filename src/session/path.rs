//! Attribute paths: `user.name`, `items[0].price`, `labels["x-y"]`, `items.0`, `user?.name`.
//!
//! A path is data. Whatever does not follow the grammar is an ordinary flat key; nothing is ever evaluated, and
//! `__proto__`, `constructor` and `prototype` are names like any other.
//!
//! Compat: replaces `dot-access`, which compiled keys as JavaScript (fault B1).

use std::borrow::Cow;

use smallvec::SmallVec;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'k> {
    /// The property's name.
    pub name: Cow<'k, str>,
    /// Written as `[n]`: a missing parent is made an array.
    pub is_index: bool,
    /// Written after `?.`: a missing parent ends the path without falling back to the flat key.
    pub is_optional: bool,
}

/// The steps of a path; a few take no allocation.
pub type Segments<'k> = SmallVec<[Segment<'k>; 4]>;

/// The steps of `key`, at least one; `None` when `key` is not a path and so names a top-level attribute as it stands.
pub fn parse(key: &str) -> Option<Segments<'_>> {
    let mut segments = Segments::new();
    let mut rest = name(key, false, &mut segments)?;
    while !rest.is_empty() {
        let optional = rest.strip_prefix('?');
        rest = optional.unwrap_or(rest);
        let after_dot = rest.strip_prefix('.');
        rest = match (after_dot, optional.is_some()) {
            (Some(tail), true) if tail.starts_with('[') => bracket(tail, true, &mut segments)?,
            (Some(tail), is_optional) => name(tail, is_optional, &mut segments)?,
            (None, false) => bracket(rest, false, &mut segments)?,
            (None, true) => return None,
        };
    }
    Some(segments)
}

/// Whether `key` is surely a single name, so that it need not be parsed.
pub fn is_flat(key: &str) -> bool {
    memchr::memchr3(b'.', b'[', b'?', key.as_bytes()).is_none()
}

/// Reads a name up to `.`, `?.` or `[`, and gives what follows it.
fn name<'k>(text: &'k str, is_optional: bool, segments: &mut Segments<'k>) -> Option<&'k str> {
    let ends = |at: &usize| {
        let rest = &text.as_bytes()[*at..];
        matches!(rest, [b'.' | b'[', ..] | [b'?', b'.', ..])
    };
    let end = (0..text.len()).find(ends).unwrap_or(text.len());
    if end == 0 {
        return None;
    }
    segments.push(Segment {
        name: Cow::Borrowed(&text[..end]),
        is_index: false,
        is_optional,
    });
    Some(&text[end..])
}

/// Reads `[n]`, `["k"]` or `['k']`, and gives what follows it.
fn bracket<'k>(text: &'k str, is_optional: bool, segments: &mut Segments<'k>) -> Option<&'k str> {
    let inner = text.strip_prefix('[')?;
    let (name, tail, is_index) = match inner.bytes().next()? {
        mark @ (b'"' | b'\'') => {
            let (name, tail) = quoted(&inner[1..], char::from(mark))?;
            (name, tail, false)
        }
        _ => {
            let end = inner.find(']')?;
            super::text::array_index(&inner[..end])?;
            (Cow::Borrowed(&inner[..end]), &inner[end..], true)
        }
    };
    segments.push(Segment {
        name,
        is_index,
        is_optional,
    });
    tail.strip_prefix(']')
}

/// Reads up to the closing `mark`; a backslash stands only before a quotation mark or another backslash.
fn quoted(text: &str, mark: char) -> Option<(Cow<'_, str>, &str)> {
    let mut name = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let end = rest.find([mark, '\\'])?;
        let (before, from) = rest.split_at(end);
        if name.is_empty() {
            name = Cow::Borrowed(before);
        } else {
            name.to_mut().push_str(before);
        }
        if let Some(tail) = from.strip_prefix(mark) {
            return Some((name, tail));
        }
        let escaped = from.chars().nth(1).filter(|c| "\"'\\".contains(*c))?;
        name.to_mut().push(escaped);
        rest = &from[2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(key: &str) -> Option<Vec<String>> {
        parse(key).map(|segments| segments.into_iter().map(|s| s.name.into_owned()).collect())
    }

    #[test]
    fn the_originals_legal_paths_are_paths() {
        for (key, expected) in [
            ("user", &["user"][..]),
            ("user.name", &["user", "name"]),
            ("a.b.c.d", &["a", "b", "c", "d"]),
            ("items[0].price", &["items", "0", "price"]),
            ("a[\"x-y\"]", &["a", "x-y"]),
            ("a['x.y'][2]", &["a", "x.y", "2"]),
            ("a[\"q\\\"q\"]", &["a", "q\"q"]),
            ("a[\"\\\\\"]", &["a", "\\"]),
            ("a?.b", &["a", "b"]),
            ("a?.[0]", &["a", "0"]),
            ("ключ.имя", &["ключ", "имя"]),
            ("a.0.b", &["a", "0", "b"]),
            ("my-key", &["my-key"]),
            ("what?", &["what?"]),
            ("a b.c", &["a b", "c"]),
        ] {
            assert_eq!(names(key).unwrap(), expected, "{key}");
        }
    }

    #[test]
    fn anything_else_is_a_flat_key() {
        for key in [
            "",
            ".",
            ".a",
            "a.",
            "a..b",
            "[0]",
            "a[",
            "a[]",
            "a[x]",
            "a[01]",
            "a[-1]",
            "a[\"x]",
            "a[0",
            "a[0]b",
            "a[\"\\n\"]",
            "a['x'y]",
            "a?.",
            "?.a",
            "a[4294967295]",
        ] {
            assert_eq!(parse(key), None, "{key:?}");
        }
    }

    #[test]
    fn steps_remember_how_they_were_written() {
        let segments = parse("a[0]?.b").unwrap();
        assert!(segments[1].is_index && !segments[1].is_optional);
        assert!(!segments[2].is_index && segments[2].is_optional);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_keys_never_panic(key in proptest::prelude::any::<String>()) {
            let _ = parse(&key);
        }

        #[test]
        fn a_flat_key_is_its_only_name(key in "[a-z\\- ]{1,9}") {
            proptest::prop_assert!(is_flat(&key));
            proptest::prop_assert_eq!(names(&key), Some(vec![key]));
        }
    }
}
