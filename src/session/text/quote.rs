//! Strings as JSON texts.

use super::plain_run;

/// `text` as a JSON string with its quotes, as `JSON.stringify` writes it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut rest = text;
    loop {
        let (plain, left) = rest.split_at(plain_run(rest.as_bytes()));
        quoted.push_str(plain);
        let mut left = left.chars();
        match left.next() {
            None => break,
            Some('"') => quoted.push_str("\\\""),
            Some('\\') => quoted.push_str("\\\\"),
            Some('\u{8}') => quoted.push_str("\\b"),
            Some('\u{c}') => quoted.push_str("\\f"),
            Some('\n') => quoted.push_str("\\n"),
            Some('\r') => quoted.push_str("\\r"),
            Some('\t') => quoted.push_str("\\t"),
            Some(control) => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
        }
        rest = left.as_str();
    }
    quoted.push('"');
    quoted
}
