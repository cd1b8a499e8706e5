//! Changes applied to stored texts: each row of "rebase on save", and what holds for all changes.

use super::*;
use crate::session::fake::{Fake, FakeLive};
use crate::session::live::Live;
use crate::session::text::Fault;
use crate::session::{Attributes, Base, Sum, csrf, flash};
use std::sync::Arc;

/// A request that has loaded a text.
struct Request {
    attributes: Attributes,
    live: FakeLive,
}

impl Request {
    fn new(text: &str) -> Self {
        let base = Base::parse(Arc::from(text), 100).unwrap();
        Request {
            attributes: Attributes::new(base),
            live: FakeLive::default(),
        }
    }

    fn put(self, key: &str, json: &str) -> Self {
        let value = self.live.value(json);
        self.attributes.set(&self.live, key, &value).unwrap();
        self
    }

    fn push(self, key: &str, json: &str) -> Self {
        let value = self.live.value(json);
        self.attributes.push(&self.live, key, &value).unwrap();
        self
    }

    fn increment(self, key: &str, by: f64) -> Self {
        self.attributes.increment(&self.live, key, by).unwrap();
        self
    }

    fn forget(self, key: &str) -> Self {
        self.attributes.forget(&self.live, key).unwrap();
        self
    }

    fn flush(self) -> Self {
        self.attributes.flush();
        self.live.0.replace(self.live.object().unwrap());
        self
    }

    fn flash(self, key: &str, json: &str) -> Self {
        let request = self.put(key, json);
        flash::flash(&request.attributes, &request.live, key).unwrap();
        request
    }

    /// Sets a member of the object at `key` as JavaScript would, without a method of the session's.
    fn in_place(self, key: &str, member: &str, json: &str) -> Self {
        let object = self.attributes.get(&self.live, key).unwrap().unwrap();
        let value = self.live.value(json);
        self.live.define(&object, member, &value).unwrap();
        self
    }

    fn delete_in_place(self, key: &str, member: &str) -> Self {
        let object = self.attributes.get(&self.live, key).unwrap().unwrap();
        self.live.delete(&object, member).unwrap();
        self
    }

    fn all(self, member: &str, json: &str) -> Self {
        let all: Fake = self.attributes.expose(&self.live).unwrap();
        self.live.0.replace(all.clone());
        self.live
            .define(&all, member, &self.live.value(json))
            .unwrap();
        self
    }

    fn age(self) -> Self {
        flash::age(&self.attributes, &self.live, false).unwrap();
        self
    }

    fn change(&self) -> Change {
        let snapshot = self.attributes.snapshot(&self.live, 100).unwrap();
        snapshot.map(|taken| taken.change).unwrap_or_default()
    }

    fn on(&self, stored: &str) -> String {
        self.change().apply(stored).text
    }

    fn dropped_on(&self, stored: &str) -> Rebased {
        self.change().apply(stored)
    }
}

