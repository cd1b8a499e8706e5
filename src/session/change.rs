//! What one request changed, and how to apply that to the text that is stored now.
//!
//! A change is plain data, kept per top-level attribute. Applying it is a pure function of two texts.

use std::borrow::Cow;
use std::collections::HashMap;

use super::text::{self, Fault, Root};

/// The attributes a request set and removed. Keys are JSON strings with their quotes, values JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Attributes that have a new value.
    pub set: Vec<(String, String)>,
    /// Attributes that are no more.
    pub removed: Vec<String>,
    /// Everything that was stored before goes first.
    pub cleared: bool,
}

impl Change {
    /// The change that sets every attribute of the object `text`.
    pub fn whole(text: &str) -> Self {
        let members = match text::scan(text, usize::MAX) {
            Ok(Root::Object(members)) => members,
            _ => Vec::new(),
        };
        let piece = |range: std::ops::Range<usize>| text[range].to_owned();
        Change {
            set: members
                .into_iter()
                .map(|m| (piece(m.key), piece(m.value)))
                .collect(),
            ..Change::default()
        }
    }

    /// Whether the request changed nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty() && !self.cleared
    }

    /// The text that `stored` becomes. An unusable `stored` counts as having no attributes.
    pub fn apply(&self, stored: &str) -> String {
        let stored = if self.cleared { "{}" } else { stored };
        let members = match text::scan(stored, usize::MAX) {
            Ok(Root::Object(members)) => members,
            _ => Vec::new(),
        };
        let mut mine: HashMap<Cow<str>, Option<(&str, &str)>> = HashMap::new();
        mine.extend(self.removed.iter().map(|key| (text::decode(key), None)));
        let set = self
            .set
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        mine.extend(set.map(|member| (text::decode(member.0), Some(member))));
        let mut result = Vec::with_capacity(members.len() + self.set.len());
        for member in &members {
            let theirs = (&stored[member.key.clone()], &stored[member.value.clone()]);
            match mine.remove(&text::decode(theirs.0)) {
                None => result.push(theirs),
                Some(Some(changed)) => result.push(changed),
                Some(None) => {}
            }
        }
        for (key, value) in &self.set {
            if mine.remove(&text::decode(key)).is_some() {
                result.push((key, value));
            }
        }
        write(&result)
    }
}

/// An object's text from its members' texts, in the order in which JavaScript keeps them: integer keys by number, then
/// the others as given.
pub fn write(members: &[(&str, &str)]) -> String {
    let length: usize = members
        .iter()
        .map(|(key, value)| key.len() + value.len() + 2)
        .sum();
    let mut object = String::with_capacity(length + 2);
    object.push('{');
    let index = |key: &str| text::array_index(&text::decode(key));
    if members.iter().any(|(key, _)| index(key).is_some()) {
        let mut ordered: Vec<_> = members.iter().collect();
        ordered.sort_by_key(|(key, _)| index(key).map_or(u64::MAX, u64::from));
        ordered
            .into_iter()
            .for_each(|member| write_member(&mut object, member));
    } else {
        members
            .iter()
            .for_each(|member| write_member(&mut object, member));
    }
    object.push('}');
    object
}

fn write_member(object: &mut String, (key, value): &(&str, &str)) {
    if object.len() > 1 {
        object.push(',');
    }
    object.push_str(key);
    object.push(':');
    object.push_str(value);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn change(set: &[(&str, &str)], removed: &[&str]) -> Change {
        Change {
            set: set
                .iter()
                .map(|(k, v)| (text::quote(k), (*v).to_owned()))
                .collect(),
            removed: removed.iter().map(|key| text::quote(key)).collect(),
            cleared: false,
        }
    }

    #[test]
    fn only_the_changed_attributes_are_touched() {
        let stored = r#"{"a": 1.0, "b":2,"c":"x"}"#;
        let changed = change(&[("b", "3"), ("d", "[]")], &["c"]).apply(stored);
        assert_eq!(changed, r#"{"a":1.0,"b":3,"d":[]}"#);
    }

    #[test]
    fn removing_what_is_gone_already_is_nothing() {
        assert_eq!(change(&[], &["x"]).apply(r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn clearing_leaves_only_what_was_set_after_it() {
        let mut cleared = change(&[("z", "1")], &[]);
        cleared.cleared = true;
        assert_eq!(cleared.apply(r#"{"a":1}"#), r#"{"z":1}"#);
    }

    #[test]
    fn keys_are_compared_as_javascript_reads_them() {
        assert_eq!(
            change(&[("a", "2")], &[]).apply(r#"{"\u0061":1}"#),
            r#"{"a":2}"#
        );
    }

    #[test]
    fn integer_keys_come_first_and_by_number() {
        let members = [
            ("\"b\"", "1"),
            ("\"10\"", "2"),
            ("\"a\"", "3"),
            ("\"2\"", "4"),
        ];
        assert_eq!(write(&members), r#"{"2":4,"10":2,"b":1,"a":3}"#);
    }

    #[test]
    fn valid_json_that_is_no_object_means_what_the_original_made_of_it() {
        let means = |stored| object_text(stored, text::scan(stored, 10)?);
        for empty in ["null", "0", "false", "\"\"", "[]", "5", "true"] {
            assert_eq!(means(empty).unwrap(), "{}", "{empty}");
        }
        assert_eq!(means("[1,[2]]").unwrap(), r#"{"0":1,"1":[2]}"#);
        assert_eq!(means("\"text\""), Err(Fault::Malformed));
        assert_eq!(means("{}").unwrap(), "{}");
    }

    proptest::proptest! {
        #[test]
        fn changes_of_different_attributes_commute(a in "[a-m]{1,3}", b in "[n-z]{1,3}", kept in "[0-9]{1,3}") {
            let stored = change(&[(&kept, "0")], &[]).apply("{}");
            let (first, second) = (change(&[(&a, "1")], &[]), change(&[(&b, "2")], &[]));
            let sorted = |text: String| {
                let mut members: Vec<_> = text.split(',').map(|m| m.trim_matches(['{', '}']).to_owned()).collect();
                members.sort();
                members
            };
            let one_way = first.apply(&second.apply(&stored));
            let other_way = second.apply(&first.apply(&stored));
            proptest::prop_assert_eq!(sorted(one_way), sorted(other_way));
        }
    }
}
