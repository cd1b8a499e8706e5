//! Laws of calls that come at the same time: each has the answer that it would have had by itself.

use std::sync::Arc;

use crate::clock::Millis;
use crate::driver::{Created, Replaced};

use super::Fixture;
use super::subject::{BOUNDS, START, Subject, at, id, numbered};

/// Calls of one turn.
const CALLS: usize = 40;

pub(crate) fn records_created_at_once_are_all_stored(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&numbered(3), "before", START);
    let new: Vec<_> = (0..CALLS).map(|n| Arc::from(format!("\"{n}\""))).collect();
    let created = driver.at_once(|driver| {
        let create = |(n, payload)| driver.create(&numbered(n), payload, at(n as i64));
        new.iter().enumerate().map(create).collect()
    });
    for (n, created) in created.into_iter().enumerate() {
        if n == 3 {
            assert_eq!(created, Created::Exists);
            assert_eq!(
                driver.payload(&numbered(n), START).as_deref(),
                Some("before")
            );
        } else {
            assert_eq!(created, Created::Created);
            let record = driver.load(&numbered(n), START).expect("it was stored");
            assert_eq!(
                (&record.payload, record.last_activity),
                (&new[n], at(n as i64))
            );
        }
    }
}

pub(crate) fn of_two_that_create_a_record_at_once_one_does(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let (mine, yours): (Arc<str>, Arc<str>) = (Arc::from("mine"), Arc::from("yours"));
    let created = driver.at_once(|driver| {
        let payloads = [&mine, &yours, &mine, &yours].into_iter();
        payloads
            .map(|payload| driver.create(&id("a"), payload, START))
            .collect()
    });
    let stored = created
        .iter()
        .filter(|created| **created == Created::Created);
    assert_eq!(stored.count(), 1);
    let first = created
        .iter()
        .position(|created| *created == Created::Created);
    let payload = driver.payload(&id("a"), START);
    let expected = if first.is_some_and(|first| first % 2 == 0) {
        "mine"
    } else {
        "yours"
    };
    assert_eq!(payload.as_deref(), Some(expected));
}

pub(crate) fn records_loaded_at_once_are_each_as_they_are(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for n in (0..CALLS).filter(|n| n % 5 != 0) {
        driver.create(&numbered(n), &format!("{{\"n\":{n}}}"), at(n as i64));
    }
    driver.create(&id("idle"), "x", START - BOUNDS.idle_timeout - Millis(1));
    driver.create(&id("long"), &"l".repeat(BOUNDS.max_payload / 2), START);
    let mut ids: Vec<_> = (0..CALLS).map(numbered).collect();
    ids.extend([
        id("idle"),
        numbered(1),
        id("long"),
        numbered(0),
        numbered(1),
    ]);
    let loaded = driver.at_once(|driver| ids.iter().map(|id| driver.load(id, START)).collect());
    for (id, loaded) in ids.iter().zip(loaded) {
        assert_eq!(loaded, driver.load(id, START));
    }
}

pub(crate) fn records_replaced_at_once_are_each_compared(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for n in (0..CALLS).filter(|n| n % 5 != 0) {
        driver.create(&numbered(n), "\"old\"", START);
    }
    let (old, stale): (Arc<str>, Arc<str>) = (Arc::from("\"old\""), Arc::from("\"Old\""));
    let new: Vec<Arc<str>> = (0..CALLS).map(|n| Arc::from(format!("new {n}"))).collect();
    let replaced = driver.at_once(|driver| {
        let replace = |n| {
            let expected = if n % 7 == 0 { &stale } else { &old };
            driver.replace(&numbered(n), expected, &new[n], at(n as i64))
        };
        (0..CALLS).map(replace).collect()
    });
    for (n, replaced) in replaced.into_iter().enumerate() {
        let payload = driver.payload(&numbered(n), START);
        let (outcome, stored) = match n {
            _ if n % 5 == 0 => (Replaced::Gone, None),
            _ if n % 7 == 0 => (Replaced::Conflict(old.clone()), Some(&*old)),
            _ => (Replaced::Replaced, Some(&*new[n])),
        };
        assert_eq!(
            (replaced, payload.as_deref()),
            (outcome, stored),
            "record {n}"
        );
    }
    assert_eq!(driver.activity(&numbered(1), START), at(1));
}

pub(crate) fn of_many_that_replace_a_payload_at_once_one_does_and_the_others_learn_of_it(
    fixture: &dyn Fixture,
) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "old", START);
    let old = Arc::from("old");
    let new: Vec<Arc<str>> = (0..CALLS).map(|n| Arc::from(format!("new {n}"))).collect();
    let replaced = driver.at_once(|driver| {
        let replace = |new| driver.replace(&id("a"), &old, new, at(1));
        new.iter().map(replace).collect()
    });
    let is_done = |replaced: &&Replaced| **replaced == Replaced::Replaced;
    assert_eq!(replaced.iter().filter(is_done).count(), 1);
    let winner = replaced.iter().position(|replaced| is_done(&replaced));
    let stored = new[winner.expect("one has won")].clone();
    assert_eq!(driver.payload(&id("a"), at(1)).as_deref(), Some(&*stored));
    for other in replaced.iter().filter(|replaced| !is_done(replaced)) {
        assert_eq!(*other, Replaced::Conflict(stored.clone()));
    }
}
