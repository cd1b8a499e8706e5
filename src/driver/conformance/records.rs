//! Laws of single records: to create, load and destroy them, and what may name them.
//!
//! Time passes in `activity.rs`; nothing is compared here.

use crate::driver::{Created, Replaced};

use super::Fixture;
use super::subject::{START, Subject, at, id, numbered};

/// More records than a shard, a page or a step of any driver holds.
const MANY: usize = 1_000;

pub(crate) fn an_absent_record_loads_as_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.load(&id("absent"), START), None);
}

pub(crate) fn a_created_record_loads_as_it_was_given(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.create(&id("a"), "one", START), Created::Created);
    let record = driver.load(&id("a"), START).unwrap();
    assert_eq!(&*record.payload, "one");
    assert_eq!(record.last_activity, START);
}

pub(crate) fn the_last_activity_is_kept_to_the_millisecond(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for ms in [1, 9, 123, 999, 1_000, 59_999] {
        let id = numbered(ms as usize);
        driver.create(&id, "x", at(ms));
        assert_eq!(driver.activity(&id, at(60_000)), at(ms));
    }
}

pub(crate) fn loading_is_no_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.load(&id("a"), at(1_000));
    assert_eq!(driver.activity(&id("a"), at(2_000)), START);
}

pub(crate) fn loading_twice_gives_the_same(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.load(&id("a"), at(1)), driver.load(&id("a"), at(2)));
}

pub(crate) fn create_never_overwrites(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "first", START);
    assert_eq!(driver.create(&id("a"), "second", at(1)), Created::Exists);
    assert_eq!(driver.payload(&id("a"), at(2)).as_deref(), Some("first"));
}

pub(crate) fn create_never_overwrites_even_with_the_same_payload(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "same", START);
    assert_eq!(driver.create(&id("a"), "same", at(1)), Created::Exists);
}

pub(crate) fn create_never_overwrites_an_idle_record(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "idle", START);
    let later = at(900_000);
    assert_eq!(driver.create(&id("a"), "new", later), Created::Exists);
    assert_eq!(driver.load(&id("a"), later), None);
    assert_eq!(
        driver.replace(&id("a"), "idle", "on", later),
        Replaced::Replaced
    );
}

pub(crate) fn create_of_a_record_that_exists_is_no_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.create(&id("a"), "y", at(1_000));
    assert_eq!(driver.activity(&id("a"), at(1_000)), START);
}

pub(crate) fn a_destroyed_record_is_absent(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.destroy(&id("a"));
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn destroying_an_absent_record_succeeds(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.destroy(&id("absent"));
    assert_eq!(driver.load(&id("absent"), START), None);
}

pub(crate) fn destroying_twice_succeeds(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.destroy(&id("a"));
    driver.destroy(&id("a"));
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn a_destroyed_record_can_be_created_again(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "before", START);
    driver.destroy(&id("a"));
    assert_eq!(driver.create(&id("a"), "after", at(5)), Created::Created);
    let record = driver.load(&id("a"), at(5)).unwrap();
    assert_eq!((&*record.payload, record.last_activity), ("after", at(5)));
}

pub(crate) fn destroy_removes_an_idle_record_too(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.destroy(&id("a"));
    assert_eq!(driver.create(&id("a"), "y", at(900_000)), Created::Created);
}

pub(crate) fn destroy_leaves_other_records_alone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.create(&id("b"), "y", START);
    driver.destroy(&id("a"));
    assert_eq!(driver.payload(&id("b"), START).as_deref(), Some("y"));
}

pub(crate) fn ids_that_differ_only_in_case_name_different_records(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("Abc"), "upper", START);
    assert_eq!(driver.load(&id("abc"), START), None);
    assert_eq!(driver.create(&id("abc"), "lower", START), Created::Created);
    driver.destroy(&id("aBC"));
    assert_eq!(driver.payload(&id("Abc"), START).as_deref(), Some("upper"));
    assert_eq!(driver.payload(&id("abc"), START).as_deref(), Some("lower"));
}

pub(crate) fn every_character_of_the_alphabet_may_stand_in_an_id(fixture: &dyn Fixture) {
    const FIRST: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn";
    const SECOND: &str = "opqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOP";
    let driver = Subject::of(fixture);
    for text in [FIRST, SECOND] {
        driver.create(&id(text), text, START);
    }
    for text in [FIRST, SECOND] {
        assert_eq!(driver.payload(&id(text), START).as_deref(), Some(text));
    }
}

pub(crate) fn an_id_may_begin_with_any_character(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let starts = ["-", "--help", "-rf", "_", "__proto__", "0", "9", "A", "z"];
    for start in starts {
        assert_eq!(driver.create(&id(start), start, START), Created::Created);
    }
    for start in starts {
        assert_eq!(driver.payload(&id(start), START).as_deref(), Some(start));
    }
    assert_eq!(driver.sweep(at(1), 100), starts.len());
}

pub(crate) fn an_id_may_be_one_character_forty_times(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let ids = ["-", "_", "0", "a"].map(|text| id(&text.repeat(40)));
    for id in &ids {
        assert_eq!(driver.create(id, id.as_str(), START), Created::Created);
    }
    for id in &ids {
        assert_eq!(driver.payload(id, START).as_deref(), Some(id.as_str()));
    }
}

pub(crate) fn an_underscore_in_an_id_is_no_wildcard(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("aXb"), "x", START);
    assert_eq!(driver.load(&id("a_b"), START), None);
    driver.destroy(&id("a_b"));
    assert!(driver.load(&id("aXb"), START).is_some());
}

pub(crate) fn ids_that_differ_in_their_last_character_name_different_records(
    fixture: &dyn Fixture,
) {
    let driver = Subject::of(fixture);
    let (one, two) = (
        id(&format!("{}1", "s".repeat(39))),
        id(&format!("{}2", "s".repeat(39))),
    );
    driver.create(&one, "one", START);
    assert_eq!(driver.load(&two, START), None);
    driver.create(&two, "two", START);
    driver.destroy(&one);
    assert_eq!(driver.payload(&two, START).as_deref(), Some("two"));
}

pub(crate) fn a_thousand_records_are_kept_apart(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let first = |n: usize| format!("first {n}");
    let second = |n: usize| format!("second {n}");
    for n in 0..MANY {
        assert_eq!(
            driver.create(&numbered(n), &first(n), START),
            Created::Created
        );
    }
    for n in 0..MANY {
        let replaced = driver.replace(&numbered(n), &first(n), &second(n), at(n as i64));
        assert_eq!(replaced, Replaced::Replaced);
    }
    for n in 0..MANY {
        let record = driver.load(&numbered(n), at(1_000)).unwrap();
        assert_eq!(*record.payload, *second(n));
        assert_eq!(record.last_activity, at(n as i64));
    }
    for n in (0..MANY).step_by(2) {
        driver.destroy(&numbered(n));
    }
    for n in 0..MANY {
        let live = driver.load(&numbered(n), at(1_000)).is_some();
        assert_eq!(live, n % 2 == 1);
    }
}
