//! Laws of compare and swap: replace and remove.
//!
//! What counts as equal is the matter of `bytewise.rs`.

use std::sync::Arc;

use crate::driver::{Created, Removed, Replaced};

use super::Fixture;
use super::subject::{START, Subject, at, id};

pub(crate) fn replace_puts_the_new_payload_in_place(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    assert_eq!(
        driver.replace(&id("a"), "one", "two", at(1)),
        Replaced::Replaced
    );
    assert_eq!(driver.payload(&id("a"), at(1)).as_deref(), Some("two"));
}

pub(crate) fn replace_records_the_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    driver.replace(&id("a"), "one", "two", at(1_234));
    assert_eq!(driver.activity(&id("a"), at(1_234)), at(1_234));
}

pub(crate) fn replace_can_follow_replace(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "0", START);
    for n in 0..50 {
        let (expected, payload) = (n.to_string(), (n + 1).to_string());
        let replaced = driver.replace(&id("a"), &expected, &payload, at(n));
        assert_eq!(replaced, Replaced::Replaced);
    }
    assert_eq!(driver.payload(&id("a"), at(50)).as_deref(), Some("50"));
}

pub(crate) fn replacing_a_payload_by_itself_is_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "same", START);
    assert_eq!(
        driver.replace(&id("a"), "same", "same", at(10)),
        Replaced::Replaced
    );
    let record = driver.load(&id("a"), at(10)).unwrap();
    assert_eq!((&*record.payload, record.last_activity), ("same", at(10)));
}

pub(crate) fn replace_gives_what_is_stored_when_that_is_not_expected(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "stored", START);
    let replaced = driver.replace(&id("a"), "expected", "new", at(1));
    assert_eq!(replaced, Replaced::Conflict(Arc::from("stored")));
}

pub(crate) fn a_replace_in_conflict_changes_nothing(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "stored", START);
    let before = driver.load(&id("a"), START);
    driver.replace(&id("a"), "expected", "new", at(1));
    assert_eq!(driver.load(&id("a"), at(1)), before);
}

pub(crate) fn of_two_replaces_of_one_payload_the_second_is_in_conflict(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "base", START);
    driver.replace(&id("a"), "base", "first", at(1));
    assert_eq!(
        driver.replace(&id("a"), "base", "second", at(1)),
        Replaced::Conflict(Arc::from("first"))
    );
    assert_eq!(driver.payload(&id("a"), at(1)).as_deref(), Some("first"));
}

pub(crate) fn what_a_conflict_gave_can_be_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "stored", START);
    let Replaced::Conflict(current) = driver.replace(&id("a"), "stale", "new", at(1)) else {
        panic!("a stale expectation is a conflict");
    };
    assert_eq!(
        driver.replace(&id("a"), &current, "new", at(1)),
        Replaced::Replaced
    );
}

pub(crate) fn replace_of_an_absent_record_makes_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(
        driver.replace(&id("a"), "old", "new", START),
        Replaced::Gone
    );
    assert_eq!(driver.load(&id("a"), START), None);
    assert_eq!(driver.create(&id("a"), "x", START), Created::Created);
}

pub(crate) fn replace_of_an_absent_record_that_expects_nothing_makes_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.replace(&id("a"), "", "new", START), Replaced::Gone);
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn a_destroyed_record_cannot_be_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    driver.destroy(&id("a"));
    assert_eq!(
        driver.replace(&id("a"), "one", "two", START),
        Replaced::Gone
    );
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn an_idle_record_can_be_replaced_and_lives_again(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    let late = at(900_000);
    assert_eq!(driver.load(&id("a"), late), None);
    assert_eq!(
        driver.replace(&id("a"), "one", "two", late),
        Replaced::Replaced
    );
    assert_eq!(driver.payload(&id("a"), late).as_deref(), Some("two"));
}

pub(crate) fn an_idle_record_is_compared_before_it_is_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "stored", START);
    let replaced = driver.replace(&id("a"), "other", "new", at(900_000));
    assert_eq!(replaced, Replaced::Conflict(Arc::from("stored")));
    assert_eq!(driver.load(&id("a"), at(900_000)), None);
}

pub(crate) fn replace_leaves_other_records_alone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "same", START);
    driver.create(&id("b"), "same", START);
    driver.replace(&id("a"), "same", "new", at(1));
    let record = driver.load(&id("b"), at(1)).unwrap();
    assert_eq!((&*record.payload, record.last_activity), ("same", START));
}

pub(crate) fn remove_removes_the_expected_payload(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    assert_eq!(driver.remove(&id("a"), "one"), Removed::Removed);
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn remove_gives_what_is_stored_when_that_is_not_expected(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "stored", START);
    let before = driver.load(&id("a"), START);
    assert_eq!(
        driver.remove(&id("a"), "expected"),
        Removed::Conflict(Arc::from("stored"))
    );
    assert_eq!(driver.load(&id("a"), START), before);
}

pub(crate) fn remove_of_an_absent_record_is_gone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.remove(&id("a"), "x"), Removed::Gone);
    assert_eq!(driver.remove(&id("a"), ""), Removed::Gone);
}

pub(crate) fn a_record_is_removed_only_once(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.remove(&id("a"), "x"), Removed::Removed);
    assert_eq!(driver.remove(&id("a"), "x"), Removed::Gone);
}

pub(crate) fn a_removed_record_cannot_be_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.remove(&id("a"), "x");
    assert_eq!(driver.replace(&id("a"), "x", "y", START), Replaced::Gone);
    assert_eq!(driver.load(&id("a"), START), None);
}

pub(crate) fn a_removed_record_can_be_created_again(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.remove(&id("a"), "x");
    assert_eq!(driver.create(&id("a"), "y", at(1)), Created::Created);
    assert_eq!(driver.payload(&id("a"), at(1)).as_deref(), Some("y"));
}

pub(crate) fn remove_expects_what_replace_stored(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "one", START);
    driver.replace(&id("a"), "one", "two", at(1));
    assert_eq!(
        driver.remove(&id("a"), "one"),
        Removed::Conflict(Arc::from("two"))
    );
    assert_eq!(driver.remove(&id("a"), "two"), Removed::Removed);
}

pub(crate) fn remove_leaves_other_records_alone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "same", START);
    driver.create(&id("b"), "same", START);
    driver.remove(&id("a"), "same");
    assert_eq!(driver.payload(&id("b"), START).as_deref(), Some("same"));
}
