//! Finding a member in a text that is known to be in order: nothing is checked, only passed over.

use super::is_key;

/// The value of `key` in the object `text`, which must have been scanned before. Of a key that stands twice the last value
/// counts, as with `JSON.parse`.
pub fn member<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let bytes = text.as_bytes();
    let mut at = past_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    at = past_space(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let name = at..past_string(bytes, at);
        // Past the colon.
        let start = past_space(bytes, past_space(bytes, name.end) + 1);
        let end = past_value(bytes, start);
        if is_key(text.get(name)?, key) {
            found = text.get(start..end);
        }
        // Past the comma, or the end of the object.
        at = past_space(bytes, past_space(bytes, end) + 1);
    }
    found
}

fn past_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the string that begins at `at` has ended.
fn past_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// Where the value that begins at `at` has ended.
fn past_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => past_string(bytes, at),
        Some(b'{' | b'[') => past_container(bytes, at),
        _ => {
            let ends =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            let rest = bytes.get(at..).unwrap_or_default();
            at + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

fn past_container(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = past_string(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}
