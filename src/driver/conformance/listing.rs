//! Laws of listing: every id that is stored comes up, nothing else does, and pages come to an end.
//!
//! What is stored or removed meanwhile may be listed or not; only what it must not spoil is judged.

use std::collections::HashSet;

use crate::driver::{Bounds, Cursor, Page};
use crate::session_id::SessionId;

use super::Fixture;
use super::locking::{LEASE, owner};
use super::subject::{BOUNDS, MOST_STEPS, START, Subject, at, id, numbered};

/// Records in most of these laws, and ids on a page of them.
const RECORDS: usize = 200;
const PAGE: usize = 10;

pub(crate) fn empty_storage_lists_nothing(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(listed(&driver, PAGE), HashSet::new());
}

pub(crate) fn every_record_is_listed(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    assert_eq!(listed(&driver, PAGE), all());
}

pub(crate) fn pages_of_one_id_come_to_an_end(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for n in 0..40 {
        driver.create(&numbered(n), "x", START);
    }
    assert_eq!(listed(&driver, 1), (0..40).map(numbered).collect());
}

pub(crate) fn a_page_larger_than_the_storage_lists_all(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    assert_eq!(listed(&driver, usize::MAX), all());
}

pub(crate) fn a_page_has_about_as_many_ids_as_the_limit(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for n in 0..400 {
        driver.create(&numbered(n), "x", START);
    }
    for page in pages(&driver, 20) {
        let ids = page.ids.len();
        assert!(ids <= 60, "{ids} ids on a page of 20");
    }
}

pub(crate) fn idle_records_are_listed_too(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("idle"), "x", START);
    driver.create(&id("live"), "x", at(1_000_000));
    assert_eq!(driver.load(&id("idle"), at(1_000_000)), None);
    let both = HashSet::from([id("idle"), id("live")]);
    assert_eq!(listed(&driver, PAGE), both);
}

pub(crate) fn a_removed_record_is_not_listed(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    driver.destroy(&numbered(0));
    driver.remove(&numbered(1), "payload");
    let left = (2..RECORDS).map(numbered).collect();
    assert_eq!(listed(&driver, PAGE), left);
}

pub(crate) fn nothing_but_records_is_listed(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("record"), "x", START);
    driver.replace(&id("record"), "x", "y", at(1));
    driver.acquire(&id("record"), owner(), LEASE, START);
    driver.acquire(&id("lease"), owner(), LEASE, START);
    assert_eq!(listed(&driver, PAGE), HashSet::from([id("record")]));
}

pub(crate) fn ids_of_every_spelling_are_listed(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let spelt = ["aa", "aA", "Aa", "AA", "-", "_", "0", "9", "-_", "_-"];
    let spelt: HashSet<_> = spelt.into_iter().map(id).collect();
    for id in &spelt {
        driver.create(id, "x", START);
    }
    for limit in [1, 3, 100] {
        assert_eq!(listed(&driver, limit), spelt);
    }
}

pub(crate) fn listing_reads_no_payload(fixture: &dyn Fixture) {
    let bounds = Bounds {
        max_payload: 4,
        ..BOUNDS
    };
    drop(filled(fixture));
    let Some(driver) = Subject::another_bounded(fixture, bounds) else {
        return;
    };
    assert!(driver.try_load(&numbered(0), START).is_err());
    assert_eq!(listed(&driver, PAGE), all());
}

pub(crate) fn listing_is_no_activity(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    listed(&driver, PAGE);
    assert_eq!(driver.activity(&id("a"), at(1_000)), START);
    assert_eq!(driver.sweep(at(1), 100), 1);
}

pub(crate) fn records_used_during_a_listing_are_listed(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut turn = 0;
    let found = listed_while(&driver, PAGE, || {
        for n in (turn % 7..RECORDS).step_by(7) {
            driver.touch(&numbered(n), at(turn as i64));
        }
        driver.replace(&numbered(turn), "payload", "another", at(turn as i64));
        turn += 1;
    });
    assert_eq!(found, all());
}

