//! What an attribute's value is kept in: the text that was loaded, a text of the engine's, or the live object.
//!
//! Only says where things are; what may be done with them is said in `attributes`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::flash::Aged;
use super::object::{self, object_text};
use super::recorded::Recorded;
use super::text::{self, Fault, Member, Root};

/// The text a session was loaded with, and where its members lie. Clones share both.
#[derive(Clone, Debug)]
pub struct Base {
    pub(super) text: Arc<str>,
    layout: Rc<Layout>,
}

#[derive(Debug, Default)]
struct Layout {
    members: Vec<Member>,
    /// Where each name stands; made when there are more than a few and one is looked for.
    places: OnceCell<HashMap<Box<str>, usize>>,
}

impl PartialEq for Base {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.members() == other.members()
    }
}

impl Base {
    /// A base without attributes.
    pub fn empty() -> Self {
        thread_local! {
            static EMPTY: Base = Base::new(Arc::from("{}"), Vec::new());
        }
        EMPTY.with(Base::clone)
    }

    /// A text that is known to be in order, with its members.
    pub(super) fn new(text: Arc<str>, members: Vec<Member>) -> Self {
        let places = OnceCell::new();
        let layout = Rc::new(Layout { members, places });
        Base { text, layout }
    }

    /// Checks a stored text and finds its members.
    ///
    /// `max_depth` bounds the nesting of arrays and objects within one attribute.
    pub fn parse(stored: Arc<str>, max_depth: usize) -> Result<Self, Fault> {
        let depth = max_depth.saturating_add(1);
        let root = text::scan(&stored, depth)?;
        if let Root::Object(members) = root {
            return Ok(Base::new(stored, members));
        }
        let object: Arc<str> = Arc::from(object_text(&stored, root)?);
        match text::scan(&object, depth)? {
            Root::Object(members) => Ok(Base::new(object, members)),
            _ => Err(Fault::Malformed),
        }
    }

    /// Whether this is the base of a stored text.
    pub fn is_of(&self, text: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.text, text) || self.text == *text
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The same with one member more, the last. There must be none of that name.
    pub(super) fn with_last(&self, member: (&str, &str)) -> Self {
        let mut text = String::with_capacity(self.text.len() + member.0.len() + member.1.len() + 2);
        text.push_str(self.text.strip_suffix('}').unwrap_or(&self.text));
        let mut members = self.layout.members.clone();
        members.push(object::add_last(&mut text, member));
        text.push('}');
        Base::new(Arc::from(text), members)
    }

    /// Where the members lie.
    pub(super) fn members(&self) -> &[Member] {
        &self.layout.members
    }

    /// How many members it has.
    pub(super) fn len(&self) -> usize {
        self.layout.members.len()
    }

    /// The key at a place, with its quotes.
    pub(super) fn key(&self, place: usize) -> Option<&str> {
        let member = self.layout.members.get(place);
        member.map(|member| &self.text[member.key.clone()])
    }

    /// Bytes of its text.
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// The members as (key with quotes, value), in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let piece = |range: &std::ops::Range<usize>| &self.text[range.clone()];
        let members = self.layout.members.iter();
        members.map(move |m| (piece(&m.key), piece(&m.value)))
    }

    /// Where the value at a place lies.
    pub(super) fn range(&self, place: usize) -> Option<std::ops::Range<usize>> {
        self.layout
            .members
            .get(place)
            .map(|member| member.value.clone())
    }

    /// The text of the value at a place.
    pub(super) fn value(&self, place: usize) -> Option<&str> {
        self.range(place).map(|range| &self.text[range])
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        if self.layout.members.len() <= FEW {
            return self.iter().position(|(key, _)| text::is_key(key, name));
        }
        let names = || self.iter().map(|(key, _)| Box::from(&*text::decode(key)));
        let places = self
            .layout
            .places
            .get_or_init(|| names().zip(0..).collect());
        places.get(name).copied()
    }
}

/// A slice of a shared text.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    text: Arc<str>,
    start: usize,
    end: usize,
}

impl Piece {
    pub(super) fn whole(text: &Arc<str>) -> Self {
        let end = text.len();
        Piece {
            text: text.clone(),
            start: 0,
            end,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text[self.start..self.end]
    }

    pub(super) fn first(&self) -> u8 {
        self.text.as_bytes()[self.start]
    }

    /// The member `name` of the object that this piece is.
    pub(super) fn member(&self, name: &str) -> Option<Piece> {
        let found = text::member(self.as_str(), name)?;
        let start = self.start + (found.as_ptr() as usize - self.as_str().as_ptr() as usize);
        Some(Piece {
            text: self.text.clone(),
            start,
            end: start + found.len(),
        })
    }
}

/// Where an attribute's value is kept now.
#[derive(Clone, Debug)]
pub(super) enum Holds {
    /// In the base, at this place.
    Base(usize),
    /// In a text that the engine wrote.
    Text(Arc<str>),
    /// In the live object.
    Live,
}

/// What an attribute is called.
#[derive(Clone, Debug)]
enum Label {
    /// As the member of the base at this place.
    Base(usize),
    Own(Rc<str>),
}

/// One attribute: its name, and where its value is kept.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    label: Label,
    pub(super) holds: Holds,
}

