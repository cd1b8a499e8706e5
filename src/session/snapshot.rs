//! The attributes as they stand at the end of a request: their text, and how it differs from the base.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::attributes::Attributes;
use super::base::{Base, Holds, Slot, Slots};
use super::change::{self, Change};
use super::live::{Live, Thrown};
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
}

impl From<Thrown> for Unsavable {
    fn from(_: Thrown) -> Self {
        Unsavable::Thrown
    }
}

/// What is to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The whole text, for a record that is still as it was loaded.
    pub text: String,
    /// The difference to the base, for a record that is not.
    pub change: Change,
    /// How often `flush` had been called when it was taken.
    pub flushes: u32,
}

impl Snapshot {
    /// Adds an attribute behind all others. There must be none of that name.
    pub fn append(&mut self, name: &str, value: &str) {
        let key = text::quote(name);
        let comma = if self.text.len() > 2 { "," } else { "" };
        self.text.pop();
        self.text.push_str(&format!("{comma}{key}:{value}}}"));
        self.change.set.push((key, value.to_owned()));
    }
}

/// Most members that are looked for one by one: below it, that is faster than hashing.
const FEW: usize = 16;

/// Members, to be found by their keys.
struct Members<'t> {
    list: Vec<(&'t str, &'t str)>,
    /// Where each key stands; empty while there are only a few.
    places: HashMap<Cow<'t, str>, usize>,
}

impl<'t> Members<'t> {
    fn new(list: Vec<(&'t str, &'t str)>) -> Self {
        let mut places = HashMap::new();
        if list.len() > FEW {
            let keys = list.iter().map(|(key, _)| text::decode(key));
            places.extend(keys.zip(0..));
        }
        Members { list, places }
    }

    fn find(&self, name: &str) -> Option<(&'t str, &'t str)> {
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
    /// loaded one; then the loaded text stays.
    pub fn snapshot<L: Live>(
        &self,
        live: &L,
        max_depth: usize,
    ) -> Result<Option<Snapshot>, Unsavable> {
        let (slots, exposed, flushes, cleared, base) = {
            let state = self.state.borrow();
            let cleared = state.flushes != state.saved_flushes;
            match &state.slots {
                None => return Ok(None),
                Some(slots) => (
                    slots.clone(),
                    state.exposed,
                    state.flushes,
                    cleared,
                    state.base.clone(),
                ),
            }
        };
        let is_live = exposed || slots.iter().any(|slot| matches!(slot.holds, Holds::Live));
        let live_text = match is_live {
            true => live
                .stringify(&live.root())?
                .ok_or(Unsavable::NotAnObject)?,
            false => "{}".to_owned(),
        };
        let live_members = Members::new(object_members(&live_text, max_depth)?);
        let texts: Vec<(String, String)>;
        let mut members = if exposed {
            live_members.list
        } else {
            texts = engine_texts(&slots);
            gather(&slots, &base, &live_members, &texts)
        };
        let change = difference(live, &base, &mut members, cleared)?;
        Ok((!change.is_empty()).then(|| Snapshot {
            text: change::write(&members),
            change,
            flushes,
        }))
    }

    /// The base's text as a snapshot without a change, for a record that has to be written all the same.
    pub fn unchanged(&self) -> Snapshot {
        let state = self.state.borrow();
        let members: Vec<_> = state.base.iter().collect();
        Snapshot {
            text: change::write(&members),
            change: Change::default(),
            flushes: state.flushes,
        }
    }

    /// Notes that a snapshot has been saved: what counts as changed from here on differs from its text.
    ///
    /// Whatever JavaScript did since the snapshot was taken stays done, and is still to be saved.
    pub fn saved(&self, saved: &Snapshot, max_depth: usize) {
        let Ok(base) = Base::parse(Arc::from(saved.text.as_str()), max_depth) else {
            return;
        };
        let mut state = self.state.borrow_mut();
        if let Some(slots) = state.slots.take() {
            let mut kept = Slots::default();
            for slot in slots.iter() {
                let holds = match (&slot.holds, base.find(&slot.name)) {
                    (Holds::Base(_), Some(place)) => Holds::Base(place),
                    (Holds::Text(text), Some(place)) if base.value(place) == Some(text) => {
                        Holds::Base(place)
                    }
                    (Holds::Base(_), None) => continue,
                    (holds, _) => holds.clone(),
                };
                kept.keep(slot.name.clone(), holds);
            }
            state.slots = Some(kept);
        }
        state.base = base;
        state.saved_flushes = saved.flushes;
    }
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
fn engine_texts(slots: &Slots) -> Vec<(String, String)> {
    let text = |slot: &Slot| match &slot.holds {
        Holds::Text(text) => Some((text::quote(&slot.name), text.to_string())),
        Holds::Base(_) | Holds::Live => None,
    };
    slots.iter().filter_map(text).collect()
}

/// Every attribute's text, in order, from where it is kept. What did not serialise (`undefined`) is left out.
fn gather<'t>(
    slots: &Slots,
    base: &'t Base,
    live: &Members<'t>,
    texts: &'t [(String, String)],
) -> Vec<(&'t str, &'t str)> {
    let loaded: Vec<_> = base.iter().collect();
    let mut texts = texts.iter();
    let member = |slot: &Slot| match &slot.holds {
        Holds::Base(place) => loaded.get(*place).copied(),
        Holds::Text(_) => texts
            .next()
            .map(|(key, text)| (key.as_str(), text.as_str())),
        Holds::Live => live.find(&slot.name),
    };
    slots.iter().filter_map(member).collect()
}

/// What differs from the base. Values that only look different get their loaded text back.
fn difference<'t, L: Live>(
    live: &L,
    base: &'t Base,
    members: &mut [(&'t str, &'t str)],
    cleared: bool,
) -> Result<Change, Unsavable> {
    let loaded = Members::new(base.iter().collect());
    let mut change = Change {
        cleared,
        ..Change::default()
    };
    let mut kept = 0;
    for member in members.iter_mut() {
        let earlier = loaded.find(&text::decode(member.0));
        kept += usize::from(earlier.is_some());
        match earlier {
            Some((_, value)) if same(live, value, member.1)? => member.1 = value,
            _ => change.set.push((member.0.to_owned(), member.1.to_owned())),
        }
    }
    if kept < loaded.list.len() {
        let present: HashSet<_> = members.iter().map(|(key, _)| text::decode(key)).collect();
        let gone = loaded
            .list
            .iter()
            .filter(|(key, _)| !present.contains(&text::decode(key)));
        change.removed = gone.map(|(key, _)| (*key).to_owned()).collect();
    }
    Ok(change)
}

/// Whether `new` is what JavaScript makes of the loaded value.
fn same<L: Live>(live: &L, loaded: &str, new: &str) -> Result<bool, Thrown> {
    if loaded == new {
        return Ok(true);
    }
    if text::is_canonical(loaded) {
        return Ok(false);
    }
    let rewritten = live.stringify(&live.parse(loaded)?)?;
    Ok(rewritten.is_some_and(|rewritten| rewritten == new))
}
