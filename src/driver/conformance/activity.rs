//! Laws of time: what touch does, and when a record reads as absent.

use crate::clock::Millis;
use crate::driver::{Bounds, Created, Replaced, Touched};

use super::Fixture;
use super::subject::{BOUNDS, START, Subject, at, id};

/// The last millisecond, counted from the last activity, at which a record is still read.
const LAST: i64 = BOUNDS.idle_timeout.0;

pub(crate) fn a_record_is_read_at_its_idle_timeout(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert!(driver.load(&id("a"), at(LAST)).is_some());
}

pub(crate) fn a_record_is_absent_one_millisecond_after_its_idle_timeout(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.load(&id("a"), at(LAST + 1)), None);
}

pub(crate) fn a_sweep_does_not_change_when_a_record_is_idle(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.sweep(at(LAST) - BOUNDS.idle_timeout, 100);
    assert!(driver.load(&id("a"), at(LAST)).is_some());
    driver.sweep(at(LAST + 1) - BOUNDS.idle_timeout, 100);
    assert_eq!(driver.load(&id("a"), at(LAST + 1)), None);
}

pub(crate) fn to_find_a_record_idle_does_not_remove_it(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.load(&id("a"), at(LAST + 1)), None);
    assert!(driver.load(&id("a"), at(LAST)).is_some());
}

pub(crate) fn a_record_from_the_future_is_read(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", at(5_000));
    assert_eq!(driver.activity(&id("a"), START), at(5_000));
}

pub(crate) fn without_a_timeout_a_record_is_read_within_its_millisecond(fixture: &dyn Fixture) {
    let bounds = Bounds {
        idle_timeout: Millis(0),
        ..BOUNDS
    };
    let driver = Subject::bounded(fixture, bounds);
    driver.create(&id("a"), "x", START);
    assert!(driver.load(&id("a"), START).is_some());
    assert_eq!(driver.load(&id("a"), at(1)), None);
}

pub(crate) fn a_timeout_without_end_never_passes(fixture: &dyn Fixture) {
    let bounds = Bounds {
        idle_timeout: Millis(i64::MAX),
        ..BOUNDS
    };
    let driver = Subject::bounded(fixture, bounds);
    driver.create(&id("a"), "x", START);
    let century = at(100 * 365 * 24 * 3_600 * 1_000);
    assert!(driver.load(&id("a"), century).is_some());
}

pub(crate) fn touch_records_the_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.touch(&id("a"), at(1_234)), Touched::Touched);
    assert_eq!(driver.activity(&id("a"), at(1_234)), at(1_234));
}

pub(crate) fn touch_leaves_the_payload_alone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "kept\0 é ", START);
    driver.touch(&id("a"), at(1));
    assert_eq!(
        driver.payload(&id("a"), at(1)).as_deref(),
        Some("kept\0 é ")
    );
    let replaced = driver.replace(&id("a"), "kept\0 é ", "new", at(2));
    assert_eq!(replaced, Replaced::Replaced);
}

pub(crate) fn touch_never_moves_the_activity_backwards(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", at(1_000));
    assert_eq!(driver.touch(&id("a"), at(999)), Touched::Touched);
    assert_eq!(driver.touch(&id("a"), Millis(0)), Touched::Touched);
    assert_eq!(driver.activity(&id("a"), at(1_000)), at(1_000));
}

pub(crate) fn touch_at_the_recorded_instant_succeeds(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.touch(&id("a"), START), Touched::Touched);
    assert_eq!(driver.activity(&id("a"), START), START);
}

pub(crate) fn touch_of_an_absent_record_makes_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.touch(&id("a"), START), Touched::Gone);
    assert_eq!(driver.load(&id("a"), START), None);
    assert_eq!(driver.create(&id("a"), "x", START), Created::Created);
}

pub(crate) fn a_destroyed_record_cannot_be_touched(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.destroy(&id("a"));
    assert_eq!(driver.touch(&id("a"), at(1)), Touched::Gone);
    assert_eq!(driver.load(&id("a"), at(1)), None);
}

pub(crate) fn a_touched_idle_record_lives_again(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    let late = at(LAST + 1);
    assert_eq!(driver.load(&id("a"), late), None);
    assert_eq!(driver.touch(&id("a"), late), Touched::Touched);
    assert_eq!(driver.payload(&id("a"), late).as_deref(), Some("x"));
}

pub(crate) fn touch_moves_the_end_of_a_record(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.touch(&id("a"), at(500));
    assert!(driver.load(&id("a"), at(LAST + 500)).is_some());
    assert_eq!(driver.load(&id("a"), at(LAST + 501)), None);
}

pub(crate) fn replace_moves_the_end_of_a_record(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.replace(&id("a"), "x", "y", at(500));
    assert!(driver.load(&id("a"), at(LAST + 500)).is_some());
    assert_eq!(driver.load(&id("a"), at(LAST + 501)), None);
}

pub(crate) fn touch_leaves_other_records_alone(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.create(&id("b"), "y", START);
    driver.touch(&id("a"), at(1_000));
    assert_eq!(driver.activity(&id("b"), at(1_000)), START);
}
