//! Laws of several instances over one storage, as several processes have them.
//!
//! A driver whose storage is its own passes them without a check: its fixture gives no second instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::driver::{Created, Removed, Replaced, Touched};

use super::Fixture;
use super::subject::{START, Subject, at, id, numbered};

/// Records that two threads race for, or turns that each takes at one.
const RACES: usize = 100;

pub(crate) fn an_instance_reads_what_another_created(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    one.create(&id("a"), "x", START);
    assert_eq!(other.load(&id("a"), START), one.load(&id("a"), START));
    assert_eq!(other.create(&id("a"), "y", START), Created::Exists);
}

pub(crate) fn an_instance_replaces_what_another_created(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    one.create(&id("a"), "x", START);
    let replaced = other.replace(&id("a"), "x", "y", at(1));
    assert_eq!(replaced, Replaced::Replaced);
    assert_eq!(one.payload(&id("a"), at(1)).as_deref(), Some("y"));
    let replaced = one.replace(&id("a"), "x", "z", at(2));
    assert_eq!(replaced, Replaced::Conflict(Arc::from("y")));
}

pub(crate) fn an_instance_sees_what_another_touched(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    one.create(&id("a"), "x", START);
    assert_eq!(other.touch(&id("a"), at(1_000)), Touched::Touched);
    assert_eq!(one.activity(&id("a"), at(1_000)), at(1_000));
}

pub(crate) fn an_instance_misses_what_another_destroyed(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    one.create(&id("a"), "x", START);
    one.load(&id("a"), START);
    other.destroy(&id("a"));
    assert_eq!(one.load(&id("a"), START), None);
    assert_eq!(one.replace(&id("a"), "x", "y", START), Replaced::Gone);
    assert_eq!(one.touch(&id("a"), START), Touched::Gone);
    assert_eq!(one.remove(&id("a"), "x"), Removed::Gone);
}

pub(crate) fn an_instance_sweeps_what_another_created(fixture: &dyn Fixture) {
    let Some((one, other)) = two(fixture) else {
        return;
    };
    one.create(&id("old"), "x", START);
    one.create(&id("new"), "x", at(1_000));
    assert_eq!(other.sweep(at(1_000), 100), 1);
    assert_eq!(one.load(&id("old"), START), None);
    assert!(one.load(&id("new"), at(1_000)).is_some());
}

pub(crate) fn records_outlive_the_instance_that_stored_them(fixture: &dyn Fixture) {
    let one = Subject::of(fixture);
    one.create(&id("a"), "x", START);
    one.replace(&id("a"), "x", "y", at(7));
    drop(one);
    let Some(other) = Subject::another(fixture) else {
        return;
    };
    let record = other.load(&id("a"), at(7)).unwrap();
    assert_eq!((&*record.payload, record.last_activity), ("y", at(7)));
}

pub(crate) fn of_two_racing_creates_one_stores(fixture: &dyn Fixture) {
    let Some(driver) = shared(fixture) else {
        return;
    };
    let outcomes = race(fixture, |racer, name| {
        each(|n| racer.create(&numbered(n), name, START))
    });
    for (n, [one, other]) in outcomes.iter().enumerate() {
        let stored = driver.payload(&numbered(n), START);
        let (winner, created) = match stored.as_deref() {
            Some("one") => ("one", [Created::Created, Created::Exists]),
            _ => ("other", [Created::Exists, Created::Created]),
        };
        assert_eq!([*one, *other], created, "record {n}");
        assert_eq!(stored.as_deref(), Some(winner));
    }
}

pub(crate) fn of_two_racing_replaces_one_wins_and_the_other_learns_of_it(fixture: &dyn Fixture) {
    let Some(driver) = shared(fixture) else {
        return;
    };
    for n in 0..RACES {
        driver.create(&numbered(n), "base", START);
    }
    let outcomes = race(fixture, |racer, name| {
        each(|n| racer.replace(&numbered(n), "base", name, at(1)))
    });
    for (n, [one, other]) in outcomes.iter().enumerate() {
        let stored = driver.payload(&numbered(n), at(1)).unwrap();
        let (won, lost) = match stored.as_str() {
            "one" => (one, other),
            _ => (other, one),
        };
        assert_eq!(*won, Replaced::Replaced, "record {n}");
        assert_eq!(*lost, Replaced::Conflict(Arc::from(stored)), "record {n}");
    }
}

