//! What was changed in place: the members in which two JSON texts differ, object by object.
//!
//! Arrays and scalars differ as a whole. Knows nothing of what was done through the session's methods.

use std::borrow::Cow;
use std::collections::HashMap;

use super::change::Step;
use super::recorded::{Name, Path};
use super::text::{self, Root};

/// The steps that make `new` of `base`, both values at `path`.
pub(super) fn differences(path: Path, base: &str, new: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut pairs = vec![(path, base, new)];
    while let Some((path, base, new)) = pairs.pop() {
        if base == new {
            continue;
        }
        if !(base.starts_with('{') && new.starts_with('{')) {
            steps.push(in_place(path, Some(new), true));
            continue;
        }
        let inner = |key: &str| {
            let mut inner = path.clone();
            inner.push(Name::quoted(key));
            inner
        };
        let mut left: HashMap<Cow<str>, (&str, &str)> = HashMap::new();
        left.extend(members(base).map(|(key, value)| (text::decode(key), (key, value))));
        for (key, value) in members(new) {
            match left.remove(&text::decode(key)) {
                Some((_, before)) => pairs.push((inner(key), before, value)),
                None => steps.push(in_place(inner(key), Some(value), false)),
            }
        }
        let gone = left
            .into_values()
            .map(|(key, _)| in_place(inner(key), None, true));
        steps.extend(gone);
    }
    steps
}

pub(super) fn in_place(path: Path, value: Option<&str>, existed: bool) -> Step {
    Step::InPlace {
        path,
        value: value.map(str::to_owned),
        existed,
    }
}

fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let found = match text::scan(object, usize::MAX) {
        Ok(Root::Object(found)) => found,
        _ => Vec::new(),
    };
    found
        .into_iter()
        .map(|member| (&object[member.key], &object[member.value]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::change::Change;
    use crate::session::recorded;

    fn changed(base: &str, new: &str, stored: &str) -> String {
        let steps = differences(recorded::top("a"), base, new);
        let change = Change {
            steps,
            ..Change::default()
        };
        change.apply(&format!("{{\"a\":{stored}}}")).text
    }

    #[test]
    fn members_that_differ_are_found_at_every_depth() {
        let (base, new) = (
            r#"{"x":{"y":1,"z":2},"w":[1]}"#,
            r#"{"x":{"y":3,"z":2,"n":{}},"w":[1]}"#,
        );
        let stored = r#"{"x":{"y":1,"z":9},"w":[1,2]}"#;
        let expected = r#"{"a":{"x":{"y":3,"z":9,"n":{}},"w":[1,2]}}"#;
        assert_eq!(changed(base, new, stored), expected);
    }

    #[test]
    fn a_member_that_was_deleted_goes() {
        assert_eq!(
            changed(r#"{"x":1,"y":2}"#, r#"{"y":2}"#, r#"{"x":5,"y":6}"#),
            r#"{"a":{"y":6}}"#
        );
    }

    #[test]
    fn arrays_differ_as_a_whole() {
        assert_eq!(changed("[1,2]", "[1,3]", "[9]"), r#"{"a":[1,3]}"#);
    }
}
