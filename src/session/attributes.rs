//! The attributes of one session: text until JavaScript asks for a value, live from then on.
//!
//! What JavaScript has not touched stays the JSON text that was loaded. The first time it asks for an object or an array
//! under a top-level key, that key's text is parsed once into a *live* value, which every later read gives again. Only
//! live values are serialised at the end. Knows nothing of ids, drivers or time.
//!
//! Compat: `get`, `set`, `push`, `pull`, `forget`, `flush` and `all` of `lib/store/Store.js`.

use std::cell::RefCell;
use std::sync::Arc;

use super::base::{Base, Holds, Piece, Slots, State};
use super::live::{Kind, Live, Thrown};
use super::path::Segment;
use super::text;
use super::walk::{Look, long_path};

/// How far beyond an array's end a path may write. Each skipped element is stored as `null`, and JavaScript visits them
/// one by one; a write further out is ignored, as a write into a number is.
const MAX_GAP: u32 = 1_000;

/// The key-value bag behind `req.session`.
#[derive(Debug)]
pub struct Attributes {
    pub(super) state: RefCell<State>,
}

impl Default for Attributes {
    fn default() -> Self {
        Attributes::new(Base::empty())
    }
}

impl Attributes {
    /// The attributes of `base`.
    pub fn new(base: Base) -> Self {
        Attributes {
            state: RefCell::new(State {
                base,
                slots: None,
                exposed: false,
                flushes: 0,
                saved_flushes: 0,
            }),
        }
    }

    /// Bytes of text that are kept for it.
    pub fn size(&self) -> usize {
        self.state.borrow().base.size()
    }

    /// Takes over what was loaded. An attribute that was put before is kept only where the stored session has none.
    ///
    /// Returns whether the live object was exposed before, so that [`Attributes::merge_exposed`] must follow.
    pub fn load(&self, base: Base) -> bool {
        let mut state = self.state.borrow_mut();
        let early = state.slots.take().unwrap_or_default();
        state.base = base;
        for slot in early.iter() {
            // What is only in the old base was not put, but loaded before.
            let is_put = !matches!(slot.holds, Holds::Base(_));
            if is_put && state.hold(&slot.name).is_none() {
                state.keep(&slot.name, slot.holds.clone());
            }
        }
        state.exposed
    }

    /// Moves what was loaded into the live object that JavaScript was given before the load.
    pub fn merge_exposed<L: Live>(&self, live: &L) -> Result<(), Thrown> {
        let base = self.state.borrow().base.clone();
        for (key, value) in base.iter() {
            live.define_quoted(&live.root(), key, &live.parse(value)?)?;
        }
        self.state.borrow_mut().slots = Some(Slots::default());
        Ok(())
    }

    /// The value at `key`, or `None` where JavaScript has `undefined`.
    ///
    /// A path is followed first; a key that is no path, or that runs into `undefined` or `null`, is looked up as it stands.
    pub fn get<L: Live>(&self, live: &L, key: &str) -> Result<Option<L::Value>, Thrown> {
        let (end, top) = self.look(live, key)?;
        match end {
            Look::Value(value) => Ok(Some(value)),
            Look::Missing | Look::Unreachable => Ok(None),
            Look::Text(piece) if matches!(piece.first(), b'{' | b'[') => {
                self.make_live(live, &top)?;
                self.get(live, key)
            }
            Look::Text(piece) => scalar(live, piece.as_str()).map(Some),
        }
    }

    /// Whether the value at `key` is there and not `null`.
    pub fn has<L: Live>(&self, live: &L, key: &str) -> Result<bool, Thrown> {
        Ok(match self.look(live, key)?.0 {
            Look::Missing | Look::Unreachable => false,
            Look::Text(piece) => piece.as_str() != "null",
            Look::Value(value) => live.kind(&value)? != Kind::Null,
        })
    }

