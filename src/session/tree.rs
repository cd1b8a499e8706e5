//! A JSON text that is being changed at paths: only the objects and arrays on the way are taken apart.
//!
//! Pure text in, pure text out. Knows nothing of sessions.

use std::borrow::Cow;
use std::collections::HashMap;

use super::object;
use super::recorded::Name;
use super::text::{self, Root};

/// How far beyond an array's end a path may write. Each skipped element is stored as `null`; a write further out is
/// ignored.
pub(super) const MAX_GAP: u32 = 1_000;

/// Most members that are looked for one by one: below it, that is faster than hashing.
const FEW: usize = 16;

/// A value: its text, or what it was taken apart into.
#[derive(Clone, Debug)]
pub(super) enum Node<'t> {
    Text(Cow<'t, str>),
    Object(Members<'t>),
    Array(Vec<Node<'t>>),
}

/// The members of an object, in order. A removed one leaves a hole, so that the places of the others stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Members<'t> {
    list: Vec<Option<(Cow<'t, str>, Node<'t>)>>,
    /// Where each name stands; empty while there are only a few.
    places: HashMap<Box<str>, usize>,
}

impl<'t> Members<'t> {
    fn place(&self, name: &Name) -> Option<usize> {
        if !self.places.is_empty() {
            return self.places.get(&*text::decode(&name.quoted)).copied();
        }
        let is_it = |member: &Option<(Cow<str>, Node)>| {
            let key = member.as_ref().map(|(key, _)| key);
            key.is_some_and(|key| is_same(key, &name.quoted))
        };
        self.list.iter().position(is_it)
    }

    pub(super) fn get(&mut self, name: &Name) -> Option<&mut Node<'t>> {
        let place = self.place(name)?;
        self.list[place].as_mut().map(|(_, node)| node)
    }

    /// Sets a member; a new one comes last.
    pub(super) fn set(&mut self, key: Cow<'t, str>, node: Node<'t>) {
        match self.place(&Name::quoted(&key)) {
            Some(place) => self.list[place] = Some((key, node)),
            None => self.append(key, node),
        }
    }

    fn append(&mut self, key: Cow<'t, str>, node: Node<'t>) {
        self.list.push(Some((key, node)));
        let from = match self.places.is_empty() {
            true if self.list.len() <= FEW => return,
            true => 0,
            false => self.list.len() - 1,
        };
        for (place, member) in self.list.iter().enumerate().skip(from) {
            if let Some((key, _)) = member {
                self.places.insert(Box::from(&*text::decode(key)), place);
            }
        }
    }

    fn remove(&mut self, name: &Name) {
        if let Some(place) = self.place(name) {
            self.list[place] = None;
            self.places.remove(&*text::decode(&name.quoted));
        }
    }

    /// Integer keys come first and by number, as JavaScript keeps them.
    fn write(&self, out: &mut String) {
        let mut members: Vec<_> = self.list.iter().flatten().collect();
        object::put_in_order(&mut members, |(key, _)| key);
        for (key, node) in members {
            if !out.ends_with('{') {
                out.push(',');
            }
            out.push_str(key);
            out.push(':');
            node.write(out);
        }
    }
}

/// Whether two JSON strings stand for the same name.
fn is_same(one: &str, other: &str) -> bool {
    let is_plain = |quoted: &str| memchr::memchr(b'\\', quoted.as_bytes()).is_none();
    one == other
        || (!(is_plain(one) && is_plain(other)) && text::decode(one) == text::decode(other))
}

impl<'t> Node<'t> {
    pub(super) fn text(value: &'t str) -> Self {
        Node::Text(Cow::Borrowed(value))
    }

    /// The members of an object's text; none for any other text.
    pub(super) fn members(object: &'t str) -> Members<'t> {
        let mut members = Members::default();
        if let Ok(Root::Object(found)) = text::scan(object, usize::MAX) {
            for member in found {
                let value = Node::text(&object[member.value]);
                members.append(Cow::Borrowed(&object[member.key]), value);
            }
        }
        members
    }

    /// Takes an object or an array apart, one level deep.
    fn open(&mut self) -> &mut Self {
        if let Node::Text(text) = self {
            let opened = match text.as_bytes().first() {
                Some(b'{' | b'[') => Some(take_apart(std::mem::take(text))),
                _ => None,
            };
            if let Some(opened) = opened {
                *self = opened;
            }
        }
        self
    }

    /// The value at a path inside this one.
    pub(super) fn at(&mut self, path: &[Name]) -> Option<&mut Node<'t>> {
        let mut node = self;
        for name in path {
            node = match node.open() {
                Node::Object(members) => members.get(name)?,
                Node::Array(elements) => elements.get_mut(place_in_array(name)?)?,
                Node::Text(_) => return None,
            };
        }
        Some(node)
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        match self {
            Node::Object(_) => true,
            Node::Text(text) => text.starts_with('{'),
            Node::Array(_) => false,
        }
    }

