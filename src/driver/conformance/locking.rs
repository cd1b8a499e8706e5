//! Laws of leases: one owner at a time, up to its end, whoever asks from wherever.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::clock::Millis;
use crate::driver::{Acquired, Created, Owner};

use super::Fixture;
use super::subject::{START, Subject, at, id, numbered};

/// How long leases last in these laws.
pub(super) const LEASE: Millis = Millis(1_000);
/// Leases that two threads race for, or turns that each takes at one.
const RACES: usize = 100;

pub(super) fn owner() -> Owner {
    Owner::generate().expect("there are random bytes")
}

pub(crate) fn a_free_lease_is_granted(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let acquired = driver.acquire(&id("a"), owner(), LEASE, START);
    assert_eq!(acquired, Acquired::Granted);
}

pub(crate) fn a_lease_keeps_others_out_and_says_until_when(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.acquire(&id("a"), owner(), LEASE, START);
    for now in [0, 1, 500] {
        let acquired = driver.acquire(&id("a"), owner(), LEASE, at(now));
        assert_eq!(acquired, Acquired::Held(at(1_000)));
    }
}

pub(crate) fn a_released_lease_is_granted_to_the_next(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let (one, other) = (owner(), owner());
    driver.acquire(&id("a"), one, LEASE, START);
    driver.release(&id("a"), one);
    let acquired = driver.acquire(&id("a"), other, LEASE, at(1));
    assert_eq!(acquired, Acquired::Granted);
    let acquired = driver.acquire(&id("a"), one, LEASE, at(2));
    assert_eq!(acquired, Acquired::Held(at(1_001)));
}

pub(crate) fn a_lease_is_released_only_by_its_owner(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.acquire(&id("a"), owner(), LEASE, START);
    driver.release(&id("a"), owner());
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(1));
    assert_eq!(acquired, Acquired::Held(at(1_000)));
}

pub(crate) fn releasing_what_is_not_held_succeeds(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let one = owner();
    driver.release(&id("a"), one);
    driver.acquire(&id("a"), one, LEASE, START);
    driver.release(&id("a"), one);
    driver.release(&id("a"), one);
}

pub(crate) fn a_lease_is_held_to_its_last_millisecond_and_then_anybodys(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.acquire(&id("a"), owner(), LEASE, START);
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(999));
    assert_eq!(acquired, Acquired::Held(at(1_000)));
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(1_000));
    assert_eq!(acquired, Acquired::Granted);
}

pub(crate) fn a_lease_that_was_taken_over_is_the_new_owners(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let (late, new) = (owner(), owner());
    driver.acquire(&id("a"), late, LEASE, START);
    driver.acquire(&id("a"), new, LEASE, at(1_000));
    driver.release(&id("a"), late);
    let acquired = driver.acquire(&id("a"), late, LEASE, at(1_500));
    assert_eq!(acquired, Acquired::Held(at(2_000)));
}

pub(crate) fn an_owner_that_asks_again_keeps_its_lease_which_runs_anew(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let one = owner();
    driver.acquire(&id("a"), one, LEASE, START);
    let acquired = driver.acquire(&id("a"), one, LEASE, at(500));
    assert_eq!(acquired, Acquired::Kept);
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(1_499));
    assert_eq!(acquired, Acquired::Held(at(1_500)));
}

pub(crate) fn a_lease_past_its_end_that_nobody_took_is_kept(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let one = owner();
    driver.acquire(&id("a"), one, LEASE, START);
    let acquired = driver.acquire(&id("a"), one, LEASE, at(5_000));
    assert_eq!(acquired, Acquired::Kept);
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(5_001));
    assert_eq!(acquired, Acquired::Held(at(6_000)));
}

pub(crate) fn a_lease_that_another_had_in_between_is_not_kept(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let (late, other) = (owner(), owner());
    driver.acquire(&id("a"), late, LEASE, START);
    driver.acquire(&id("a"), other, LEASE, at(1_000));
    driver.release(&id("a"), other);
    let acquired = driver.acquire(&id("a"), late, LEASE, at(1_001));
    assert_eq!(acquired, Acquired::Granted);
}

pub(crate) fn leases_of_different_sessions_are_apart(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let one = owner();
    for name in ["a", "A", "b", "-", "_"] {
        let acquired = driver.acquire(&id(name), one, LEASE, START);
        assert_eq!(acquired, Acquired::Granted, "{name}");
    }
    driver.release(&id("a"), one);
    let acquired = driver.acquire(&id("A"), owner(), LEASE, at(1));
    assert_eq!(acquired, Acquired::Held(at(1_000)));
}

pub(crate) fn a_lease_makes_no_record_and_needs_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let one = owner();
    driver.acquire(&id("a"), one, LEASE, START);
    assert_eq!(driver.load(&id("a"), START), None);
    assert_eq!(driver.create(&id("a"), "x", START), Created::Created);
    driver.release(&id("a"), one);
    assert_eq!(driver.payload(&id("a"), START).as_deref(), Some("x"));
}

