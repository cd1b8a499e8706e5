//! What the driver `memory` promises beyond the contract: its bound, its locks, its payloads. Last, it joins the laws.

use std::thread;

use super::*;
use crate::driver::conformance::Fixture;

const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(1_000),
    max_payload: 1_000,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("{number:0>40}")).unwrap()
}

fn key(number: usize) -> PackedId {
    id(number).packed()
}

fn record(last_activity: i64) -> Record {
    Record {
        payload: Arc::from("x"),
        last_activity: Millis(last_activity),
    }
}

/// A store for `max_sessions`, filled with records whose last activities are 0, 1, 2 and so on.
fn filled(max_sessions: usize, records: usize) -> Store {
    let store = Store::new(max_sessions);
    for n in 0..records {
        store.create(&key(n), record(n as i64));
    }
    store
}

fn stored(store: &Store) -> usize {
    store.shards.iter().map(|shard| lock(shard).0.len()).sum()
}

fn has(store: &Store, number: usize) -> bool {
    store.shard(&key(number)).0.contains_key(&key(number))
}

#[test]
fn one_record_too_many_takes_the_place_of_the_least_recently_active() {
    let store = filled(100, 103);
    assert_eq!(stored(&store), 100);
    for n in 0..103 {
        assert_eq!(has(&store, n), n >= 3, "record {n}");
    }
}

#[test]
fn a_large_storage_evicts_one_of_the_least_recently_active() {
    let (most, more) = (10 * SHARD_RECORDS, 1_000);
    let store = filled(most, most + more);
    assert!(store.shards.len() > EVICTION_SAMPLE);
    assert_eq!(stored(&store), most);
    let kept = (2 * more..most + more).filter(|n| has(&store, *n));
    assert_eq!(kept.count(), most - more, "one of the younger was evicted");
}

#[test]
fn a_touched_or_replaced_record_outlasts_an_idle_one() {
    let store = filled(10, 10);
    store.shard(&key(0)).touch(&key(0), Millis(50));
    store
        .shard(&key(1))
        .replace(&key(1), "x", &Arc::from("y"), Millis(51));
    store.create(&key(10), record(52));
    assert!(has(&store, 0) && has(&store, 1) && !has(&store, 2));
}

#[test]
fn creating_what_exists_evicts_nothing() {
    let store = filled(10, 10);
    assert_eq!(store.create(&key(9), record(99)), Created::Exists);
    assert_eq!(stored(&store), 10);
}

#[test]
fn a_record_that_leaves_gives_its_place_back() {
    let driver = Memory::new(BOUNDS, 10);
    let payload = Arc::from("x");
    for n in 0..10 {
        drop(driver.create(&id(n), &payload, Millis(n as i64)));
    }
    drop(driver.destroy(&id(7)));
    drop(driver.destroy(&id(7)));
    drop(driver.remove(&id(8), &payload));
    assert_eq!(driver.store.sweep(Millis(3), 100).removed, 3);
    assert_eq!(driver.store.places.load(Ordering::Acquire), 5);
    for n in 10..16 {
        drop(driver.create(&id(n), &payload, Millis(n as i64)));
    }
    assert_eq!(stored(&driver.store), 10);
    assert!(!has(&driver.store, 3) && has(&driver.store, 4));
}

#[test]
fn there_is_always_room_for_one_record() {
    let store = filled(0, 5);
    assert_eq!(stored(&store), 1);
    assert!(has(&store, 4));
}

#[test]
fn a_loaded_payload_is_the_stored_one_and_no_copy() {
    let driver = Memory::new(BOUNDS, 10);
    let payload: Arc<str> = Arc::from("text");
    drop(driver.create(&id(1), &payload, Millis(0)));
    let Answer::Ready(Some(Ok(Some(loaded)))) = driver.load(&id(1), Millis(0)) else {
        panic!("a load is answered at once");
    };
    assert!(Arc::ptr_eq(&loaded.payload, &payload));
}

#[test]
fn a_sweep_holds_a_lock_for_no_more_than_a_slice() {
    let mut shard = Shard::default();
    for n in 0..3 * SLICE {
        shard.file(&key(n), record(0));
    }
    assert_eq!(shard.take_before(Millis(1), usize::MAX).len(), SLICE);
    assert_eq!(shard.take_before(Millis(1), 10).len(), 10);
}

#[test]
fn a_sweep_goes_to_another_thread_and_nothing_else_does() {
    let driver = Memory::new(BOUNDS, 10);
    let text = Arc::from("x");
    assert!(matches!(
        driver.create(&id(1), &text, Millis(0)),
        Answer::Ready(_)
    ));
    assert!(matches!(
        driver.replace(&id(1), &text, &text, Millis(0)),
        Answer::Ready(_)
    ));
    assert!(matches!(driver.touch(&id(1), Millis(0)), Answer::Ready(_)));
    assert!(matches!(driver.remove(&id(1), &text), Answer::Ready(_)));
    assert!(matches!(driver.destroy(&id(1)), Answer::Ready(_)));
    assert!(matches!(driver.sweep(Millis(0), 1), Answer::Later(_)));
}

#[test]
fn a_shard_stays_in_order_when_a_clock_runs_backwards() {
    let mut shard = Shard::default();
    for (n, instant) in [5, 3, 9, 3, 0, 7, 9].into_iter().enumerate() {
        shard.file(&key(n), record(instant));
    }
    shard.touch(&key(1), Millis(4));
    shard.touch(&key(2), Millis(1));
    let order: Vec<_> = shard
        .0
        .values()
        .map(|record| record.last_activity.0)
        .collect();
    assert_eq!(order, [0, 3, 4, 5, 7, 9, 9]);
}

#[test]
fn a_panic_under_a_lock_does_not_end_the_storage() {
    let store = filled(10, 1);
    let panicked = thread::scope(|scope| {
        let poison = scope.spawn(|| {
            let _held = store.shard(&key(0));
            panic!("under the lock");
        });
        poison.join().is_err()
    });
    assert!(panicked && has(&store, 0));
}

#[test]
fn no_race_stores_more_records_than_allowed_or_loses_a_place() {
    let store = Store::new(50);
    thread::scope(|scope| {
        for thread in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..2_000 {
                    store.create(&key(n % 90 + thread * 30), record(n as i64));
                    if n % 7 == 0 {
                        store.sweep(Millis(n as i64 - 20), 5);
                    }
                }
            });
        }
    });
    assert_eq!(stored(&store) + store.places.load(Ordering::Acquire), 50);
}

/// One storage; its drivers share it, as those of one process could.
struct InProcess(Arc<Store>);

impl InProcess {
    fn new() -> Self {
        Self(Arc::new(Store::new(1_000_000)))
    }
}

impl Fixture for InProcess {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        let store = Arc::clone(&self.0);
        let lane = Lane::default();
        Box::new(Memory {
            bounds,
            store,
            lane,
        })
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }
}

crate::driver::conformance!(InProcess::new());
