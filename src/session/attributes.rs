//! The attributes of one session: text until JavaScript asks for a value, live from then on.
//!
//! What JavaScript has not touched stays the JSON text that was loaded. The first time it asks for an object or an array
//! under a top-level key, that key's text is parsed once into a *live* value, which every later read gives again. Only
//! live values are serialised at the end. Knows nothing of ids, drivers or time.
//!
//! Compat: `get`, `set`, `push`, `pull`, `forget`, `flush` and `all` of `lib/store/Store.js`.

use std::cell::RefCell;
use std::mem::replace;
use std::sync::Arc;

use super::base::{Base, Holds, Piece, Slots, State};
use super::flash::Aged;
use super::live::{Kind, Live, Thrown};
use super::path::Segment;
use super::recorded::{self, Act, Expired, Name, Path, Recorded};
use super::text;
use super::tree::Node;
use super::walk::{Look, long_path};

/// What incrementing gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sum<V> {
    /// The sum.
    Is(V),
    /// Nothing was done; says why.
    Refused(&'static str),
}

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
                recorded: Recorded::default(),
                aged: Aged::default(),
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
        state.recorded.cleared = false;
        state
            .recorded
            .ops
            .retain(|op| base.find(&text::decode(&op.path[0].quoted)).is_none());
        let earlier = replace(&mut state.base, base);
        for slot in early.iter() {
            // What is only in the old base was not put, but loaded before.
            let is_put = !matches!(slot.holds, Holds::Base(_));
            let name = slot.name(&earlier);
            if is_put && state.hold(&name).is_none() {
                state.keep(&name, slot.holds.clone());
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
            Some(path) => {
                if self.set_path(live, &path, value)? {
                    self.record(names(&path), Act::Put);
                }
            }
            None => {
                self.set_top(live, key, value)?;
                self.record(recorded::top(key), Act::Put);
            }
        }
        Ok(())
    }

    fn record(&self, path: Path, act: Act) {
        self.state.borrow_mut().recorded.add(path, act);
    }

    /// Appends to the array at `key`, made when missing; does nothing where something else is.
    pub fn push<L: Live>(&self, live: &L, key: &str, value: &L::Value) -> Result<(), Thrown> {
        let pushed = match self.get(live, key)? {
            None => {
                let array = live.array()?;
                live.define(&array, "0", value)?;
                self.set_unrecorded(live, key, &array)?
            }
            Some(array) if live.kind(&array)? == Kind::Array => {
                let end = live.length(&array)?;
                live.define(&array, &end.to_string(), value)?;
                true
            }
            Some(_) => false,
        };
        if pushed {
            let path = self.resolve(live, key)?;
            self.record(path, Act::Push(1));
        }
        Ok(())
    }

    /// Adds `by` to the number at `key`, where nothing and `null` count as 0.
    pub fn increment<L: Live>(
        &self,
        live: &L,
        key: &str,
        by: f64,
    ) -> Result<Sum<L::Value>, Thrown> {
        let present = self.get(live, key)?;
        let number = match &present {
            None => Some(0.0),
            Some(value) if live.kind(value)? == Kind::Null => Some(0.0),
            Some(value) => live.number_of(value)?,
        };
        let Some(number) = number else {
            let refused = "only a number can be incremented in the session";
            return Ok(Sum::Refused(refused));
        };
        let sum = number + by;
        if !sum.is_finite() {
            let refused = "a sum in the session must be a finite number";
            return Ok(Sum::Refused(refused));
        }
        let value = live.number(sum)?;
        if self.set_unrecorded(live, key, &value)? {
            let path = self.resolve(live, key)?;
            self.record(path, Act::Increment(by));
        }
        Ok(Sum::Is(value))
    }

    fn set_unrecorded<L: Live>(
        &self,
        live: &L,
        key: &str,
        value: &L::Value,
    ) -> Result<bool, Thrown> {
        match long_path(key) {
            Some(path) => self.set_path(live, &path, value),
            None => self.set_top(live, key, value).map(|()| true),
        }
    }

    /// Removes the attribute named `key` as it stands, or else what the path `key` leads to.
    pub fn forget<L: Live>(&self, live: &L, key: &str) -> Result<(), Thrown> {
        let path = self.remove(live, key)?;
        self.record(path, Act::Forget);
        Ok(())
    }

    /// The same for a value that was flashed one request ago, by its key as the lists have it.
    pub(super) fn expire<L: Live>(&self, live: &L, key: String) -> Result<(), Thrown> {
        let path = self.remove(live, &text::decode(&key))?;
        let loaded = {
            let state = self.state.borrow();
            let place = state.base.find(&text::decode(&path[0].quoted));
            let value = place.and_then(|place| state.base.value(place));
            let mut node = value.map(Node::text);
            let found = node.as_mut().and_then(|node| node.at(&path[1..]));
            found.map(|value| Box::from(&*value.as_text()))
        };
        self.record(path, Act::Expire(Expired { key, loaded }));
        Ok(())
    }

    /// Notes what ageing did to the flash data.
    pub(super) fn has_aged(&self, note: impl FnOnce(&mut Aged)) {
        note(&mut self.state.borrow_mut().aged);
    }

    /// Where `key` leads: to an attribute of that name, or else along the path.
    fn resolve<L: Live>(&self, live: &L, key: &str) -> Result<Path, Thrown> {
        Ok(match long_path(key) {
            Some(path) if !matches!(self.walk(live, &path)?, Look::Unreachable) => names(&path),
            _ => recorded::top(key),
        })
    }

    /// Removes what `forget` removes; gives where it was.
    fn remove<L: Live>(&self, live: &L, key: &str) -> Result<Path, Thrown> {
        let is_top = !matches!(self.look_top(live, key)?, Look::Missing);
        let path = match long_path(key) {
            Some(path) if !is_top => path,
            _ => {
                self.forget_top(live, key)?;
                return Ok(recorded::top(key));
            }
        };
        if matches!(self.walk(live, &path)?, Look::Missing | Look::Unreachable) {
            return Ok(names(&path));
        }
        self.make_live(live, &path[0].name)?;
        let (last, parents) = path.split_last().expect("a path of two or more");
        if let Look::Value(parent) = self.walk(live, parents)? {
            live.delete(&parent, &last.name)?;
        }
        Ok(names(&path))
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
        state.recorded.clear();
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
        let (slots, base) = {
            let state = self.state.borrow();
            (state.slots.clone(), state.base.clone())
        };
        let all = match slots {
            None => {
                let text = self.state.borrow().base.text.clone();
                live.parse(&text)?
            }
            Some(slots) => {
                let all = live.object()?;
                for slot in slots.iter() {
                    let name = slot.name(&base);
                    let piece = self.state.borrow().piece(&slot.holds);
                    let value = match piece {
                        Some(piece) => Some(live.parse(piece.as_str())?),
                        None => live.own(&live.root(), &name)?,
                    };
                    if let Some(value) = value {
                        live.define(&all, &name, &value)?;
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

    /// Puts a JSON text that the engine made, and notes how.
    pub(super) fn put_text<L: Live>(
        &self,
        live: &L,
        name: &str,
        text: String,
        act: Act,
    ) -> Result<(), Thrown> {
        self.set_text(live, name, text)?;
        self.record(recorded::top(name), act);
        Ok(())
    }

    fn set_top<L: Live>(&self, live: &L, name: &str, value: &L::Value) -> Result<(), Thrown> {
        if self.set_plain(live, name, value) {
            return Ok(());
        }
        live.define(&live.root(), name, value)?;
        let mut state = self.state.borrow_mut();
        if !state.exposed {
            state.keep(name, Holds::Live);
        }
        Ok(())
    }

    /// Sets an attribute to a value that is all in its text, unless JavaScript has an object in its place.
    fn set_plain<L: Live>(&self, live: &L, name: &str, value: &L::Value) -> bool {
        let is_live =
            |state: &State| state.exposed || matches!(state.hold(name), Some(Holds::Live));
        if is_live(&self.state.borrow()) {
            return false;
        }
        let Some(text) = live.text_of(value) else {
            return false;
        };
        let mut state = self.state.borrow_mut();
        state.keep(name, Holds::Text(text));
        true
    }

    fn forget_top<L: Live>(&self, live: &L, name: &str) -> Result<(), Thrown> {
        live.delete(&live.root(), name)?;
        let mut state = self.state.borrow_mut();
        if !state.exposed {
            state.remove(name);
        }
        Ok(())
    }
}

/// The names on a path.
fn names(path: &[Segment]) -> Path {
    path.iter().map(Name::from).collect()
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
