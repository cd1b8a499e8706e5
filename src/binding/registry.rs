//! What a thread's JavaScript refers to by number: engines and sessions.
//!
//! A session's number carries a generation, so that one which is out of date never reaches another session. A session
//! whose response has ended stays readable while it is among the last closed ones.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use smallvec::SmallVec;

use super::engine::Engine;
use super::js::{Kept, Scope};
use crate::manager::{Lock, Opened};
use crate::panics::point;
use crate::session::Session;

/// Closed sessions that stay readable on a thread. A listener of a response's `finish` reads within a few requests, and where a slow
/// client puts that off, the face keeps the session. With many more of them a request costs more: what it allocates has left the
/// processor's caches by then.
const CLOSED_KEPT: usize = 512;
/// Bytes of text that they may hold together.
const CLOSED_BYTES: usize = 16 << 20;
/// Bits of a session's number that say its place; those above are its generation.
const PLACE_BITS: u32 = 22;

/// `JSON` of the realm in which the application loaded the package.
#[derive(Debug)]
pub struct Realm {
    /// `JSON.parse`.
    pub parse: Kept,
    /// `JSON.stringify`.
    pub stringify: Kept,
}

/// A session as JavaScript holds it.
#[derive(Debug)]
pub struct Entry {
    /// The session.
    pub session: Session,
    /// The engine it belongs to.
    pub engine: Rc<Engine>,
    /// The request's own cookie, to be sent back as it came, and the id it is for.
    pub wire: RefCell<Option<(crate::session_id::SessionId, String)>>,
    /// What the load found, until it is settled.
    pub opened: RefCell<Option<Opened>>,
    /// Its lock, in lock mode.
    pub lock: OnceCell<Rc<Lock>>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    entry: Option<Rc<Entry>>,
}

/// Everything of one thread.
#[derive(Debug, Default)]
struct Registry {
    engines: Vec<Option<Rc<Engine>>>,
    places: Vec<Place>,
    free: Vec<u32>,
    closed: VecDeque<(u32, u32, usize)>,
    closed_bytes: usize,
}

thread_local! {
    static REGISTRY: RefCell<Registry> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
    // Nearly every function of the addon asks here first.
    point("entry");
    REGISTRY.with(|registry| work(&mut registry.borrow_mut()))
}

/// What this thread holds, each with its name.
pub fn sizes() -> [(&'static str, usize); 4] {
    with(|registry| {
        let sessions = registry.places.iter().flat_map(|place| &place.entry);
        [
            ("engines", registry.engines.iter().flatten().count()),
            ("sessions", sessions.count()),
            ("closed", registry.closed.len()),
            ("closedBytes", registry.closed_bytes),
        ]
    })
}

/// Gives an engine a number.
pub fn add_engine(engine: Rc<Engine>) -> u32 {
    with(|registry| {
        registry.engines.push(Some(engine));
        u32::try_from(registry.engines.len() - 1).unwrap_or(u32::MAX)
    })
}

/// The engine of a number.
pub fn engine(number: u32) -> Option<Rc<Engine>> {
    with(|registry| registry.engines.get(number as usize)?.clone())
}

/// Forgets an engine. Sessions and operations that still use it keep it alive.
pub fn remove_engine(number: u32) {
    let engine = with(|registry| registry.engines.get_mut(number as usize)?.take());
    drop(engine);
}

/// Forgets everything of an environment that is about to end, while its values can still be released.
pub fn close(scope: Scope) {
    let (engines, entries) = with(|registry| {
        let ends = |engine: &Rc<Engine>| engine.scope == scope;
        let engines: Vec<_> = registry
            .engines
            .iter_mut()
            .filter(|e| e.as_ref().is_some_and(ends))
            .map(Option::take)
            .collect();
        let mut entries = Vec::new();
        for place in &mut registry.places {
            if place
                .entry
                .as_ref()
                .is_some_and(|entry| ends(&entry.engine))
            {
                place.generation = place.generation.wrapping_add(1);
                entries.push(place.entry.take());
            }
        }
        (engines, entries)
    });
    for engine in engines.iter().flatten() {
        engine.abandon();
    }
    drop(entries);
    drop(engines);
}

/// Gives a session a number; `None` when a thread has more than four million of them.
///
/// Shape: a whole number above 0 and below 2⁵³.
pub fn add(entry: Entry) -> Option<f64> {
    let entry = Rc::new(entry);
    with(|registry| {
        let place = match registry.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(registry.places.len()).ok()?;
                if place >> PLACE_BITS != 0 {
                    return None;
                }
                registry.places.push(Place {
                    generation: 1,
                    entry: None,
                });
                place
            }
        };
        let slot = &mut registry.places[place as usize];
        slot.entry = Some(entry);
        Some(f64::from(slot.generation) * f64::from(1u32 << PLACE_BITS) + f64::from(place))
    })
}

fn split(number: f64) -> (u32, u32) {
    let whole = number as u64;
    let place = (whole & ((1 << PLACE_BITS) - 1)) as u32;
    (place, u32::try_from(whole >> PLACE_BITS).unwrap_or(0))
}

/// The session of a number, unless that is out of date.
pub fn entry(number: f64) -> Option<Rc<Entry>> {
    let (place, generation) = split(number);
    with(|registry| {
        let slot = registry.places.get(place as usize)?;
        slot.entry
            .as_ref()
            .filter(|_| slot.generation == generation)
            .cloned()
    })
}

/// Forgets a session at once.
pub fn remove(number: f64) {
    let (place, generation) = split(number);
    let entry = with(|registry| registry.release(place, generation));
    drop(entry);
}

/// Notes that a session's response has ended; it is forgotten when enough others have.
pub fn retire(number: f64, bytes: usize) {
    let (place, generation) = split(number);
    // As a rule each that comes lets one go.
    let mut forgotten = SmallVec::<[_; 4]>::new();
    with(|registry| {
        registry.closed.push_back((place, generation, bytes));
        registry.closed_bytes += bytes;
        while registry.closed.len() > CLOSED_KEPT || registry.closed_bytes > CLOSED_BYTES {
            let Some((place, generation, bytes)) = registry.closed.pop_front() else {
                break;
            };
            registry.closed_bytes -= bytes;
            forgotten.push(registry.release(place, generation));
        }
    });
    drop(forgotten);
}

/// Keeps a closed session readable until JavaScript gives it up.
pub fn pin(number: f64) {
    let (place, generation) = split(number);
    with(|registry| {
        let closed = &mut registry.closed;
        // It is one of the latest, as a rule.
        if let Some(at) = closed
            .iter()
            .rposition(|(p, g, _)| (*p, *g) == (place, generation))
            && let Some((_, _, bytes)) = closed.remove(at)
        {
            registry.closed_bytes -= bytes;
        }
    });
}

impl Registry {
    fn release(&mut self, place: u32, generation: u32) -> Option<Rc<Entry>> {
        let slot = self.places.get_mut(place as usize)?;
        if slot.generation != generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1).max(1);
        self.free.push(place);
        slot.entry.take()
    }
}
