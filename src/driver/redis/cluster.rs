//! A cluster: which of its servers has which keys, as far as we know.
//!
//! Knows slots and addresses. What is sent to a server, and what its refusals mean, is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::select_ok;

use super::dial::Target;
use super::fault::{Fault, Said};
use super::link::{Common, Link};
use super::resp::{Command, Value};
use super::value::{number_of, text_of};
use crate::config::Address;

/// Slots of a cluster.
const SLOTS: u16 = 16_384;
/// Shortest time between two looks at who has which slots.
const SHORTEST: Duration = Duration::from_millis(100);

/// One of the parts into which a cluster divides its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u16);

impl Slot {
    /// The slot of a key: of what stands between its first braces, or of all of it.
    pub(super) fn of(key: &str) -> Self {
        let tagged = key
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'));
        let hashed = match tagged {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => key,
        };
        Slot(crc16(hashed.as_bytes()) % SLOTS)
    }
}

/// CRC-16 as XMODEM has it: polynomial 0x1021, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => (sum << 1) ^ 0x1021,
        })
    })
}

type Place = (String, u16);

/// The servers of a cluster.
pub(super) struct Cluster {
    seeds: Vec<Place>,
    common: Arc<Common>,
    map: Mutex<Map>,
    /// Held by whoever looks at the map of the servers.
    looking: tokio::sync::Mutex<()>,
    /// What we know may be out of date.
    is_doubtful: AtomicBool,
}

#[derive(Default)]
struct Map {
    links: HashMap<Place, Arc<Link>>,
    /// By slot; empty before the first look.
    owners: Vec<Option<Place>>,
    looked: Option<Instant>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>, common: Arc<Common>) -> Self {
        let place = |seed| match seed {
            Address::Tcp(host, port) => Some((host, port)),
            Address::Socket(..) => None,
        };
        Cluster {
            seeds: seeds.into_iter().filter_map(place).collect(),
            common,
            map: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
            is_doubtful: AtomicBool::new(false),
        }
    }

    /// The server that has a slot.
    pub(super) async fn link(&self, slot: Slot) -> Result<Arc<Link>, Fault> {
        if !self.is_doubtful.load(Ordering::Relaxed)
            && let Some(link) = self.known(slot)
        {
            return Ok(link);
        }
        self.look().await?;
        self.known(slot).ok_or_else(|| {
            Fault::unsent(
                "no server of the cluster has the session",
                Some("CLUSTERDOWN"),
            )
        })
    }

    fn known(&self, slot: Slot) -> Option<Arc<Link>> {
        let mut map = self.map();
        let place = map.owners.get(usize::from(slot.0))?.clone()?;
        Some(self.link_to(&mut map, place))
    }

    /// What we know may be out of date: it is looked at again before the next command.
    pub(super) fn doubt(&self) {
        self.is_doubtful.store(true, Ordering::Relaxed);
    }

    /// A server says that a slot is elsewhere. Tells whether that place is known now.
    pub(super) fn moved(&self, slot: Slot, said: &Said) -> bool {
        self.doubt();
        let Some(place) = said.leads_to().filter(|(host, _)| !host.is_empty()) else {
            return true;
        };
        let mut map = self.map();
        match map.owners.get_mut(usize::from(slot.0)) {
            Some(owner) => *owner = Some(place),
            None => return false,
        }
        true
    }

    /// The server that takes over a slot.
    pub(super) fn asked(&self, said: &Said) -> Option<Arc<Link>> {
        let place = said.leads_to().filter(|(host, _)| !host.is_empty())?;
        Some(self.link_to(&mut self.map(), place))
    }

    /// Every primary with slots, by address.
    pub(super) async fn primaries(&self) -> Result<Vec<(String, Arc<Link>)>, Fault> {
        self.look().await?;
        let mut map = self.map();
        let owners: BTreeMap<String, Place> = map
            .owners
            .iter()
            .flatten()
            .map(|place| (format!("{}:{}", place.0, place.1), place.clone()))
            .collect();
        let link = |(name, place)| (name, self.link_to(&mut map, place));
        Ok(owners.into_iter().map(link).collect())
    }

    /// Asks the servers who has which slots, unless somebody did so a moment ago.
    async fn look(&self) -> Result<(), Fault> {
        let _alone = self.looking.lock().await;
        let is_fresh = |looked: Instant| looked.elapsed() < SHORTEST;
        let known = {
            let mut map = self.map();
            if map.looked.is_some_and(is_fresh) && !map.owners.is_empty() {
                return Ok(());
            }
            let mut places: Vec<_> = map.links.keys().chain(&self.seeds).cloned().collect();
            places.sort();
            places.dedup();
            let link = |place: Place| (place.clone(), self.link_to(&mut map, place));
            places.into_iter().map(link).collect::<Vec<_>>()
        };
        self.is_doubtful.store(false, Ordering::Relaxed);
        let each = known
            .iter()
            .map(|(place, link)| told_by(place, link).boxed());
        let told = select_ok(each).await;
        let mut map = self.map();
        map.looked = Some(Instant::now());
        match told {
            Ok((owners, _)) => {
                map.owners = owners;
                let Map { links, owners, .. } = &mut *map;
                links.retain(|place, _| owners.iter().flatten().any(|owner| owner == place));
                Ok(())
            }
            Err(fault) => {
                self.doubt();
                Err(fault.before_sending())
            }
        }
    }

    fn link_to(&self, map: &mut Map, place: Place) -> Arc<Link> {
        let make = || {
            let address = Address::Tcp(place.0.clone(), place.1);
            Link::new(Target::Server(address), self.common.clone())
        };
        map.links.entry(place.clone()).or_insert_with(make).clone()
    }

    /// Held for a few lines at a time, in which nothing panics.
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn told_by(place: &Place, link: &Arc<Link>) -> Result<Vec<Option<Place>>, Fault> {
    let told = link.send(&Command::of(&["CLUSTER", "SLOTS"])).await?;
    let owners = owners_in(&told, &place.0);
    let none = || Fault::unsent("the servers have no slots", Some("CLUSTERDOWN"));
    let has_some = |owners: &Vec<Option<Place>>| owners.iter().any(Option::is_some);
    owners.filter(has_some).ok_or_else(none)
}

