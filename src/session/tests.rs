//! The rules of attributes, flash data and snapshots, run over JavaScript values made for the test.

use std::sync::Arc;

use super::fake::{Fake, FakeLive};
use super::{Attributes, Base, Live, Unsavable, csrf, flash};

struct Bag {
    attributes: Attributes,
    live: FakeLive,
}

impl Bag {
    fn new(text: &str) -> Self {
        let attributes = Attributes::new(Base::parse(Arc::from(text), 100).unwrap());
        Bag {
            attributes,
            live: FakeLive::default(),
        }
    }

    fn get(&self, key: &str) -> String {
        let value = self.attributes.get(&self.live, key).unwrap();
        value.map_or_else(|| "undefined".to_owned(), |value| self.live.json(&value))
    }

    fn has(&self, key: &str) -> bool {
        self.attributes.has(&self.live, key).unwrap()
    }

    fn set(&self, key: &str, json: &str) -> &Self {
        self.attributes
            .set(&self.live, key, &self.live.value(json))
            .unwrap();
        self
    }

    fn push(&self, key: &str, json: &str) -> &Self {
        self.attributes
            .push(&self.live, key, &self.live.value(json))
            .unwrap();
        self
    }

    fn forget(&self, key: &str) -> &Self {
        self.attributes.forget(&self.live, key).unwrap();
        self
    }

    /// The text to store; the base's own when nothing changed.
    fn text(&self) -> String {
        let snapshot = self.attributes.snapshot(&self.live, 100).unwrap();
        let snapshot = snapshot.unwrap_or_else(|| self.attributes.unchanged());
        snapshot.text().to_string()
    }

    fn save(&self) {
        let snapshot = self.attributes.snapshot(&self.live, 100).unwrap().unwrap();
        self.attributes.saved(&snapshot);
    }

    fn is_unchanged(&self) -> bool {
        self.attributes.snapshot(&self.live, 100).unwrap().is_none()
    }

    fn all(&self) -> Fake {
        let all = self.attributes.expose(&self.live).unwrap();
        self.live.0.replace(all.clone());
        all
    }
}

const CART: &str = r#"{"_token":"T","user":{"name":"bob","tags":["a","b"],"none":null},"n":5,"x.y":"flat","s":"a\u0041"}"#;

#[test]
fn get_follows_paths_and_falls_back_to_flat_keys() {
    let bag = Bag::new(CART);
    for (key, expected) in [
        ("user.name", "\"bob\""),
        ("user.tags[1]", "\"b\""),
        ("user.tags.1", "\"b\""),
        ("user[\"name\"]", "\"bob\""),
        ("user.tags.length", "2"),
        ("user.name.length", "3"),
        ("n", "5"),
        ("x.y", "\"flat\""),
        ("s", "\"aA\""),
        ("user.none", "null"),
        ("user.missing", "undefined"),
        ("user.none.deeper", "undefined"),
        ("missing.deeper", "undefined"),
        ("n.deeper", "undefined"),
        ("toString", "undefined"),
        ("user.constructor", "undefined"),
        ("__proto__", "undefined"),
    ] {
        assert_eq!(bag.get(key), expected, "{key}");
    }
}

#[test]
fn scalars_are_read_without_making_anything_live() {
    let bag = Bag::new(CART);
    bag.get("user.name");
    assert!(bag.has("user") && !bag.has("user.none") && !bag.has("nobody"));
    assert!(bag.attributes.state.borrow().slots.is_none());
    bag.get("user");
    assert!(bag.attributes.state.borrow().slots.is_some());
    assert!(bag.is_unchanged());
}

