//! Laws of the sweep: what it removes, what it never removes, and how it ends.
//!
//! The property laws are in `model.rs`.

use crate::driver::{Created, Replaced, Sweep, Touched};

use super::Fixture;
use super::subject::{START, Subject, at, id, numbered};

/// The moment before which records are swept in these laws.
const CUTOFF: i64 = 1_000;

pub(crate) fn a_sweep_of_empty_storage_removes_nothing_and_ends(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.sweep(at(CUTOFF), 100), 0);
}

pub(crate) fn a_sweep_removes_the_records_before_the_cutoff(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("old"), "x", START);
    driver.create(&id("just"), "x", at(CUTOFF - 1));
    assert_eq!(driver.sweep(at(CUTOFF), 100), 2);
    for name in ["old", "just"] {
        assert_eq!(driver.load(&id(name), at(CUTOFF)), None);
    }
}

pub(crate) fn a_sweep_keeps_the_record_at_the_cutoff(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("edge"), "x", at(CUTOFF));
    driver.create(&id("new"), "y", at(CUTOFF + 1));
    assert_eq!(driver.sweep(at(CUTOFF), 100), 0);
    assert_eq!(driver.payload(&id("edge"), at(2_000)).as_deref(), Some("x"));
    assert_eq!(driver.payload(&id("new"), at(2_000)).as_deref(), Some("y"));
}

pub(crate) fn a_swept_record_is_gone_for_good(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("old"), "x", START);
    driver.sweep(at(CUTOFF), 100);
    assert_eq!(driver.touch(&id("old"), at(CUTOFF)), Touched::Gone);
    let replaced = driver.replace(&id("old"), "x", "y", at(CUTOFF));
    assert_eq!(replaced, Replaced::Gone);
    let created = driver.create(&id("old"), "z", at(CUTOFF));
    assert_eq!(created, Created::Created);
}

pub(crate) fn a_sweep_keeps_a_record_that_was_touched(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.touch(&id("a"), at(CUTOFF));
    assert_eq!(driver.sweep(at(CUTOFF), 100), 0);
    assert!(driver.load(&id("a"), at(CUTOFF)).is_some());
}

pub(crate) fn a_sweep_keeps_a_record_that_was_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.replace(&id("a"), "x", "y", at(CUTOFF));
    assert_eq!(driver.sweep(at(CUTOFF), 100), 0);
    assert!(driver.load(&id("a"), at(CUTOFF)).is_some());
}

pub(crate) fn a_sweep_removes_a_record_whose_loading_is_recent(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.load(&id("a"), at(CUTOFF));
    assert_eq!(driver.sweep(at(CUTOFF), 100), 1);
}

pub(crate) fn a_sweep_removes_live_records_when_told_to(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    assert_eq!(driver.sweep(at(1), 100), 1);
    assert_eq!(driver.load(&id("a"), at(1)), None);
}

pub(crate) fn a_sweep_counts_what_it_removed(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..30, 0);
    fill(&driver, 30..50, CUTOFF);
    assert_eq!(driver.sweep(at(CUTOFF), 1_000), 30);
}

pub(crate) fn a_second_sweep_removes_nothing(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..30, 0);
    assert_eq!(driver.sweep(at(CUTOFF), 1_000), 30);
    assert_eq!(driver.sweep(at(CUTOFF), 1_000), 0);
}

pub(crate) fn a_later_sweep_begins_anew(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for round in 0..3 {
        fill(&driver, 0..20, round * 10_000);
        assert_eq!(driver.sweep(at(round * 10_000 + 1), 7), 20);
    }
}

pub(crate) fn destroyed_records_are_not_counted(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..10, 0);
    for n in 0..4 {
        driver.destroy(&numbered(n));
    }
    assert_eq!(driver.sweep(at(CUTOFF), 100), 6);
}

pub(crate) fn one_step_removes_about_as_many_as_the_limit(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..200, 0);
    let step = driver.step(at(CUTOFF), 10);
    assert!(step.removed <= 20, "{} of 200 removed", step.removed);
    let left = (0..200).filter(|n| driver.load(&numbered(*n), START).is_some());
    assert_eq!(left.count(), 200 - step.removed);
}

pub(crate) fn repeated_steps_end_with_everything_removed(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..200, 0);
    fill(&driver, 200..300, CUTOFF);
    assert_eq!(driver.sweep(at(CUTOFF), 10), 200);
    for n in 0..300 {
        let there = driver.load(&numbered(n), at(CUTOFF)).is_some();
        assert_eq!(there, n >= 200, "record {n}");
    }
}

pub(crate) fn steps_of_one_record_each_come_to_an_end(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..40, 0);
    assert_eq!(driver.sweep(at(CUTOFF), 1), 40);
}

pub(crate) fn a_step_larger_than_the_storage_is_enough(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..40, 0);
    assert_eq!(driver.sweep(at(CUTOFF), usize::MAX), 40);
}

pub(crate) fn records_created_during_a_pass_survive_it(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..100, 0);
    let mut next = 100;
    let mut removed = 0;
    loop {
        let Sweep { removed: n, done } = driver.step(at(CUTOFF), 10);
        removed += n;
        if done {
            break;
        }
        driver.create(&numbered(next), "new", at(CUTOFF));
        next += 1;
        assert!(next < 10_000, "the pass does not end");
    }
    assert_eq!(removed, 100);
    for n in 100..next {
        assert!(
            driver.load(&numbered(n), at(CUTOFF)).is_some(),
            "record {n}"
        );
    }
}

pub(crate) fn records_touched_during_a_pass_survive_it(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..100, 0);
    driver.step(at(CUTOFF), 10);
    let touched: Vec<_> = (0..100)
        .filter(|n| driver.touch(&numbered(*n), at(CUTOFF)) == Touched::Touched)
        .collect();
    driver.sweep(at(CUTOFF), 10);
    assert!(!touched.is_empty());
    for n in touched {
        assert!(
            driver.load(&numbered(n), at(CUTOFF)).is_some(),
            "record {n}"
        );
    }
}

pub(crate) fn records_destroyed_during_a_pass_do_no_harm(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    fill(&driver, 0..100, 0);
    driver.step(at(CUTOFF), 10);
    for n in 0..100 {
        driver.destroy(&numbered(n));
    }
    assert_eq!(driver.sweep(at(CUTOFF), 10), 0);
}

fn fill(driver: &Subject, numbers: std::ops::Range<usize>, activity: i64) {
    for n in numbers {
        driver.create(&numbered(n), "payload", at(activity));
    }
}
