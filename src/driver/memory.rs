//! Sessions in this process's memory: nothing is written anywhere, and all end with the process.
//!
//! Holds at most a fixed number of records; one more takes the place of the one that was active the longest ago.

mod scan;

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::linked_hash_map::Entry;
use hashlink::{DefaultHashBuilder, LinkedHashMap};

use super::lease::Leases;
use super::{
    Acquired, Answer, Bounds, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced,
    Sweep, Touched,
};
use crate::clock::{Millis, is_idle};
use crate::error::{Code, Error, Result};
use crate::session_id::{PackedId, SessionId};
use crate::worker::Lane;

/// Records that a shard is meant for. Its table grows under its lock, and a request would feel that of a larger one.
const SHARD_RECORDS: usize = 4_096;

/// Most shards: as many as a million records ask for.
const MOST_SHARDS: usize = 256;

/// Shards that are looked at for a record to evict. Ids are random, so the oldest of eight shards is among the oldest
/// of all; and a small storage has no more than eight.
const EVICTION_SAMPLE: usize = 8;

/// Most records that a sweep takes out of a shard while it holds the shard's lock: some tens of microseconds' worth
/// when none of them is in the processor's cache.
const SLICE: usize = 64;

/// What a record takes beside its payload, before the map's two links and its table: 1 000 000 sessions of 300 bytes
/// shall fit into 460 MB.
const _: () = assert!(size_of::<(PackedId, Record)>() == 56);

/// The driver `memory`.
pub struct Memory {
    bounds: Bounds,
    store: Arc<Store>,
    lane: Lane,
}

impl Memory {
    /// An empty storage for at most `max_sessions` records; at least one is kept.
    pub fn new(bounds: Bounds, max_sessions: usize) -> Self {
        let store = Arc::new(Store::new(max_sessions));
        let lane = Lane::default();
        Self {
            bounds,
            store,
            lane,
        }
    }

    fn check_size(&self, payload: &str) -> Result<()> {
        if payload.len() <= self.bounds.max_payload {
            return Ok(());
        }
        Err(Error::new(
            Code::TooLarge,
            "the session is larger than option `maxBytes`",
        ))
    }
}

impl Driver for Memory {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        let id = &id.packed();
        let shard = self.store.shard(id);
        let live = |record: &&Record| !is_idle(record.last_activity, now, self.bounds.idle_timeout);
        Answer::now(match shard.0.get(id).filter(live) {
            Some(record) if record.payload.len() > self.bounds.max_payload => Err(Error::new(
                Code::TooLarge,
                "the stored session is larger than option `maxBytes`",
            )),
            record => Ok(record.cloned()),
        })
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        let record = Record {
            payload: Arc::clone(payload),
            last_activity: now,
        };
        let checked = self.check_size(payload);
        Answer::now(checked.map(|()| self.store.create(&id.packed(), record)))
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        let id = &id.packed();
        let checked = self.check_size(payload);
        Answer::now(checked.map(|()| self.store.shard(id).replace(id, expected, payload, now)))
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        let id = &id.packed();
        let removed = self.store.shard(id).remove(id, expected);
        if removed == Removed::Removed {
            self.store.vacate(1);
        }
        Answer::now(Ok(removed))
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        let id = &id.packed();
        Answer::now(Ok(self.store.shard(id).touch(id, now)))
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        let id = &id.packed();
        let destroyed = self.store.shard(id).0.remove(id);
        if destroyed.is_some() {
            self.store.vacate(1);
        }
        Answer::now(Ok(()))
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        let store = Arc::clone(&self.store);
        let sweep = move || Ok(store.sweep(cutoff, limit));
        Answer::later(self.lane.blocking(sweep))
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        let (store, after) = (Arc::clone(&self.store), after.cloned());
        let scan = move || store.scan(after.as_ref(), limit);
        Answer::later(self.lane.blocking(scan))
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        let acquired = lock(&self.store.leases).acquire(id, owner, lease, now);
        Answer::now(Ok(acquired))
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        lock(&self.store.leases).release(id, owner);
        Answer::now(Ok(()))
    }

    fn shares_leases(&self) -> bool {
        false
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// The records, shared with the thread that sweeps them.
///
/// No more than one shard is ever locked by one thread, and none while a payload is freed by a sweep.
struct Store {
    shards: Box<[Mutex<Shard>]>,
    /// Chooses the shard of an id. Seeded apart from the shards' own tables, so that these are evenly filled.
    chooser: DefaultHashBuilder,
    /// Records that may still be added. A place is taken before its record is stored and given back after the record
    /// is out, so that there are never too many.
    places: AtomicUsize,
    /// The shard at which the next step of a sweep begins.
    next_swept: AtomicUsize,
    /// Of lock mode. Few at a time, so one map does for all shards.
    leases: Mutex<Leases>,
}

impl Store {
    fn new(max_sessions: usize) -> Self {
        let shards = max_sessions.div_ceil(SHARD_RECORDS).clamp(1, MOST_SHARDS);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            chooser: DefaultHashBuilder::default(),
            places: AtomicUsize::new(max_sessions.max(1)),
            next_swept: AtomicUsize::new(0),
            leases: Mutex::default(),
        }
    }

    fn shard(&self, id: &PackedId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.shard_index(id)])
    }

    fn shard_index(&self, id: &PackedId) -> usize {
        let hash = self.chooser.hash_one(id);
        hash as usize % self.shards.len()
    }

    fn create(&self, id: &PackedId, record: Record) -> Created {
        let index = self.shard_index(id);
        let shard = &self.shards[index];
        if lock(shard).0.contains_key(id) {
            return Created::Exists;
        }
        self.take_place(index);
        let created = lock(shard).create(id, record);
        if created == Created::Exists {
            self.vacate(1);
        }
        created
    }

    /// Takes a place for one more record, from one of the least recently active if there is no other.
    fn take_place(&self, near: usize) {
        let one_less = |places: usize| places.checked_sub(1);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        while self.places.fetch_update(set, fetch, one_less).is_err() {
            self.evict(near);
        }
    }

    fn vacate(&self, places: usize) {
        self.places.fetch_add(places, Ordering::AcqRel);
    }

    /// Removes the record that was active the longest ago, in the first shards from `near` on that hold any.
    fn evict(&self, near: usize) {
        let (before, after) = self.shards.split_at(near);
        let shards = after.iter().chain(before);
        let fronts = shards.filter_map(|shard| Some((lock(shard).oldest()?, shard)));
        let sample = fronts.take(EVICTION_SAMPLE);
        let oldest = sample.min_by_key(|(last_activity, _)| *last_activity);
        let evicted = oldest.and_then(|(_, shard)| lock(shard).0.pop_front());
        self.vacate(evicted.iter().count());
    }

    /// One step of a sweep.
    fn sweep(&self, cutoff: Millis, limit: usize) -> Sweep {
        let mut removed = 0;
        let mut next = self.next_swept.load(Ordering::Acquire);
        while next < self.shards.len() && removed < limit {
            let slice = lock(&self.shards[next]).take_before(cutoff, limit - removed);
            removed += slice.len();
            self.vacate(slice.len());
            if slice.len() < SLICE && removed < limit {
                next += 1;
            }
        }
        let done = next == self.shards.len();
        let next = if done { 0 } else { next };
        self.next_swept.store(next, Ordering::Release);
        Sweep { removed, done }
    }
}