impl Slot {
    pub(super) fn name<'s>(&'s self, base: &'s Base) -> Cow<'s, str> {
        match &self.label {
            Label::Base(place) => text::decode(base.key(*place).unwrap_or_default()),
            Label::Own(name) => Cow::Borrowed(name),
        }
    }

    /// The name as a JSON string with its quotes, as `JSON.stringify` writes it.
    pub(super) fn key<'s>(&'s self, base: &'s Base) -> Cow<'s, str> {
        let stored = match &self.label {
            Label::Base(place) => base.key(*place),
            Label::Own(_) => None,
        };
        // One without escapes is written in one way only.
        match stored.filter(|key| memchr::memchr(b'\\', key.as_bytes()).is_none()) {
            Some(key) => Cow::Borrowed(key),
            None => Cow::Owned(text::quote(&self.name(base))),
        }
    }

    /// Whether it is the attribute that a key with its quotes names, where that is written as `JSON.stringify` does.
    pub(super) fn is_keyed(&self, base: &Base, key: &str) -> bool {
        match &self.label {
            Label::Base(place) => base.key(*place) == Some(key),
            Label::Own(own) => text::is_key(key, own),
        }
    }

    fn is_named(&self, base: &Base, name: &str) -> bool {
        match &self.label {
            Label::Base(place) => base.key(*place).is_some_and(|key| text::is_key(key, name)),
            Label::Own(own) => **own == *name,
        }
    }
}

/// Most names that are looked for one by one: below it, that is faster than hashing.
const FEW: usize = 32;

/// The attributes in order. A removed one leaves a hole, so that the places of the others stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    list: Vec<Option<Slot>>,
    /// Where each name stands; made when there are more than a few.
    places: HashMap<Rc<str>, usize>,
}

impl Slots {
    /// The attributes exactly as they are in the base.
    fn of(base: &Base) -> Self {
        let slot = |place| {
            Some(Slot {
                label: Label::Base(place),
                holds: Holds::Base(place),
            })
        };
        let mut slots = Slots {
            list: (0..base.len()).map(slot).collect(),
            places: HashMap::new(),
        };
        slots.index_from(0, base);
        slots
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.list.iter().flatten()
    }

    /// The same with the holes.
    pub(super) fn places(&self) -> impl Iterator<Item = Option<&Slot>> {
        self.list.iter().map(Option::as_ref)
    }

    fn place(&self, base: &Base, name: &str) -> Option<usize> {
        let named =
            |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.is_named(base, name));
        match self.places.is_empty() {
            true => self.list.iter().position(named),
            false => self.places.get(name).copied(),
        }
    }

    fn find(&self, base: &Base, name: &str) -> Option<&Slot> {
        let place = self.place(base, name);
        place.and_then(|place| self.list[place].as_ref())
    }

    /// Notes where `name` is kept from now on; a new name comes last.
    pub(super) fn keep(&mut self, base: &Base, name: &str, holds: Holds) {
        if let Some(place) = self.place(base, name) {
            if let Some(slot) = &mut self.list[place] {
                slot.holds = holds;
            }
            return;
        }
        let label = Label::Own(Rc::from(name));
        self.list.push(Some(Slot { label, holds }));
        let last = self.list.len() - 1;
        let from = if self.places.is_empty() { 0 } else { last };
        self.index_from(from, base);
    }

    fn remove(&mut self, base: &Base, name: &str) {
        if let Some(place) = self.place(base, name) {
            self.list[place] = None;
            self.places.remove(name);
        }
    }

    fn index_from(&mut self, from: usize, base: &Base) {
        if self.list.len() <= FEW {
            return;
        }
        for (place, slot) in self.list.iter().enumerate().skip(from) {
            if let Some(slot) = slot {
                self.places.insert(Rc::from(&*slot.name(base)), place);
            }
        }
    }
}

/// The state behind `Attributes`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) base: Base,
    /// The attributes in order; `None` while they are exactly the base's.
    pub(super) slots: Option<Slots>,
    /// JavaScript has the live object itself (`all()`), so that alone says which attributes there are.
    pub(super) exposed: bool,
    /// What was done through the session's methods since the attributes were loaded or last saved.
    pub(super) recorded: Recorded,
    /// What ageing did to the flash data since then.
    pub(super) aged: Aged,
}

impl State {
    pub(super) fn hold(&self, name: &str) -> Option<Holds> {
        match &self.slots {
            None => self.base.find(name).map(Holds::Base),
            Some(slots) => slots.find(&self.base, name).map(|slot| slot.holds.clone()),
        }
    }

    pub(super) fn piece(&self, holds: &Holds) -> Option<Piece> {
        match holds {
            Holds::Base(place) => {
                let range = self.base.range(*place)?;
                let text = self.base.text.clone();
                Some(Piece {
                    text,
                    start: range.start,
                    end: range.end,
                })
            }
            Holds::Text(text) => Some(Piece::whole(text)),
            Holds::Live => None,
        }
    }

    /// Notes where `name` is kept from now on; a new name comes last.
    pub(super) fn keep(&mut self, name: &str, holds: Holds) {
        let base = &self.base;
        let slots = self.slots.get_or_insert_with(|| Slots::of(base));
        slots.keep(base, name, holds);
    }

    /// Notes that there is no attribute `name` any more.
    pub(super) fn remove(&mut self, name: &str) {
        let base = &self.base;
        let slots = self.slots.get_or_insert_with(|| Slots::of(base));
        slots.remove(base, name);
    }
}