#[test]
fn a_request_that_did_nothing_changes_nothing() {
    let request = Request::new(r#"{"a": 1.0}"#);
    request.attributes.get(&request.live, "a").unwrap();
    assert!(request.change().is_empty());
}

#[test]
fn a_put_takes_its_path_and_leaves_the_rest_as_stored() {
    let name = Request::new(r#"{"user":{"name":"a","email":"x"}}"#).put("user.name", "\"b\"");
    let stored = r#"{"user":{"name":"a","email":"y"},"n":1}"#;
    let expected = r#"{"user":{"name":"b","email":"y"},"n":1}"#;
    assert_eq!(name.on(stored), expected);
}

#[test]
fn a_whole_value_that_was_put_mixes_with_no_other() {
    let user = Request::new(r#"{"user":{"id":1,"admin":true}}"#).put("user", r#"{"id":2}"#);
    assert_eq!(
        user.on(r#"{"user":{"id":1,"admin":true,"seen":5}}"#),
        r#"{"user":{"id":2}}"#
    );
}

#[test]
fn a_put_under_what_another_request_removed_makes_it_again() {
    let put = Request::new(r#"{"a":{"b":[{"c":1}]}}"#).put("a.b[0].c", "2");
    let change = put.change();
    for stored in ["{}", r#"{"a":5}"#, r#"{"a":null}"#] {
        assert_eq!(change.apply(stored).text, r#"{"a":{"b":[{"c":2}]}}"#);
    }
}

#[test]
fn members_changed_in_place_are_merged() {
    let cart = r#"{"cart":{"total":1,"items":[1],"note":"n"}}"#;
    let request = Request::new(cart)
        .in_place("cart", "total", "2")
        .delete_in_place("cart", "note");
    let stored = r#"{"cart":{"total":1,"items":[1,2],"note":"n","x":0}}"#;
    let expected = r#"{"cart":{"total":2,"items":[1,2],"x":0}}"#;
    assert_eq!(request.on(stored), expected);
}

#[test]
fn what_was_changed_in_place_and_removed_by_another_request_stays_removed() {
    let user = || Request::new(r#"{"user":{"id":1,"seen":0}}"#).in_place("user", "seen", "9");
    for (stored, expected) in [
        ("{}", "{}"),
        (r#"{"user":null}"#, r#"{"user":null}"#),
        (r#"{"user":{"id":1}}"#, r#"{"user":{"id":1}}"#),
    ] {
        let rebased = user().dropped_on(stored);
        assert_eq!(
            (rebased.text.as_str(), rebased.has_dropped),
            (expected, true)
        );
    }
    let counter = Request::new(r#"{"n":1}"#).all("n", "2");
    assert!(counter.dropped_on("{}").has_dropped);
}

#[test]
fn what_was_added_in_place_is_no_conflict() {
    let added = Request::new(r#"{"a":1}"#).all("b", "2").dropped_on("{}");
    assert_eq!(
        (added.text.as_str(), added.has_dropped),
        (r#"{"b":2}"#, false)
    );
}

#[test]
fn what_is_forgotten_goes_whatever_became_of_it() {
    let forget = || Request::new(r#"{"a":{"b":1},"list":[1,2]}"#).forget("a.b");
    assert_eq!(forget().on(r#"{"a":{"b":7,"c":1}}"#), r#"{"a":{"c":1}}"#);
    assert_eq!(forget().on("{}"), "{}");
    let element = Request::new(r#"{"list":[1,2]}"#).forget("list[0]");
    assert_eq!(element.on(r#"{"list":[1,2,3]}"#), r#"{"list":[null,2,3]}"#);
}

#[test]
fn what_is_forgotten_where_nothing_was_leaves_what_others_put_beside_it() {
    let nothing = Request::new("{}").forget("user.name").put("k", "1");
    assert_eq!(
        nothing.on(r#"{"user":{"name":"Ann","mail":"x"}}"#),
        r#"{"user":{"mail":"x"},"k":1}"#
    );
    assert_eq!(nothing.on("{}"), r#"{"k":1}"#);
}

#[test]
fn what_is_pushed_comes_last_in_what_is_stored() {
    let base = r#"{"list":[0]}"#;
    let (one, two) = (
        Request::new(base).push("list", "1").push("list", "2"),
        Request::new(base).push("list", "3"),
    );
    assert_eq!(two.on(&one.on(base)), r#"{"list":[0,1,2,3]}"#);
    let first = Request::new("{}").push("a.b", "1");
    assert_eq!(first.on(r#"{"a":{"b":[5]}}"#), r#"{"a":{"b":[5,1]}}"#);
}

#[test]
fn a_list_that_was_also_changed_in_place_is_taken_whole() {
    let request = Request::new(r#"{"list":[1,2]}"#)
        .push("list", "3")
        .in_place("list", "0", "9");
    assert_eq!(request.on(r#"{"list":[1,2,8]}"#), r#"{"list":[9,2,3]}"#);
}

#[test]
fn a_push_onto_a_value_that_was_put_is_stored_once() {
    let request = Request::new("{}").put("list", "[1]").push("list", "2");
    assert_eq!(request.on(r#"{"list":[7]}"#), r#"{"list":[1,2]}"#);
}

#[test]
fn increments_add_to_what_is_stored() {
    let add = |by| {
        Request::new(r#"{"n":1}"#)
            .increment("n", by)
            .increment("n", by)
    };
    assert_eq!(add(1.0).on(r#"{"n":10}"#), r#"{"n":12}"#);
    assert_eq!(add(-0.25).on(r#"{"n":0.5}"#), r#"{"n":0}"#);
    assert_eq!(add(2.0).on("{}"), r#"{"n":4}"#);
    assert_eq!(add(2.0).on(r#"{"n":null}"#), r#"{"n":4}"#);
    assert_eq!(add(2.0).on(r#"{"n":"text"}"#), r#"{"n":5}"#);
}

#[test]
fn only_a_number_can_be_incremented() {
    let request = Request::new(r#"{"s":"5","o":{},"null":null}"#);
    for key in ["s", "o"] {
        let sum = request.attributes.increment(&request.live, key, 1.0);
        assert!(matches!(sum, Ok(Sum::Refused(_))), "{key}");
    }
    assert!(request.change().is_empty());
    assert_eq!(
        request
            .increment("null", 1.0)
            .increment("new.n", 2.0)
            .on("{}"),
        r#"{"null":1,"new":{"n":2}}"#
    );
}

#[test]
fn a_flush_drops_whatever_is_stored_by_then() {
    let flush = Request::new(r#"{"a":1}"#)
        .put("early", "1")
        .flush()
        .put("late", "1");
    assert_eq!(flush.on(r#"{"a":1,"b":2,"early":3}"#), r#"{"late":1}"#);
    let slower = Request::new(r#"{"a":{"x":1}}"#).in_place("a", "x", "2");
    assert!(slower.dropped_on("{}").has_dropped);
}

#[test]
fn a_token_that_was_made_by_itself_yields_and_one_asked_for_does_not() {
    let made = Request::new("{}");
    csrf::offer(&made.attributes, &made.live, "mine").unwrap();
    let change = made.change();
    for (stored, token) in [("{}", "mine"), (r#"{"_token":"theirs"}"#, "theirs")] {
        assert_eq!(
            change.apply(stored).text,
            format!("{{\"_token\":\"{token}\"}}")
        );
    }
    let asked = Request::new(r#"{"_token":"old"}"#);
    csrf::put(&asked.attributes, &asked.live, "mine").unwrap();
    assert_eq!(asked.on(r#"{"_token":"theirs"}"#), r#"{"_token":"mine"}"#);
}

const FLASHED: &str = r#"{"flash":{"new":[],"old":["notice"]},"notice":"hi"}"#;

#[test]
fn flash_data_of_two_requests_is_kept_side_by_side() {
    let (one, two) = (
        Request::new(FLASHED).flash("a", "1").age(),
        Request::new(FLASHED).flash("b", "2").age(),
    );
    let both = two.on(&one.on(FLASHED));
    assert_eq!(both, r#"{"flash":{"new":[],"old":["a","b"]},"a":1,"b":2}"#);
}

#[test]
fn flash_data_that_was_flashed_anew_by_another_request_is_kept_and_stays_listed() {
    let reader = || Request::new(FLASHED).age();
    let writer = || Request::new(FLASHED).flash("notice", "\"again\"").age();
    let expected = r#"{"flash":{"new":[],"old":["notice"]},"notice":"again"}"#;
    assert_eq!(reader().on(&writer().on(FLASHED)), expected);
    assert_eq!(writer().on(&reader().on(FLASHED)), expected);
}

#[test]
fn members_of_the_applications_own_beside_the_flash_lists_are_merged() {
    let base = r#"{"flash":{"message":"x","new":[],"old":[]}}"#;
    let request = Request::new(base).put("flash.message", "\"y\"").age();
    let stored = r#"{"flash":{"message":"x","other":1,"new":[],"old":["k"]}}"#;
    let expected = r#"{"flash":{"message":"y","other":1,"new":[],"old":["k"]}}"#;
    assert_eq!(request.on(stored), expected);
}

#[test]
fn values_that_only_look_different_are_no_change() {
    let request = Request::new(r#"{"a":{"x":1.0,"y":1e2},"b":1}"#);
    request.attributes.get(&request.live, "a").unwrap();
    assert!(request.change().is_empty());
    let changed = request.in_place("a", "y", "5");
    assert_eq!(
        changed.on(r#"{"a":{"x":9,"y":1e2}}"#),
        r#"{"a":{"x":9,"y":5}}"#
    );
}

#[test]
fn a_value_put_as_it_was_counts_when_something_else_changed() {
    let request = Request::new(r#"{"role":"user","n":1}"#).put("role", "\"user\"");
    assert!(request.change().is_empty());
    let request = Request::new(r#"{"role":"user","n":1}"#)
        .put("role", "\"user\"")
        .put("n", "2");
    assert_eq!(
        request.on(r#"{"role":"admin","n":1}"#),
        r#"{"role":"user","n":2}"#
    );
}

#[test]
fn keys_are_compared_as_javascript_reads_them() {
    let request = Request::new("{}").put("a", "2");
    assert_eq!(request.on(r#"{"\u0061":1}"#), r#"{"\u0061":2}"#);
}

#[test]
fn integer_keys_come_first_and_by_number() {
    let request = Request::new("{}").put("2", "0").put("b", "0");
    assert_eq!(
        request.on(r#"{"10":1,"a":1}"#),
        r#"{"2":0,"10":1,"a":1,"b":0}"#
    );
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
    assert_eq!(Change::default().apply("[1]").text, r#"{"0":1}"#);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// What a request may do: an act on one of a few keys with a value.
    #[derive(Clone, Debug)]
    enum Act {
        Put(String, String),
        Push(String, String),
        Increment(String, i8),
        Forget(String),
        InPlace(String, String),
    }

    /// Acts on keys that begin with `prefix`; the base has an object, an array and a number under each.
    fn act(prefix: &'static str) -> impl Strategy<Value = Act> {
        let value = prop_oneof!["[1-9][0-9]{0,2}", "\"[a-z]{0,3}\"", Just("{}".to_owned())];
        let path = prop_oneof![Just("o.x"), Just("o.y"), Just("o"), Just("v")];
        (0..5, path, value, any::<i8>()).prop_map(move |(kind, path, value, by)| {
            let path = format!("{prefix}{path}");
            match kind {
                0 => Act::Put(path, value),
                1 => Act::Push(format!("{prefix}l"), value),
                2 => Act::Increment(format!("{prefix}n"), by),
                3 => Act::Forget(path),
                _ => Act::InPlace(format!("{prefix}o"), value),
            }
        })
    }

    const BASE: &str =
        r#"{"ao":{"x":1,"y":2},"al":[0],"an":1,"av":1,"bo":{"x":1,"y":2},"bl":[0],"bn":1,"bv":1}"#;

    fn run(base: &str, acts: &[Act]) -> Request {
        let mut request = Request::new(base);
        for act in acts {
            request = match act {
                Act::Put(path, value) => request.put(path, value),
                Act::Push(path, value) => request.push(path, value),
                Act::Increment(path, by) => request.increment(path, f64::from(*by)),
                Act::Forget(path) => request.forget(path),
                Act::InPlace(path, value) => {
                    let object = request.attributes.get(&request.live, path).unwrap();
                    match object {
                        Some(Fake::Object(_)) => request.in_place(path, "z", value),
                        _ => request,
                    }
                }
            };
        }
        request
    }

    fn sorted(text: &str) -> Vec<(String, String)> {
        let Ok(Root::Object(members)) = text::scan(text, usize::MAX) else {
            unreachable!("the text of a session is an object");
        };
        let mut members: Vec<_> = members
            .into_iter()
            .map(|m| (text[m.key].to_owned(), ordered(&text[m.value])))
            .collect();
        members.sort();
        members
    }

    /// A value's text with the members of objects in alphabetical order.
    fn ordered(value: &str) -> String {
        match value.starts_with('{') {
            true => format!("{:?}", sorted(value)),
            false => value.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn a_change_makes_of_its_base_what_the_request_saw(acts in prop::collection::vec(act("a"), 0..8)) {
            let request = run(BASE, &acts);
            let taken = request.attributes.snapshot(&request.live, 100).unwrap();
            if let Some(taken) = taken {
                prop_assert_eq!(sorted(&taken.change.apply(BASE).text), sorted(taken.text()));
            }
        }

        #[test]
        fn changes_of_different_attributes_commute(
            one in prop::collection::vec(act("a"), 0..6),
            two in prop::collection::vec(act("b"), 0..6),
        ) {
            let (one, two) = (run(BASE, &one).change(), run(BASE, &two).change());
            let one_way = two.apply(&one.apply(BASE).text).text;
            let other_way = one.apply(&two.apply(BASE).text).text;
            prop_assert_eq!(sorted(&one_way), sorted(&other_way));
        }

        #[test]
        fn nothing_is_invented(acts in prop::collection::vec(act("a"), 0..6)) {
            let stored = r#"{"bo":{"x":7},"other":[1]}"#;
            let after = run(BASE, &acts).change().apply(stored).text;
            for (key, value) in sorted(&after) {
                let is_mine = key.starts_with("\"a");
                prop_assert!(is_mine || sorted(stored).contains(&(key, value)));
            }
        }

        #[test]
        fn a_flush_beats_every_value_saved_before_it(
            acts in prop::collection::vec(act("a"), 0..6),
        ) {
            let stored = run(BASE, &acts).change().apply(BASE).text;
            let flush = Request::new(BASE).flush().put("fresh", "1").change();
            prop_assert_eq!(flush.apply(&stored).text, r#"{"fresh":1}"#);
        }
    }
}