    /// Sets the value at `key`, making the objects on the way that are missing.
    ///
    /// Writing into a number, a string or a boolean is ignored, as in the original.
    pub fn set<L: Live>(&self, live: &L, key: &str, value: &L::Value) -> Result<(), Thrown> {
        match long_path(key) {
            Some(path) => self.set_path(live, &path, value),
            None => self.set_top(live, key, value),
        }
    }

    /// Appends to the array at `key`, made when missing; does nothing where something else is.
    pub fn push<L: Live>(&self, live: &L, key: &str, value: &L::Value) -> Result<(), Thrown> {
        let Some(array) = self.get(live, key)? else {
            let array = live.array()?;
            live.define(&array, "0", value)?;
            return self.set(live, key, &array);
        };
        if live.kind(&array)? != Kind::Array {
            return Ok(());
        }
        let end = live.length(&array)?;
        live.define(&array, &end.to_string(), value)
    }

    /// Removes the attribute named `key` as it stands, or else what the path `key` leads to.
    pub fn forget<L: Live>(&self, live: &L, key: &str) -> Result<(), Thrown> {
        let is_top = !matches!(self.look_top(live, key)?, Look::Missing);
        let path = match long_path(key) {
            Some(path) if !is_top => path,
            _ => return self.forget_top(live, key),
        };
        if matches!(self.walk(live, &path)?, Look::Missing | Look::Unreachable) {
            return Ok(());
        }
        self.make_live(live, &path[0].name)?;
        let (last, parents) = path.split_last().expect("a path of two or more");
        match self.walk(live, parents)? {
            Look::Value(parent) => live.delete(&parent, &last.name),
            _ => Ok(()),
        }
    }

    /// Takes the value at `key` out; `None` where JavaScript has `undefined`.
    pub fn pull<L: Live>(&self, live: &L, key: &str) -> Result<Option<L::Value>, Thrown> {
        let value = self.get(live, key)?;
        if value.is_some() {
            self.forget(live, key)?;
        }
        Ok(value)
    }

    /// Drops every attribute. The caller puts a new, empty live object in the place of the old one.
    pub fn flush(&self) {
        let mut state = self.state.borrow_mut();
        state.slots = Some(Slots::default());
        state.exposed = false;
        state.flushes = state.flushes.wrapping_add(1);
    }

    /// Lets a given object of the application's be the attributes.
    pub fn adopt(&self) {
        let mut state = self.state.borrow_mut();
        state.slots = Some(Slots::default());
        state.exposed = true;
    }

    /// The object of all attributes: from now on the live object, in the place of the one before.
    pub fn expose<L: Live>(&self, live: &L) -> Result<L::Value, Thrown> {
        if self.state.borrow().exposed {
            return Ok(live.root());
        }
        let slots = self.state.borrow().slots.clone();
        let all = match slots {
            None => {
                let text = self.state.borrow().base.text.clone();
                live.parse(&text)?
            }
            Some(slots) => {
                let all = live.object()?;
                for slot in slots.iter() {
                    let piece = self.state.borrow().piece(&slot.holds);
                    let value = match piece {
                        Some(piece) => Some(live.parse(piece.as_str())?),
                        None => live.own(&live.root(), &slot.name)?,
                    };
                    if let Some(value) = value {
                        live.define(&all, &slot.name, &value)?;
                    }
                }
                all
            }
        };
        let mut state = self.state.borrow_mut();
        state.exposed = true;
        state.slots = Some(Slots::default());
        Ok(all)
    }

    /// Asks something of a top-level attribute's JSON text, for the engine's own use.
    pub(super) fn ask_text<L: Live, T>(
        &self,
        live: &L,
        name: &str,
        ask: impl FnOnce(Option<&str>) -> T,
    ) -> Result<T, Thrown> {
        {
            let state = self.state.borrow();
            let holds = state.hold(name);
            if !state.exposed && !matches!(holds, Some(Holds::Live)) {
                let piece = holds.and_then(|holds| state.piece(&holds));
                return Ok(ask(piece.as_ref().map(Piece::as_str)));
            }
        }
        let text = match live.own(&live.root(), name)? {
            Some(value) => live.stringify(&value)?,
            None => None,
        };
        Ok(ask(text.as_deref()))
    }