pub(crate) fn records_removed_during_a_listing_keep_no_other_from_it(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut removed = 0;
    let found = listed_while(&driver, PAGE, || {
        let until = (removed + PAGE).min(RECORDS / 2);
        for n in removed..until {
            driver.destroy(&numbered(n));
        }
        removed = until;
    });
    assert!(found.is_subset(&all()));
    let stayed = (RECORDS / 2..RECORDS).map(numbered).collect();
    assert!(found.is_superset(&stayed));
}

pub(crate) fn records_created_during_a_listing_keep_no_other_from_it(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut next = RECORDS;
    let found = listed_while(&driver, PAGE, || {
        driver.create(&numbered(next), "x", START);
        next += 1;
    });
    assert!(found.is_superset(&all()));
    assert!(found.is_subset(&(0..next).map(numbered).collect()));
}

pub(crate) fn records_that_are_removed_as_they_are_listed_all_come(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut found = HashSet::new();
    let mut after = None;
    for _ in 0..MOST_STEPS {
        let page = driver.page(after.as_ref(), PAGE);
        for id in page.ids {
            driver.destroy(&id);
            found.insert(id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, all());
    assert_eq!(listed(&driver, PAGE), HashSet::new());
}

pub(crate) fn a_page_that_is_asked_for_again_is_not_lost(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut after = None;
    let mut found = HashSet::new();
    for _ in 0..MOST_STEPS {
        // As if the reply to the first had not come.
        driver.page(after.as_ref(), PAGE);
        let page = driver.page(after.as_ref(), PAGE);
        found.extend(page.ids);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, all());
}

pub(crate) fn listings_at_the_same_time_are_apart(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    let mut inner = HashSet::new();
    let mut turn = 0;
    let outer = listed_while(&driver, PAGE, || {
        if turn == 3 {
            inner = listed(&driver, 2 * PAGE);
        }
        turn += 1;
    });
    assert_eq!((outer, inner), (all(), all()));
}

pub(crate) fn a_listing_that_nobody_goes_on_with_does_no_harm(fixture: &dyn Fixture) {
    let driver = filled(fixture);
    for _ in 0..100 {
        driver.page(None, 1);
    }
    assert_eq!(listed(&driver, PAGE), all());
}

pub(crate) fn an_instance_lists_what_another_created(fixture: &dyn Fixture) {
    let one = Subject::of(fixture);
    let Some(other) = Subject::another(fixture) else {
        return;
    };
    one.create(&id("a"), "x", START);
    other.create(&id("b"), "x", START);
    let both = HashSet::from([id("a"), id("b")]);
    assert_eq!((listed(&one, 1), listed(&other, 1)), (both.clone(), both));
}

fn filled(fixture: &dyn Fixture) -> Subject {
    let driver = Subject::of(fixture);
    for n in 0..RECORDS {
        driver.create(&numbered(n), "payload", START);
    }
    driver
}

/// The ids of the records in most of these laws.
fn all() -> HashSet<SessionId> {
    (0..RECORDS).map(numbered).collect()
}

fn listed(driver: &Subject, limit: usize) -> HashSet<SessionId> {
    listed_while(driver, limit, || {})
}

/// All ids of a listing, with something going on between its pages.
fn listed_while(driver: &Subject, limit: usize, between: impl FnMut()) -> HashSet<SessionId> {
    let pages = pages_while(driver, limit, between);
    pages.into_iter().flat_map(|page| page.ids).collect()
}

fn pages(driver: &Subject, limit: usize) -> Vec<Page> {
    pages_while(driver, limit, || {})
}

fn pages_while(driver: &Subject, limit: usize, mut between: impl FnMut()) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut after: Option<Cursor> = None;
    for _ in 0..MOST_STEPS {
        let page = driver.page(after.as_ref(), limit);
        after.clone_from(&page.next);
        pages.push(page);
        if after.is_none() {
            return pages;
        }
        between();
    }
    panic!("a listing does not end");
}