pub(crate) fn of_two_racing_removes_one_removes(fixture: &dyn Fixture) {
    let Some(driver) = shared(fixture) else {
        return;
    };
    for n in 0..RACES {
        driver.create(&numbered(n), "base", START);
    }
    let outcomes = race(fixture, |racer, _| {
        each(|n| racer.remove(&numbered(n), "base"))
    });
    for (n, [one, other]) in outcomes.iter().enumerate() {
        let removed = [one, other].map(|outcome| *outcome == Removed::Removed);
        assert_ne!(removed[0], removed[1], "record {n}");
        assert!([one, other].contains(&&Removed::Gone), "record {n}");
        assert_eq!(driver.load(&numbered(n), START), None);
    }
}

pub(crate) fn no_update_of_two_racing_counters_is_lost(fixture: &dyn Fixture) {
    let Some(driver) = shared(fixture) else {
        return;
    };
    driver.create(&id("counter"), "0", START);
    race(fixture, |racer, _| each(|_| count_up(racer)));
    let counted = driver.payload(&id("counter"), START);
    assert_eq!(counted, Some((2 * RACES).to_string()));
}

pub(crate) fn a_record_replaced_while_it_is_swept_is_whole_or_gone(fixture: &dyn Fixture) {
    let Some(driver) = shared(fixture) else {
        return;
    };
    for n in 0..RACES {
        driver.create(&numbered(n), "base", START);
    }
    let outcomes = race(fixture, |racer, name| match name {
        "one" => each(|n| Some(racer.replace(&numbered(n), "base", "new", at(1)))),
        _ => each(|_| {
            racer.step(at(1), 3);
            None
        }),
    });
    driver.sweep(at(1), 100);
    for (n, [replaced, _]) in outcomes.iter().enumerate() {
        let expected = match replaced {
            Some(Replaced::Replaced) => Some("new"),
            Some(Replaced::Gone) => None,
            other => panic!("record {n}: {other:?}"),
        };
        let stored = driver.payload(&numbered(n), at(1));
        assert_eq!(stored.as_deref(), expected, "record {n}");
    }
}

/// Adds one to the counter, as often as it takes.
fn count_up(racer: &Subject) {
    let mut current = racer.payload(&id("counter"), START).expect("it is there");
    loop {
        let next = current.parse::<usize>().expect("a number") + 1;
        match racer.replace(&id("counter"), &current, &next.to_string(), START) {
            Replaced::Replaced => return,
            Replaced::Conflict(stored) => current = stored.to_string(),
            Replaced::Gone => panic!("the counter is gone"),
        }
    }
}

/// Two instances over one storage.
fn two(fixture: &dyn Fixture) -> Option<(Subject, Subject)> {
    let one = Subject::of(fixture);
    Some((one, Subject::another(fixture)?))
}

/// An instance whose storage others can share.
fn shared(fixture: &dyn Fixture) -> Option<Subject> {
    two(fixture).map(|(one, _)| one)
}

/// What `turn` gives for each of the records that are raced for.
fn each<T>(turn: impl FnMut(usize) -> T) -> Vec<T> {
    (0..RACES).map(turn).collect()
}

/// Runs `course` on two threads, each with an instance of its own and a name; pairs what they gave.
fn race<T: Send>(
    fixture: &dyn Fixture,
    course: impl Fn(&Subject, &str) -> Vec<T> + Sync,
) -> Vec<[T; 2]> {
    let ready = AtomicUsize::new(0);
    let run = |name| {
        let racer = Subject::another(fixture).expect("the storage is shared");
        ready.fetch_add(1, Ordering::SeqCst);
        await_both(&ready);
        course(&racer, name)
    };
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| run("one"));
        let other = scope.spawn(|| run("other"));
        (one.join(), other.join())
    });
    let (one, other) = (one.expect("one runs"), other.expect("other runs"));
    one.into_iter().zip(other).map(|(a, b)| [a, b]).collect()
}

/// Lets both begin together; gives up on a thread that could not open its instance, so that its panic is seen.
fn await_both(ready: &AtomicUsize) {
    for _ in 0..1_000_000 {
        if ready.load(Ordering::SeqCst) == 2 {
            return;
        }
        thread::yield_now();
    }
}