/// Some of the records, in the order of their last activity, the oldest in front.
#[derive(Default)]
struct Shard(LinkedHashMap<PackedId, Record>);

impl Shard {
    /// Puts the record in its place in the order: at the back, unless a clock ran backwards.
    fn file(&mut self, id: &PackedId, record: Record) {
        let mut cursor = self.0.cursor_back_mut();
        while let Some((_, later)) = cursor.current()
            && later.last_activity > record.last_activity
        {
            cursor.move_prev();
        }
        cursor.insert_after(*id, record);
    }

    fn create(&mut self, id: &PackedId, record: Record) -> Created {
        if self.0.contains_key(id) {
            return Created::Exists;
        }
        self.file(id, record);
        Created::Created
    }

    fn replace(
        &mut self,
        id: &PackedId,
        expected: &str,
        payload: &Arc<str>,
        now: Millis,
    ) -> Replaced {
        match self.0.entry(*id) {
            Entry::Vacant(_) => Replaced::Gone,
            Entry::Occupied(entry) if *entry.get().payload != *expected => {
                Replaced::Conflict(Arc::clone(&entry.get().payload))
            }
            Entry::Occupied(entry) => {
                let mut record = entry.remove();
                record.payload = Arc::clone(payload);
                record.last_activity = record.last_activity.max(now);
                self.file(id, record);
                Replaced::Replaced
            }
        }
    }

    fn remove(&mut self, id: &PackedId, expected: &str) -> Removed {
        match self.0.entry(*id) {
            Entry::Vacant(_) => Removed::Gone,
            Entry::Occupied(entry) if *entry.get().payload != *expected => {
                Removed::Conflict(Arc::clone(&entry.get().payload))
            }
            Entry::Occupied(entry) => {
                entry.remove();
                Removed::Removed
            }
        }
    }

    fn touch(&mut self, id: &PackedId, now: Millis) -> Touched {
        match self.0.remove(id) {
            None => Touched::Gone,
            Some(mut record) => {
                record.last_activity = record.last_activity.max(now);
                self.file(id, record);
                Touched::Touched
            }
        }
    }

    /// The last activity of the record that was active the longest ago.
    fn oldest(&self) -> Option<Millis> {
        self.0.front().map(|(_, record)| record.last_activity)
    }

    /// Takes out records last active before `cutoff`: as many as there are, up to `most` and up to a slice.
    ///
    /// The caller frees them, after the lock.
    fn take_before(&mut self, cutoff: Millis, most: usize) -> Vec<Record> {
        let mut taken = Vec::new();
        while taken.len() < most.min(SLICE) && self.oldest().is_some_and(|oldest| oldest < cutoff) {
            taken.extend(self.0.pop_front().map(|(_, record)| record));
        }
        taken
    }
}

/// Locks a shard, or the leases, for a few lines. What is poisoned is whole all the same: nothing panics halfway through a
/// change.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
