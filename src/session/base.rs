//! What an attribute's value is kept in: the text that was loaded, a text of the engine's, or the live object.
//!
//! Only says where things are; what may be done with them is said in `attributes`.

use std::rc::Rc;
use std::sync::Arc;

use super::change::object_text;
use super::text::{self, Fault, Member, Root};

/// The text a session was loaded with, and where its members lie.
#[derive(Clone, Debug)]
pub struct Base {
    pub(super) text: Arc<str>,
    members: Vec<Member>,
}

impl Base {
    /// A base without attributes.
    pub fn empty() -> Self {
        Base {
            text: Arc::from("{}"),
            members: Vec::new(),
        }
    }

    /// Checks a stored text and finds its members.
    ///
    /// `max_depth` bounds the nesting of arrays and objects within one attribute.
    pub fn parse(stored: Arc<str>, max_depth: usize) -> Result<Self, Fault> {
        let depth = max_depth.saturating_add(1);
        let text = match object_text(&stored, depth)? {
            Some(rewritten) => Arc::from(rewritten),
            None => stored,
        };
        match text::scan(&text, depth)? {
            Root::Object(members) => Ok(Base { text, members }),
            _ => Err(Fault::Malformed),
        }
    }

    /// The members as (key with quotes, value), in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let piece = |range: &std::ops::Range<usize>| &self.text[range.clone()];
        self.members
            .iter()
            .map(move |m| (piece(&m.key), piece(&m.value)))
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.iter().position(|(key, _)| text::is_key(key, name))
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

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) name: Rc<str>,
    pub(super) holds: Holds,
}

/// The state behind [`Attributes`].
#[derive(Debug)]
pub(super) struct State {
    pub(super) base: Base,
    /// The attributes in order; `None` while they are exactly the base's.
    pub(super) slots: Option<Vec<Slot>>,
    /// JavaScript has the live object itself (`all()`), so that alone says which attributes there are.
    pub(super) exposed: bool,
    /// Everything loaded was thrown away by `flush`.
    pub(super) flushed: bool,
}

impl State {
    pub(super) fn hold(&self, name: &str) -> Option<Holds> {
        match &self.slots {
            None => self.base.find(name).map(Holds::Base),
            Some(slots) => {
                let slot = slots.iter().find(|slot| *slot.name == *name)?;
                Some(slot.holds.clone())
            }
        }
    }

    pub(super) fn piece(&self, holds: &Holds) -> Option<Piece> {
        match holds {
            Holds::Base(place) => {
                let range = self.base.members.get(*place)?.value.clone();
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

    /// The slots, made from the base when they are first needed.
    pub(super) fn slots(&mut self) -> &mut Vec<Slot> {
        let base = &self.base;
        self.slots.get_or_insert_with(|| {
            let slot = |(place, (key, _)): (usize, (&str, &str))| Slot {
                name: Rc::from(&*text::decode(key)),
                holds: Holds::Base(place),
            };
            base.iter().enumerate().map(slot).collect()
        })
    }

    /// Notes where `name` is kept from now on; a new name comes last.
    pub(super) fn keep(&mut self, name: &str, holds: Holds) {
        let slots = self.slots();
        match slots.iter_mut().find(|slot| *slot.name == *name) {
            Some(slot) => slot.holds = holds,
            None => slots.push(Slot {
                name: Rc::from(name),
                holds,
            }),
        }
    }
}