pub(crate) fn a_lease_outlives_its_record(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.acquire(&id("a"), owner(), LEASE, START);
    driver.destroy(&id("a"));
    let acquired = driver.acquire(&id("a"), owner(), LEASE, at(1));
    assert_eq!(acquired, Acquired::Held(at(1_000)));
}

pub(crate) fn a_lease_does_not_keep_its_record_from_being_used(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.create(&id("a"), "x", START);
    driver.acquire(&id("a"), owner(), LEASE, START);
    driver.replace(&id("a"), "x", "y", at(1));
    driver.touch(&id("a"), at(2));
    assert_eq!(driver.payload(&id("a"), at(2)).as_deref(), Some("y"));
    assert_eq!(driver.activity(&id("a"), at(2)), at(2));
}

pub(crate) fn a_sweep_keeps_leases_that_run_and_counts_none(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.acquire(&id("old"), owner(), LEASE, START);
    driver.acquire(&id("new"), owner(), LEASE, at(4_000));
    assert_eq!(driver.sweep(at(5_000), 100), 0);
    let acquired = driver.acquire(&id("new"), owner(), LEASE, at(4_999));
    assert_eq!(acquired, Acquired::Held(at(5_000)));
    let acquired = driver.acquire(&id("old"), owner(), LEASE, at(5_000));
    assert_eq!(acquired, Acquired::Granted);
}

pub(crate) fn a_lease_without_end_never_passes(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    driver.acquire(&id("a"), owner(), Millis(i64::MAX), START);
    let century = at(100 * 365 * 24 * 3_600 * 1_000);
    let acquired = driver.acquire(&id("a"), owner(), LEASE, century);
    assert_eq!(acquired, Acquired::Held(Millis(i64::MAX)));
}

pub(crate) fn an_instance_heeds_the_lease_of_another(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    let (first, second) = (owner(), owner());
    one.acquire(&id("a"), first, LEASE, START);
    let acquired = other.acquire(&id("a"), second, LEASE, at(1));
    assert_eq!(acquired, Acquired::Held(at(1_000)));
    one.release(&id("a"), first);
    let acquired = other.acquire(&id("a"), second, LEASE, at(2));
    assert_eq!(acquired, Acquired::Granted);
    let acquired = one.acquire(&id("a"), first, LEASE, at(3));
    assert_eq!(acquired, Acquired::Held(at(1_002)));
}

pub(crate) fn of_two_racing_for_a_lease_one_gets_it(fixture: &dyn Fixture) {
    race(fixture, |driver, n| {
        driver.acquire(&numbered(n), owner(), LEASE, START)
    });
}

pub(crate) fn of_two_racing_for_a_lease_that_ran_out_one_gets_it(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    for n in 0..RACES {
        driver.acquire(&numbered(n), owner(), LEASE, START);
    }
    race(fixture, |driver, n| {
        driver.acquire(&numbered(n), owner(), LEASE, at(1_000))
    });
}

pub(crate) fn two_that_take_turns_never_hold_a_lease_at_once(fixture: &dyn Fixture) {
    if two(fixture).is_none() {
        return;
    }
    let is_held = AtomicBool::new(false);
    on_two_threads(fixture, |driver| {
        for _ in 0..RACES {
            let me = owner();
            while driver.acquire(&id("a"), me, LEASE, START) != Acquired::Granted {
                thread::yield_now();
            }
            assert!(!is_held.swap(true, Ordering::SeqCst));
            thread::yield_now();
            is_held.store(false, Ordering::SeqCst);
            driver.release(&id("a"), me);
        }
    });
}

/// Two threads ask for each lease; one of them gets it and the other is told so.
fn race(fixture: &dyn Fixture, ask: impl Fn(&Subject, usize) -> Acquired + Sync) {
    if two(fixture).is_none() {
        return;
    }
    let granted: Vec<_> = (0..RACES).map(|_| AtomicUsize::new(0)).collect();
    on_two_threads(fixture, |driver| {
        for (n, granted) in granted.iter().enumerate() {
            if ask(driver, n) == Acquired::Granted {
                granted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    for (n, granted) in granted.iter().enumerate() {
        assert_eq!(granted.load(Ordering::SeqCst), 1, "lease {n}");
    }
}

fn on_two_threads(fixture: &dyn Fixture, course: impl Fn(&Subject) + Sync) {
    let run = || {
        let driver = Subject::another(fixture).expect("the storage is shared");
        course(&driver);
    };
    thread::scope(|scope| {
        let other = scope.spawn(run);
        run();
        other.join().expect("the other thread's course holds too");
    });
}

/// Two instances over one storage.
fn two(fixture: &dyn Fixture) -> Option<(Subject, Subject)> {
    let one = Subject::of(fixture);
    Some((one, Subject::another(fixture)?))
}