    /// The text of a value that has not been taken apart.
    pub(super) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Node::Text(text) => Cow::Borrowed(text),
            _ => {
                let mut out = String::new();
                self.write(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// The elements of an array.
    pub(super) fn elements(&mut self) -> Option<&mut Vec<Node<'t>>> {
        match self.open() {
            Node::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Node::Text(text) => out.push_str(text),
            Node::Object(members) => {
                out.push('{');
                members.write(out);
                out.push('}');
            }
            Node::Array(elements) => {
                out.push('[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
        }
    }
}

impl<'t> Members<'t> {
    /// The value at a path.
    pub(super) fn at(&mut self, path: &[Name]) -> Option<&mut Node<'t>> {
        let (first, rest) = path.split_first()?;
        self.get(first)?.at(rest)
    }

    /// The place of the value at a path, made with all objects and arrays on the way that are missing. What is neither
    /// makes room for one. `None` far beyond an array's end.
    pub(super) fn make(&mut self, path: &[Name]) -> Option<&mut Node<'t>> {
        let (first, rest) = path.split_first()?;
        let mut node = self.entry(first);
        for name in rest {
            if matches!(node.open(), Node::Text(_)) {
                *node = match name.is_index {
                    true => Node::Array(Vec::new()),
                    false => Node::Object(Members::default()),
                };
            }
            node = match node {
                Node::Object(members) => members.entry(name),
                Node::Array(elements) => {
                    let place = place_in_array(name)?;
                    if place > elements.len() + MAX_GAP as usize {
                        return None;
                    }
                    if place >= elements.len() {
                        elements.resize(place + 1, Node::text("null"));
                    }
                    elements.get_mut(place)?
                }
                Node::Text(_) => return None,
            };
        }
        Some(node)
    }

    fn entry(&mut self, name: &Name) -> &mut Node<'t> {
        let place = match self.place(name) {
            Some(place) => place,
            None => {
                let key = Cow::Owned(name.quoted.to_string());
                self.append(key, Node::text("null"));
                self.list.len() - 1
            }
        };
        let member = self.list[place].get_or_insert_with(|| {
            let key = Cow::Owned(name.quoted.to_string());
            (key, Node::text("null"))
        });
        &mut member.1
    }

    /// Removes the value at a path. An element of an array becomes `null`, so that the others keep their places.
    pub(super) fn remove_at(&mut self, path: &[Name]) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        if parents.is_empty() {
            return self.remove(last);
        }
        match self.at(parents).map(Node::open) {
            Some(Node::Object(members)) => members.remove(last),
            Some(Node::Array(elements)) => {
                let place = place_in_array(last);
                if let Some(element) = place.and_then(|place| elements.get_mut(place)) {
                    *element = Node::text("null");
                }
            }
            _ => {}
        }
    }

    /// The object's text.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::from("{");
        self.write(&mut out);
        out.push('}');
        out
    }
}

fn place_in_array(name: &Name) -> Option<usize> {
    text::array_index(&text::decode(&name.quoted)).map(|index| index as usize)
}

fn take_apart(container: Cow<'_, str>) -> Node<'_> {
    let piece = |range: std::ops::Range<usize>| match &container {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    };
    match text::scan(&container, usize::MAX) {
        Ok(Root::Object(found)) => {
            let mut members = Members::default();
            for member in found {
                members.append(piece(member.key), Node::Text(piece(member.value)));
            }
            Node::Object(members)
        }
        Ok(Root::Array(found)) => {
            let element = |member: text::Member| Node::Text(piece(member.value));
            Node::Array(found.into_iter().map(element).collect())
        }
        _ => Node::Text(container),
    }
}