#[test]
fn the_same_object_is_given_every_time_and_its_changes_are_noticed() {
    let bag = Bag::new(CART);
    let tags = bag.attributes.get(&bag.live, "user.tags").unwrap().unwrap();
    bag.live
        .define(&tags, "2", &bag.live.value("\"c\""))
        .unwrap();
    assert_eq!(bag.get("user.tags.length"), "3");
    assert!(bag.text().contains(r#""tags":["a","b","c"]"#));
}

#[test]
fn set_makes_the_parents_that_are_missing() {
    let bag = Bag::new("{}");
    bag.set("a.b.c", "1")
        .set("list[0].x", "2")
        .set("my-key", "3")
        .set("", "4")
        .set("1", "5");
    assert_eq!(
        bag.text(),
        r#"{"1":5,"a":{"b":{"c":1}},"list":[{"x":2}],"my-key":3,"":4}"#
    );
}

#[test]
fn set_through_a_scalar_is_ignored_and_through_null_throws() {
    let bag = Bag::new(r#"{"u":5,"z":null,"d":{"e":5}}"#);
    bag.set("u.x", "1");
    assert_eq!(bag.text(), r#"{"u":5,"z":null,"d":{"e":5}}"#);
    let value = bag.live.value("1");
    assert!(bag.attributes.set(&bag.live, "z.x", &value).is_err());
    bag.set("d.e.f.g", "2");
    assert_eq!(bag.text(), r#"{"u":5,"z":null,"d":{"e":{"f":{"g":2}}}}"#);
}

#[test]
fn a_write_far_beyond_an_arrays_end_is_ignored() {
    let bag = Bag::new(r#"{"a":[1]}"#);
    bag.set("a[999999999]", "1").set("a.length", "4000000000");
    assert_eq!(bag.text(), r#"{"a":[1]}"#);
    bag.set("a[2]", "3");
    assert_eq!(bag.text(), r#"{"a":[1,null,3]}"#);
    bag.set("a.length", "1");
    assert_eq!(bag.text(), r#"{"a":[1]}"#);
}

#[test]
fn forget_takes_flat_keys_before_paths() {
    let bag = Bag::new(r#"{"a":{"b":1,"c":2},"a.b":3,"t":[1,2]}"#);
    assert_eq!(bag.forget("a.b").text(), r#"{"a":{"b":1,"c":2},"t":[1,2]}"#);
    assert_eq!(bag.forget("a.b").text(), r#"{"a":{"c":2},"t":[1,2]}"#);
    assert_eq!(
        bag.forget("a.zzz").forget("zzz").forget("t[0]").text(),
        r#"{"a":{"c":2},"t":[null,2]}"#
    );
}

#[test]
fn a_key_put_again_after_it_was_forgotten_comes_last() {
    let bag = Bag::new(r#"{"a":1,"b":2}"#);
    bag.forget("a").set("a", "3");
    assert_eq!(bag.text(), r#"{"b":2,"a":3}"#);
}

#[test]
fn push_appends_and_leaves_what_is_no_array_alone() {
    let bag = Bag::new(r#"{"list":[1],"n":1}"#);
    bag.push("list", "2").push("new.deep", "3").push("n", "4");
    assert_eq!(bag.text(), r#"{"list":[1,2],"n":1,"new":{"deep":[3]}}"#);
}

#[test]
fn pull_takes_falsy_values_out_too() {
    let bag = Bag::new(r#"{"zero":0,"deep":{"x":false}}"#);
    for key in ["zero", "deep.x", "nothing"] {
        bag.attributes.pull(&bag.live, key).unwrap();
    }
    assert_eq!(bag.text(), r#"{"deep":{}}"#);
}

#[test]
fn all_is_live_and_says_what_there_is() {
    let bag = Bag::new(CART);
    bag.set("user.name", "\"eve\"");
    let all = bag.all();
    bag.live
        .define(&all, "added", &bag.live.value("1"))
        .unwrap();
    bag.live.delete(&all, "n").unwrap();
    assert_eq!(bag.get("added"), "1");
    let text = bag.text();
    assert!(
        text.contains(r#""name":"eve""#)
            && text.ends_with(r#""added":1}"#)
            && !text.contains("\"n\":")
    );
}

#[test]
fn flush_drops_everything_that_was_loaded() {
    let bag = Bag::new(CART);
    bag.attributes.flush();
    bag.live.0.replace(Fake::Object(Default::default()));
    bag.set("fresh", "1");
    let snapshot = bag.attributes.snapshot(&bag.live, 100).unwrap().unwrap();
    assert_eq!(&**snapshot.text(), r#"{"fresh":1}"#);
    assert!(snapshot.change.cleared);
}

#[test]
fn a_value_that_only_reads_back_differently_is_unchanged() {
    let loaded = r#"{"o":{"a":1.0,"b":1e3},"k":{"2":1,"1":2}}"#;
    let bag = Bag::new(loaded);
    bag.get("o");
    bag.get("k");
    assert!(bag.is_unchanged());
    bag.set("x", "1");
    assert!(bag.text().starts_with(&loaded[..loaded.len() - 1]));
}

#[test]
fn values_put_before_the_load_yield_to_stored_ones() {
    let bag = Bag::new("{}");
    bag.set("mine", "1").set("both", "1");
    bag.attributes
        .load(Base::parse(Arc::from(r#"{"both":2,"theirs":3}"#), 100).unwrap());
    assert_eq!(bag.text(), r#"{"both":2,"theirs":3,"mine":1}"#);
}

#[test]
fn after_a_save_only_later_changes_count() {
    let bag = Bag::new(CART);
    bag.set("user.name", "\"eve\"");
    bag.save();
    assert!(bag.is_unchanged());
    bag.set("user.name", "\"zoe\"");
    assert!(bag.text().contains("zoe"));
}

#[test]
fn what_is_done_while_a_save_is_under_way_stays_done() {
    let bag = Bag::new(r#"{"a":1,"b":2}"#);
    bag.set("c", "3");
    let snapshot = bag.attributes.snapshot(&bag.live, 100).unwrap().unwrap();
    bag.forget("a").forget("c").set("d", "4").set("b", "5");
    bag.attributes.saved(&snapshot);
    let later = bag.attributes.snapshot(&bag.live, 100).unwrap().unwrap();
    assert_eq!(&**later.text(), r#"{"b":5,"d":4}"#);
    let rebased = later.change.apply(snapshot.text());
    assert_eq!(rebased.text, r#"{"b":5,"d":4}"#);
    bag.attributes.flush();
    bag.attributes.saved(&later);
    let last = bag.attributes.snapshot(&bag.live, 100).unwrap().unwrap();
    assert!(last.change.cleared);
}

#[test]
fn thousands_of_attributes_are_found_by_name() {
    let bag = Bag::new("{}");
    for n in 0..5_000 {
        bag.set(&format!("k{n}"), "1");
    }
    bag.forget("k17");
    let many = Bag::new(&bag.text());
    assert!(many.has("k4999") && !many.has("k17"));
    many.set("k0", "2").forget("k1");
    assert!(many.text().starts_with(r#"{"k0":2,"k2":1,"#));
}

#[test]
fn attributes_nested_too_deep_are_refused() {
    let bag = Bag::new("{}");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    bag.set("deep", &nested(100));
    assert!(!bag.is_unchanged());
    bag.set("deep", &nested(101));
    let refused = bag.attributes.snapshot(&bag.live, 100);
    assert_eq!(refused.unwrap_err(), Unsavable::TooDeep);
}

#[test]
fn flash_data_lives_for_one_more_request() {
    let bag = Bag::new(r#"{"_token":"T"}"#);
    bag.set("msg", "\"hello\"");
    flash::flash(&bag.attributes, &bag.live, "msg").unwrap();
    flash::age(&bag.attributes, &bag.live, false).unwrap();
    let second = Bag::new(&bag.text());
    assert_eq!(
        bag.text(),
        r#"{"_token":"T","msg":"hello","flash":{"new":[],"old":["msg"]}}"#
    );
    flash::age(&second.attributes, &second.live, false).unwrap();
    assert_eq!(
        second.text(),
        r#"{"_token":"T","flash":{"new":[],"old":[]}}"#
    );
}

#[test]
fn reflash_and_keep_give_flash_data_another_request() {
    let start = r#"{"a":1,"b":2,"flash":{"new":["c"],"old":["a","b"]}}"#;
    let bag = Bag::new(start);
    flash::reflash(&bag.attributes, &bag.live).unwrap();
    assert_eq!(bag.get("flash"), r#"{"new":["c","a","b"],"old":[]}"#);
    let bag = Bag::new(start);
    flash::keep(&bag.attributes, &bag.live, &["b".into(), "z".into()]).unwrap();
    assert_eq!(bag.get("flash"), r#"{"new":["c","b","z"],"old":["a"]}"#);
}

#[test]
fn malformed_flash_data_reads_as_empty_and_a_users_own_value_stays() {
    for (flash, after) in [
        (r#"{"old":"abc","new":5}"#, r#"{"old":"abc","new":5}"#),
        ("null", "null"),
        ("\"mine\"", "\"mine\""),
        ("[1,2]", "[1,2]"),
    ] {
        let bag = Bag::new(&format!(r#"{{"flash":{flash}}}"#));
        flash::age(&bag.attributes, &bag.live, false).unwrap();
        assert_eq!(bag.get("flash"), after);
    }
    let bag = Bag::new(r#"{"user":{"msg":"x"},"flash":{"old":["user.msg"],"new":[]}}"#);
    flash::age(&bag.attributes, &bag.live, false).unwrap();
    assert_eq!(bag.get("user"), "{}");
}

#[test]
fn a_token_that_is_missing_or_false_is_needed() {
    for (text, missing) in [
        ("{}", true),
        (r#"{"_token":null}"#, true),
        (r#"{"_token":""}"#, true),
        (r#"{"_token":0}"#, true),
        (r#"{"_token":5}"#, false),
        (r#"{"_token":"T"}"#, false),
    ] {
        let bag = Bag::new(text);
        assert_eq!(
            csrf::is_missing(&bag.attributes, &bag.live).unwrap(),
            missing,
            "{text}"
        );
    }
    let token = csrf::generate().unwrap();
    assert_eq!(token.len(), 40);
}

proptest::proptest! {
    #[test]
    fn any_key_that_is_set_reads_back(key in proptest::prelude::any::<String>(), n in 0..1000i32) {
        let bag = Bag::new("{}");
        bag.set(&key, &n.to_string());
        let far = super::path::parse(&key).is_some_and(|p| p.iter().skip(1).any(|s| s.is_index));
        if !far {
            proptest::prop_assert_eq!(bag.get(&key), n.to_string());
        }
    }

    #[test]
    fn hostile_flash_lists_never_throw(new in "[\\[\\]{}\",0-9a-z]{0,12}") {
        let text = format!(r#"{{"flash":{{"new":{new},"old":[{new}]}}}}"#);
        if let Ok(base) = Base::parse(Arc::from(text), 100) {
            let attributes = Attributes::new(base);
            flash::age(&attributes, &FakeLive::default(), false).unwrap();
        }
    }
}
