//! Laws of visiting: a load that may record the request as activity on the way.

use crate::clock::Millis;
use crate::driver::{Created, Visited};

use super::Fixture;
use super::subject::{BOUNDS, START, Subject, at, id};

/// The last millisecond, counted from the last activity, at which a record is still read.
const LAST: i64 = BOUNDS.idle_timeout.0;
/// Every request is recorded.
const ALWAYS: Millis = Millis(0);

pub(crate) fn a_visit_gives_the_record_as_it_was(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    assert_eq!(driver.visit(&id("a"), START, ALWAYS), None);
    driver.create(&id("a"), "x\0 é ", START);
    let Visited { record, .. } = driver.visit(&id("a"), at(5), ALWAYS).expect("it is live");
    assert_eq!(&*record.payload, "x\0 é ");
    assert_eq!(record.last_activity, START);
}

pub(crate) fn a_visit_has_recorded_the_activity_where_it_says_so(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    let visited = driver
        .visit(&id("a"), at(1_234), ALWAYS)
        .expect("it is live");
    let latest = match visited.is_recorded {
        true => at(1_234),
        false => START,
    };
    assert_eq!(driver.activity(&id("a"), at(1_234)), latest);
}

pub(crate) fn a_visit_within_the_interval_records_nothing(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    let visited = driver
        .visit(&id("a"), at(999), Millis(1_000))
        .expect("it is live");
    assert!(!visited.is_recorded);
    assert_eq!(driver.activity(&id("a"), at(999)), START);
    let visited = driver
        .visit(&id("a"), at(1_000), Millis(1_000))
        .expect("it is live");
    let is_recorded = driver.activity(&id("a"), at(1_000)) == at(1_000);
    assert_eq!(visited.is_recorded, is_recorded);
}

pub(crate) fn a_visit_never_moves_the_activity_backwards(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", at(1_000));
    let visited = driver.visit(&id("a"), at(999), ALWAYS).expect("it is live");
    assert!(!visited.is_recorded);
    assert_eq!(driver.activity(&id("a"), at(1_000)), at(1_000));
}

pub(crate) fn a_visit_finds_a_record_at_its_idle_timeout_and_none_after(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.create(&id("b"), "x", START);
    assert!(driver.visit(&id("a"), at(LAST), ALWAYS).is_some());
    assert_eq!(driver.visit(&id("b"), at(LAST + 1), ALWAYS), None);
}

pub(crate) fn a_visit_of_an_idle_record_brings_it_to_no_life(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    let late = at(LAST + 1);
    assert_eq!(driver.visit(&id("a"), late, ALWAYS), None);
    assert_eq!(driver.load(&id("a"), late), None);
    assert_eq!(driver.create(&id("a"), "y", late), Created::Exists);
}

pub(crate) fn a_visit_leaves_the_payload_to_be_replaced(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.visit(&id("a"), at(1), ALWAYS);
    driver.replace(&id("a"), "x", "y", at(2));
    assert_eq!(driver.payload(&id("a"), at(2)).as_deref(), Some("y"));
    assert_eq!(driver.activity(&id("a"), at(2)), at(2));
}
