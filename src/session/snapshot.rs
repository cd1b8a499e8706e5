//! The attributes as they stand at the end of a request: their text, and how it differs from the base.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::{replace, take};
use std::sync::Arc;

use super::attributes::Attributes;
use super::base::{Base, Holds, Slot, Slots};
use super::change::{Change, Step};
use super::live::{Live, Thrown};
use super::object;
use super::recorded;
use super::steps::Evidence;
use super::text::{self, Fault, Root};

/// Why the attributes cannot be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsavable {
    /// Serialising threw; the exception waits on the JavaScript side.
    Thrown,
    /// Nested deeper than allowed.
    TooDeep,
    /// The attributes serialise to something that is not an object.
    NotAnObject,
    /// Working out what has to be stored panicked.
    Panicked,
}

impl From<Thrown> for Unsavable {
    fn from(_: Thrown) -> Self {
        Unsavable::Thrown
    }
}

/// What is to be saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The whole text, for a record that is still as it was loaded.
    pub(super) base: Base,
    /// The difference to the base, for a record that is not.
    pub change: Change,
}

impl Snapshot {
    fn new(members: &[Found], change: Change) -> Self {
        let members = members.iter().map(|found| (found.key, found.value));
        let (text, layout) = object::lay_out(members);
        let base = Base::new(Arc::from(text), layout);
        Snapshot { base, change }
    }

    /// The whole text.
    pub fn text(&self) -> &Arc<str> {
        self.base.text()
    }

    /// Adds an attribute behind all others, where another request may have stored one. There must be none of that name.
    pub fn append(&mut self, name: &str, value: &str) {
        let path = recorded::top(name);
        self.base = self.base.with_last((&path[0].quoted, value));
        let value = value.into();
        self.change.steps.push(Step::Offer { path, value });
    }

    /// The text as a base, and the change, taken out.
    pub fn split(&mut self) -> (Base, Change) {
        (self.base.clone(), take(&mut self.change))
    }
}

/// An attribute as it stands at the end of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'t> {
    /// The key with its quotes.
    pub(super) key: &'t str,
    pub(super) value: &'t str,
    /// Where it stands in the base, if it was never looked at.
    pub(super) place: Option<usize>,
}

/// Most members that are looked for one by one: below it, that is faster than hashing.
const FEW: usize = 16;

/// Members, to be found by their keys.
pub(super) struct Members<'t> {
    pub(super) list: Vec<(&'t str, &'t str)>,
    /// Where each key stands; empty while there are only a few.
    places: HashMap<Cow<'t, str>, usize>,
}

impl<'t> Members<'t> {
    pub(super) fn new(list: Vec<(&'t str, &'t str)>) -> Self {
        let mut places = HashMap::new();
        if list.len() > FEW {
            let keys = list.iter().map(|(key, _)| text::decode(key));
            places.extend(keys.zip(0..));
        }
        Members { list, places }
    }

    pub(super) fn find(&self, name: &str) -> Option<(&'t str, &'t str)> {
        match self.places.is_empty() {
            true => self
                .list
                .iter()
                .find(|(key, _)| text::is_key(key, name))
                .copied(),
            false => self.places.get(name).map(|&place| self.list[place]),
        }
    }
}

impl Attributes {
    /// The attributes' text and their difference to the base, or `None` when nothing differs.
    ///
    /// A value counts as unchanged when its text is the loaded one, or what `JSON.stringify(JSON.parse(…))` makes of the
    /// loaded one; then the loaded text stays. What was recorded is used up.
    pub fn snapshot<L: Live>(
        &self,
        live: &L,
        max_depth: usize,
    ) -> Result<Option<Snapshot>, Unsavable> {
        match self.state.borrow_mut().splice() {
            None => {}
            spliced => return Ok(spliced),
        }
        self.long_snapshot(live, max_depth)
    }

    pub(super) fn long_snapshot<L: Live>(
        &self,
        live: &L,
        max_depth: usize,
    ) -> Result<Option<Snapshot>, Unsavable> {
        let (slots, exposed, base, mut recorded, aged) = {
            let mut state = self.state.borrow_mut();
            let Some(slots) = state.slots.clone() else {
                return Ok(None);
            };
            let (recorded, aged) = (take(&mut state.recorded), take(&mut state.aged));
            (slots, state.exposed, state.base.clone(), recorded, aged)
        };
        recorded.tidy();
        let evidence = Evidence {
            live,
            base: &base,
            recorded: &recorded,
            aged: &aged,
        };
        let taken = take_snapshot(&evidence, &slots, exposed, max_depth);
        if taken.is_err() {
            let mut state = self.state.borrow_mut();
            (state.recorded, state.aged) = (recorded, aged);
        }
        taken
    }