    /// Sets a top-level attribute to a JSON text that the engine made.
    pub(super) fn set_text<L: Live>(
        &self,
        live: &L,
        name: &str,
        text: String,
    ) -> Result<(), Thrown> {
        if self.state.borrow().exposed {
            return live.define(&live.root(), name, &live.parse(&text)?);
        }
        self.state
            .borrow_mut()
            .keep(name, Holds::Text(Arc::from(text)));
        Ok(())
    }

    fn set_top<L: Live>(&self, live: &L, name: &str, value: &L::Value) -> Result<(), Thrown> {
        live.define(&live.root(), name, value)?;
        let mut state = self.state.borrow_mut();
        if !state.exposed {
            state.keep(name, Holds::Live);
        }
        Ok(())
    }

    fn forget_top<L: Live>(&self, live: &L, name: &str) -> Result<(), Thrown> {
        live.delete(&live.root(), name)?;
        let mut state = self.state.borrow_mut();
        if !state.exposed {
            state.slots().remove(name);
        }
        Ok(())
    }

    /// Compat: `set` evaluated the path and, when that threw on a missing parent, had `util.defineMember` put an object in
    /// the place of every parent that is none. Over `null` it threw a `TypeError`.
    fn set_path<L: Live>(
        &self,
        live: &L,
        path: &[Segment],
        value: &L::Value,
    ) -> Result<(), Thrown> {
        let (last, parents) = path.split_last().expect("a path of two or more");
        self.make_live(live, &parents[0].name)?;
        match self.walk(live, parents)? {
            Look::Value(parent) => match live.kind(&parent)? {
                Kind::Array | Kind::Object => {
                    return put_member(live, &parent, &last.name, value);
                }
                Kind::Primitive => return Ok(()),
                Kind::Undefined | Kind::Null => {}
            },
            Look::Text(_) | Look::Missing | Look::Unreachable => {}
        }
        let mut at = live.root();
        for (place, segment) in parents.iter().enumerate() {
            let child = live.own(&at, &segment.name)?;
            let usable = match &child {
                Some(child) => match live.kind(child)? {
                    Kind::Null => {
                        return Err(live.refuse("cannot set a member of null in the session"));
                    }
                    kind => matches!(kind, Kind::Array | Kind::Object),
                },
                None => false,
            };
            at = match child {
                Some(child) if usable => child,
                _ => {
                    let made = if path[place + 1].is_index {
                        live.array()?
                    } else {
                        live.object()?
                    };
                    put_member(live, &at, &segment.name, &made)?;
                    made
                }
            };
        }
        let mut state = self.state.borrow_mut();
        if !state.exposed {
            state.keep(&parents[0].name, Holds::Live);
        }
        drop(state);
        put_member(live, &at, &last.name, value)
    }
}

/// Writes one member of an object or an array, never far beyond an array's end.
fn put_member<L: Live>(
    live: &L,
    on: &L::Value,
    name: &str,
    value: &L::Value,
) -> Result<(), Thrown> {
    if live.kind(on)? == Kind::Array {
        let length = live.length(on)?;
        let within = match text::array_index(name) {
            Some(index) => index <= length.saturating_add(MAX_GAP),
            None => {
                name != "length"
                    || live
                        .number_of(value)?
                        .is_some_and(|n| n <= f64::from(length) && n >= 0.0)
            }
        };
        if !within {
            return Ok(());
        }
    }
    live.define(on, name, value)
}

/// The value of a scalar's JSON text, without a parser where the text says it all.
fn scalar<L: Live>(live: &L, text: &str) -> Result<L::Value, Thrown> {
    match text.as_bytes()[0] {
        b'"' if memchr::memchr(b'\\', text.as_bytes()).is_none() => {
            live.string(&text[1..text.len() - 1])
        }
        b'-' | b'0'..=b'9' => match text.parse() {
            Ok(number) => live.number(number),
            Err(_) => live.parse(text),
        },
        _ => live.parse(text),
    }
}