/// The primaries in an answer to `CLUSTER SLOTS`, by slot.
///
/// Shape: a list of `[first slot, last slot, [host, port, …], replicas…]`. A host that is not told is the one that was asked.
fn owners_in(told: &Value, asked: &str) -> Option<Vec<Option<Place>>> {
    let Value::List(ranges) = told else {
        return None;
    };
    let mut owners = vec![None; usize::from(SLOTS)];
    for range in ranges {
        let Value::List(parts) = range else {
            return None;
        };
        let [first, last, Value::List(primary), ..] = parts.as_slice() else {
            return None;
        };
        let host = primary.first().and_then(text_of);
        let host = host.filter(|host| !matches!(*host, "" | "?"));
        let port = primary.get(1).and_then(number_of)?;
        let place = (host.unwrap_or(asked).to_owned(), u16::try_from(port).ok()?);
        let first = usize::try_from(number_of(first)?).ok()?;
        let last = usize::try_from(number_of(last)?).ok()?;
        owners.get_mut(first..=last)?.fill(Some(place));
    }
    Some(owners)
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({} links)", self.map().links.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_slot_is_what_redis_takes() {
        // Printed by `CLUSTER KEYSLOT` of Redis 7.0.
        for (key, slot) in [
            ("foo", 12_182),
            ("123456789", 12_739),
            ("", 0),
            ("a{foo}b", 12_182),
            ("{}foo", 9_500),
            ("{foo", 13_308),
            ("a{foo}{bar}", 12_182),
        ] {
            assert_eq!(Slot::of(key), Slot(slot), "{key}");
        }
    }

    #[test]
    fn slots_are_read_as_servers_tell_them() {
        let text = |text: &str| Value::Text(text.into());
        let range = |first, last, host| {
            let primary = Value::List(vec![host, Value::Int(7000), text("id")]);
            Value::List(vec![
                Value::Int(first),
                Value::Int(last),
                primary.clone(),
                primary,
            ])
        };
        let told = Value::List(vec![
            range(0, 99, text("a")),
            range(101, 16_383, Value::Nil),
        ]);
        let owners = owners_in(&told, "b").unwrap();
        assert_eq!(owners[99], Some(("a".to_owned(), 7000)));
        assert_eq!(owners[100], None);
        assert_eq!(owners[16_383], Some(("b".to_owned(), 7000)));
        for odd in [
            range(6, 4, text("a")),
            range(0, 16_384, text("a")),
            Value::Nil,
        ] {
            assert!(owners_in(&Value::List(vec![odd]), "b").is_none());
        }
    }
}
