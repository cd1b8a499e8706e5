//! The text of an object, with its members in the order in which JavaScript keeps them.
//!
//! Integer keys come first and by number, then the others as given. Knows nothing of what the members mean.

use super::text::{self, Fault, Member, Root};

/// An object's text from its members: (key with quotes, value).
pub fn write(members: &[(&str, &str)]) -> String {
    lay_out(members.iter().copied()).0
}

/// The same, and where the members lie in it.
pub(super) fn lay_out<'m>(
    members: impl Iterator<Item = (&'m str, &'m str)>,
) -> (String, Vec<Member>) {
    let mut members: Vec<_> = members.collect();
    put_in_order(&mut members, |(key, _)| key);
    let lengths = members.iter().map(|(key, value)| key.len() + value.len());
    let mut object = String::with_capacity(lengths.sum::<usize>() + 2 * members.len() + 2);
    let mut layout = Vec::with_capacity(members.len() + 1);
    object.push('{');
    for member in members {
        layout.push(add_last(&mut object, member));
    }
    object.push('}');
    (object, layout)
}

/// Adds a member to an object's text that is not closed yet; gives where it lies.
pub(super) fn add_last(object: &mut String, (key, value): (&str, &str)) -> Member {
    if object.len() > 1 {
        object.push(',');
    }
    let key_start = object.len();
    object.push_str(key);
    let key = key_start..object.len();
    object.push(':');
    let value_start = object.len();
    object.push_str(value);
    let value = value_start..object.len();
    Member { key, value }
}

/// Puts members into JavaScript's order, by their keys with quotes.
pub(super) fn put_in_order<M>(members: &mut [M], key: impl Fn(&M) -> &str) {
    if members
        .iter()
        .any(|member| integer_key(key(member)).is_some())
    {
        members.sort_by_key(|member| integer_key(key(member)).map_or(u64::MAX, u64::from));
    }
}

/// The number that a key, given with its quotes, is for JavaScript.
pub(super) fn integer_key(quoted: &str) -> Option<u32> {
    let may_be = matches!(quoted.as_bytes().get(1), Some(b'0'..=b'9' | b'\\'));
    may_be.then(|| text::array_index(&text::decode(quoted)))?
}

/// The object text that a stored JSON text with this `root` means for a session.
///
/// Compat: `__loadSession` in `lib/store/Store.js`: `null`, `0`, `false`, `""`, other numbers, `true` and `[]` are a session
/// without attributes; the elements of an array become attributes named by their index. A string, which the original
/// took apart into characters (fault B5), is malformed.
pub fn object_text(stored: &str, root: Root) -> Result<String, Fault> {
    match root {
        Root::Object(_) => Ok(stored.to_owned()),
        Root::Array(elements) => {
            let keys = (0..elements.len()).map(|place| format!("\"{place}\""));
            let keys: Vec<String> = keys.collect();
            let values = elements
                .iter()
                .map(|element| &stored[element.value.clone()]);
            let members: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
            Ok(write(&members))
        }
        Root::String if stored.trim() != "\"\"" => Err(Fault::Malformed),
        Root::String | Root::Other => Ok("{}".to_owned()),
    }
}