    /// The base's text as a snapshot without a change, for a record that has to be written all the same.
    pub fn unchanged(&self) -> Snapshot {
        let state = self.state.borrow();
        let found = |(key, value)| Found {
            key,
            value,
            place: None,
        };
        let members: Vec<_> = state.base.iter().map(found).collect();
        Snapshot::new(&members, Change::default())
    }

    /// Notes that a snapshot is being saved: what counts as changed from here on differs from its text.
    pub fn saved(&self, saved: &Snapshot) {
        let mut state = self.state.borrow_mut();
        let earlier = replace(&mut state.base, saved.base.clone());
        let Some(slots) = state.slots.take() else {
            return;
        };
        state.slots = Some(Slots::default());
        for slot in slots.iter() {
            let name = slot.name(&earlier);
            let place = state.base.find(&name);
            let holds = match (&slot.holds, place) {
                (Holds::Base(_), Some(place)) => Holds::Base(place),
                (Holds::Text(text), Some(place)) if state.base.value(place) == Some(text) => {
                    Holds::Base(place)
                }
                (Holds::Base(_), None) => continue,
                (holds, _) => holds.clone(),
            };
            state.keep(&name, holds);
        }
    }
}

fn take_snapshot<L: Live>(
    evidence: &Evidence<L>,
    slots: &Slots,
    exposed: bool,
    max_depth: usize,
) -> Result<Option<Snapshot>, Unsavable> {
    let live = evidence.live;
    let is_live = exposed || slots.iter().any(|slot| matches!(slot.holds, Holds::Live));
    let live_text = match is_live {
        true => live
            .stringify(&live.root())?
            .ok_or(Unsavable::NotAnObject)?,
        false => "{}".to_owned(),
    };
    let live_members = Members::new(object_members(&live_text, max_depth)?);
    let texts: Vec<(Cow<str>, &str)>;
    let mut members = if exposed {
        let found = |&(key, value)| Found {
            key,
            value,
            place: None,
        };
        live_members.list.iter().map(found).collect()
    } else {
        texts = engine_texts(slots, evidence.base);
        gather(slots, evidence.base, &live_members, &texts)
    };
    let change = evidence.change(&mut members)?;
    Ok((!change.is_empty()).then(|| Snapshot::new(&members, change)))
}

fn object_members(object: &str, max_depth: usize) -> Result<Vec<(&str, &str)>, Unsavable> {
    match text::scan(object, max_depth.saturating_add(1)) {
        Ok(Root::Object(members)) => {
            let piece = |range: std::ops::Range<usize>| &object[range];
            Ok(members
                .into_iter()
                .map(|m| (piece(m.key), piece(m.value)))
                .collect())
        }
        Err(Fault::TooDeep) => Err(Unsavable::TooDeep),
        Ok(_) | Err(Fault::Malformed) => Err(Unsavable::NotAnObject),
    }
}

/// The members whose texts the engine wrote itself.
fn engine_texts<'t>(slots: &'t Slots, base: &'t Base) -> Vec<(Cow<'t, str>, &'t str)> {
    let text = |slot: &'t Slot| match &slot.holds {
        Holds::Text(text) => Some((slot.key(base), &**text)),
        Holds::Base(_) | Holds::Live => None,
    };
    slots.iter().filter_map(text).collect()
}

/// Every attribute's text, in order, from where it is kept. What did not serialise (`undefined`) is left out.
fn gather<'t>(
    slots: &Slots,
    base: &'t Base,
    live: &Members<'t>,
    texts: &'t [(Cow<str>, &'t str)],
) -> Vec<Found<'t>> {
    let mut texts = texts.iter();
    let member = |slot: &Slot| {
        let (key, value) = match &slot.holds {
            Holds::Base(place) => {
                return Some(Found {
                    key: base.key(*place)?,
                    value: base.value(*place)?,
                    place: Some(*place),
                });
            }
            Holds::Text(_) => texts.next().map(|(key, text)| (&**key, *text))?,
            Holds::Live => live.find(&slot.name(base))?,
        };
        let place = None;
        Some(Found { key, value, place })
    };
    slots.iter().filter_map(member).collect()
}
