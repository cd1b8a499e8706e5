//! Laws that hold for every history: random ones are played to the driver and to a map that cannot be wrong.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::clock::{Millis, is_idle};
use crate::driver::{Created, Record, Removed, Replaced, Touched};

use super::Fixture;
use super::subject::{BOUNDS, START, Subject, at, numbered};

/// Histories that each law plays. Few, since they are played to disks.
const HISTORIES: u32 = 32;
/// Records that a history is about: few enough that operations meet.
const IDS: usize = 4;
/// Texts that stand for payloads; some of them equal in a careless comparison.
const TEXTS: [&str; 5] = ["", "{}", "{} ", "A", "a"];

/// One operation; a text is an index into [`TEXTS`].
#[derive(Clone, Debug)]
enum Operation {
    Load(usize),
    Create(usize, usize),
    Replace(usize, usize, usize),
    Remove(usize, usize),
    /// A touch some milliseconds before the present.
    Touch(usize, i64),
    Destroy(usize),
    /// A whole pass, with a cutoff some milliseconds before the present.
    Sweep(i64),
    /// Time passes.
    Wait(i64),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let (id, text) = (0..IDS, 0..TEXTS.len());
    let wait = prop_oneof![0..10i64, Just(BOUNDS.idle_timeout.0 - 5), 0..700_000i64];
    prop_oneof![
        4 => id.clone().prop_map(Load),
        4 => (id.clone(), text.clone()).prop_map(|(id, new)| Create(id, new)),
        8 => (id.clone(), text.clone(), text.clone())
            .prop_map(|(id, old, new)| Replace(id, old, new)),
        2 => (id.clone(), text).prop_map(|(id, old)| Remove(id, old)),
        2 => (id.clone(), 0..1_000i64).prop_map(|(id, ago)| Touch(id, ago)),
        1 => id.prop_map(Destroy),
        1 => (0..600_000i64).prop_map(Sweep),
        3 => wait.prop_map(Wait),
    ]
}

/// What the contract says, in its plainest form.
#[derive(Default)]
struct Model(HashMap<usize, Record>);

impl Model {
    fn load(&self, id: usize, now: Millis) -> Option<Record> {
        let idle = |record: &Record| is_idle(record.last_activity, now, BOUNDS.idle_timeout);
        self.0.get(&id).filter(|record| !idle(record)).cloned()
    }

    fn create(&mut self, id: usize, text: &str, now: Millis) -> Created {
        if self.0.contains_key(&id) {
            return Created::Exists;
        }
        let (payload, last_activity) = (Arc::from(text), now);
        let record = Record {
            payload,
            last_activity,
        };
        self.0.insert(id, record);
        Created::Created
    }

    fn replace(&mut self, id: usize, expected: &str, text: &str, now: Millis) -> Replaced {
        match self.0.get_mut(&id) {
            None => Replaced::Gone,
            Some(record) if *record.payload != *expected => {
                Replaced::Conflict(Arc::clone(&record.payload))
            }
            Some(record) => {
                record.payload = Arc::from(text);
                record.last_activity = now;
                Replaced::Replaced
            }
        }
    }

    fn remove(&mut self, id: usize, expected: &str) -> Removed {
        match self.0.get(&id) {
            None => Removed::Gone,
            Some(record) if *record.payload != *expected => {
                Removed::Conflict(Arc::clone(&record.payload))
            }
            Some(_) => {
                self.0.remove(&id);
                Removed::Removed
            }
        }
    }

    fn touch(&mut self, id: usize, now: Millis) -> Touched {
        match self.0.get_mut(&id) {
            None => Touched::Gone,
            Some(record) => {
                record.last_activity = record.last_activity.max(now);
                Touched::Touched
            }
        }
    }

    fn sweep(&mut self, cutoff: Millis) -> usize {
        let before = self.0.len();
        self.0.retain(|_, record| record.last_activity >= cutoff);
        before - self.0.len()
    }
}

pub(crate) fn every_history_gives_what_the_model_gives(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    check(vec(operation(), 1..60), |history| {
        clear(&driver);
        let mut model = Model::default();
        // Another driver with a mind of its own about the time would be found out at the next load.
        let mut now = START;
        for operation in history {
            play(&driver, &mut model, &mut now, operation)?;
        }
        for id in 0..IDS {
            prop_assert_eq!(driver.load(&numbered(id), now), model.load(id, now));
        }
        Ok(())
    });
}

fn play(
    driver: &Subject,
    model: &mut Model,
    now: &mut Millis,
    operation: Operation,
) -> Result<(), TestCaseError> {
    let present = *now;
    let ago = |ms: i64| present - Millis(ms);
    match operation {
        Operation::Load(id) => {
            prop_assert_eq!(driver.load(&numbered(id), present), model.load(id, present));
        }
        Operation::Create(id, new) => prop_assert_eq!(
            driver.create(&numbered(id), TEXTS[new], present),
            model.create(id, TEXTS[new], present)
        ),
        Operation::Replace(id, old, new) => prop_assert_eq!(
            driver.replace(&numbered(id), TEXTS[old], TEXTS[new], present),
            model.replace(id, TEXTS[old], TEXTS[new], present)
        ),
        Operation::Remove(id, old) => prop_assert_eq!(
            driver.remove(&numbered(id), TEXTS[old]),
            model.remove(id, TEXTS[old])
        ),
        Operation::Touch(id, ms) => prop_assert_eq!(
            driver.touch(&numbered(id), ago(ms)),
            model.touch(id, ago(ms))
        ),
        Operation::Destroy(id) => {
            driver.destroy(&numbered(id));
            model.0.remove(&id);
        }
        Operation::Sweep(ms) => {
            prop_assert_eq!(driver.sweep(ago(ms), 2), model.sweep(ago(ms)));
        }
        Operation::Wait(ms) => *now = present + Millis(ms),
    }
    Ok(())
}

pub(crate) fn no_sweep_ever_removes_a_live_record(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let most = 2 * BOUNDS.idle_timeout.0;
    let histories = (vec(0..=most, 1..30), 0..=2 * most, 1..8usize);
    let swept = Cell::new(0);
    check(histories, |(activities, now, limit)| {
        let now = at(now);
        for (n, activity) in activities.iter().enumerate() {
            driver.create(&numbered(n), "x", at(*activity));
        }
        swept.set(swept.get() + driver.sweep(now - BOUNDS.idle_timeout, limit));
        for (n, activity) in activities.iter().enumerate() {
            let live = !is_idle(at(*activity), now, BOUNDS.idle_timeout);
            let there = driver.touch(&numbered(n), at(*activity)) == Touched::Touched;
            driver.destroy(&numbered(n));
            prop_assert_eq!(there, live);
        }
        Ok(())
    });
    assert!(swept.get() > 0, "no history had an idle record");
}

/// Plays random histories; the first that fails is made as short as it can be and shown.
fn check<S: Strategy>(histories: S, play: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        cases: HISTORIES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(failure) = TestRunner::new(config).run(&histories, play) {
        panic!("{failure}");
    }
}

fn clear(driver: &Subject) {
    for id in 0..IDS {
        driver.destroy(&numbered(id));
    }
}
