//! Flash data: values kept for exactly one more request.
//!
//! The keys stand in the attribute `flash`, as `{"new":[…],"old":[…]}`. Works on attributes only. Knows nothing of
//! cookies, storage or time.
//!
//! Compat: `flash`, `reflash`, `keep` and `ageFlashData` of `lib/store/Store.js`. Lists that are no lists read as empty. A
//! `flash` attribute of the application's own that is no object stays until flash data needs its place.

use std::borrow::Cow;
use std::collections::HashSet;

use super::attributes::Attributes;
use super::live::{Live, Thrown};
use super::recorded;
use super::text::{self, Root};
use super::tree::{Members, Node};

/// The attribute that holds the lists.
pub(super) const FLASH: &str = "flash";
/// What ageing leaves in a session that had no flash data. Compat: `ageFlashData` puts `flash.old` first.
pub const AGED: &str = r#"{"old":[],"new":[]}"#;

/// The attribute while nothing is flashed.
const IDLE: [&str; 2] = [AGED, r#"{"new":[],"old":[]}"#];

/// How the attribute begins and ends while nothing is left of the request before.
const OPEN: &str = r#"{"new":["#;
const CLOSE: &str = r#"],"old":[]}"#;

/// The keys of a list as JSON texts: they need not be strings.
type Keys = Vec<String>;

/// What ageing did in a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Aged {
    /// Keys whose values were dropped.
    dropped: Keys,
    /// Keys that were flashed, or kept, in this request.
    marked: Keys,
}

/// How a request changed one list.
#[derive(Clone, Debug, Default, PartialEq)]
struct Changed {
    gone: Keys,
    added: Keys,
}

/// How a request changed the lists of flashed keys. Keys are JSON texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    new: Changed,
    old: Changed,
}

impl Aged {
    /// Whether nothing was dropped, flashed or kept.
    pub(super) fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.marked.is_empty()
    }
}

impl Marks {
    /// From the attribute's texts before and after; `None` when one of them holds no lists.
    pub(super) fn between(base: Option<&str>, now: Option<&str>, aged: &Aged) -> Option<Self> {
        let (base, now) = (Lists::parse(base)?, Lists::parse(now)?);
        let changed = |list| Changed {
            gone: without(base.keys(list), &now.keys(list)),
            added: without(now.keys(list), &base.keys(list)),
        };
        let mut marks = Marks {
            new: changed("new"),
            old: changed("old"),
        };
        // Whether a dropped key leaves the list depends on what has become of its value.
        marks.old.gone = without(marks.old.gone, &aged.dropped);
        let listed = now.keys("old");
        let marked = aged.marked.iter().filter(|key| listed.contains(key));
        marks.old.added = united(marks.old.added, marked.cloned().collect());
        Some(marks)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Marks::default()
    }
}

/// Takes a key whose value has gone off the list that is stored now.
pub(super) fn unlist(members: &mut Members<'_>, key: &str) {
    let mut gone = Marks::default();
    gone.old.gone.push(key.to_owned());
    if members.at(&recorded::top(FLASH)).is_some() {
        merge(members, &gone);
    }
}

/// Makes the same changes to the lists that are stored now.
pub(super) fn merge(members: &mut Members<'_>, marks: &Marks) {
    let path = recorded::top(FLASH);
    let mut lists = {
        let stored = members.at(&path).map(|node| node.as_text().into_owned());
        Lists::parse(stored.as_deref()).unwrap_or(Lists {
            members: Vec::new(),
        })
    };
    for (list, changed) in [("new", &marks.new), ("old", &marks.old)] {
        let keys = united(
            without(lists.keys(list), &changed.gone),
            changed.added.clone(),
        );
        lists.put(list, &keys);
    }
    if let Some(place) = members.make(&path) {
        *place = Node::Text(Cow::Owned(lists.to_text()));
    }
}

/// What of the attribute is the application's own: all but the lists.
pub(super) fn own_part(flash: &str) -> Option<String> {
    let lists = Lists::parse(Some(flash))?;
    let is_own = |(key, _): &&(String, String)| !matches!(&*text::decode(key), "new" | "old");
    let own: Vec<_> = lists.members.iter().filter(is_own).collect();
    let own: Vec<_> = own.iter().map(|(key, value)| (&**key, &**value)).collect();
    Some(super::object::write(&own))
}

/// The flash lists of a session, and the object they stand in.
struct Lists {
    /// The members of the attribute, in order: (key with quotes, value).
    members: Vec<(String, String)>,
}

impl Lists {
    /// `None` when `flash` is a value of the application's own.
    fn read<L: Live>(attributes: &Attributes, live: &L) -> Result<Option<Self>, Thrown> {
        attributes.ask_text(live, FLASH, Lists::parse)
    }

    fn parse(flash: Option<&str>) -> Option<Self> {
        let Some(flash) = flash.filter(|flash| flash.trim() != "null") else {
            return Some(Lists {
                members: Vec::new(),
            });
        };
        let Ok(Root::Object(found)) = text::scan(flash, usize::MAX) else {
            return None;
        };
        let piece = |range: &std::ops::Range<usize>| flash[range.clone()].to_owned();
        let members = found
            .iter()
            .map(|m| (piece(&m.key), piece(&m.value)))
            .collect();
        Some(Lists { members })
    }

    /// The lists to write into. A value of the application's own has to make room for them.
    fn edit<L: Live>(attributes: &Attributes, live: &L) -> Result<Self, Thrown> {
        let lists = Lists::read(attributes, live)?;
        Ok(lists.unwrap_or(Lists {
            members: Vec::new(),
        }))
    }

    fn keys(&self, list: &str) -> Keys {
        let named = |(key, _): &&(String, String)| text::decode(key) == list;
        let Some((_, value)) = self.members.iter().find(named) else {
            return Keys::new();
        };
        match text::scan(value, usize::MAX) {
            Ok(Root::Array(keys)) => keys
                .iter()
                .map(|key| value[key.value.clone()].to_owned())
                .collect(),
            _ => Keys::new(),
        }
    }

    fn put(&mut self, list: &str, keys: &Keys) {
        let value = format!("[{}]", keys.join(","));
        match self
            .members
            .iter_mut()
            .find(|(key, _)| text::decode(key) == list)
        {
            Some(member) => member.1 = value,
            None => self.members.push((text::quote(list), value)),
        }
    }

    fn to_text(&self) -> String {
        let members = self.members.iter();
        let members: Vec<_> = members.map(|(key, value)| (&**key, &**value)).collect();
        super::object::write(&members)
    }

    fn write<L: Live>(self, attributes: &Attributes, live: &L) -> Result<(), Thrown> {
        attributes.set_text(live, FLASH, self.to_text())
    }
}

/// Keeps what was just put at `key` until the end of the next request.
pub fn flash<L: Live>(attributes: &Attributes, live: &L, key: &str) -> Result<(), Thrown> {
    // Flashing many keys appends each to the list as it stands.
    let append = |flash: Option<&str>| {
        let list = flash?.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        // A bracket in a key, or another list in between, is for the careful way.
        if list.contains(']') {
            return None;
        }
        let comma = if list.is_empty() { "" } else { "," };
        Some(format!("{OPEN}{list}{comma}{}{CLOSE}", text::quote(key)))
    };
    if let Some(flash) = attributes.ask_text(live, FLASH, append)? {
        return attributes.set_text(live, FLASH, flash);
    }
    let mut lists = Lists::edit(attributes, live)?;
    let key = text::quote(key);
    let mut new = lists.keys("new");
    new.push(key.clone());
    lists.put("new", &new);
    let old = lists.keys("old");
    lists.put("old", &without(old, &[key]));
    lists.write(attributes, live)
}

/// Keeps all flash data of this request for another one.
pub fn reflash<L: Live>(attributes: &Attributes, live: &L) -> Result<(), Thrown> {
    let mut lists = Lists::edit(attributes, live)?;
    let new = united(lists.keys("new"), lists.keys("old"));
    lists.put("new", &new);
    lists.put("old", &Keys::new());
    lists.write(attributes, live)
}

/// The keys flashed so far, as JSON texts.
pub fn flashed<L: Live>(attributes: &Attributes, live: &L) -> Result<Vec<String>, Thrown> {
    let lists = Lists::read(attributes, live)?;
    Ok(lists.map(|lists| lists.keys("new")).unwrap_or_default())
}

/// Counts keys, given as JSON texts, among those flashed in this request.
pub fn add<L: Live>(attributes: &Attributes, live: &L, keys: Vec<String>) -> Result<(), Thrown> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut lists = Lists::edit(attributes, live)?;
    let new = united(lists.keys("new"), keys);
    lists.put("new", &new);
    lists.write(attributes, live)
}

/// Keeps the flash data under `keys` for another request. A key that holds nothing is listed all the same.
pub fn keep<L: Live>(attributes: &Attributes, live: &L, keys: &[String]) -> Result<(), Thrown> {
    let mut lists = Lists::edit(attributes, live)?;
    let keys: Keys = keys.iter().map(|key| text::quote(key)).collect();
    let new = united(lists.keys("new"), keys.clone());
    lists.put("new", &new);
    let old = lists.keys("old");
    lists.put("old", &without(old, &keys));
    lists.write(attributes, live)
}

/// Takes `keys` off the list of what goes at the end of this request.
pub fn remove_from_old<L: Live>(
    attributes: &Attributes,
    live: &L,
    keys: &[String],
) -> Result<(), Thrown> {
    let mut lists = Lists::edit(attributes, live)?;
    let keys: Keys = keys.iter().map(|key| text::quote(key)).collect();
    let old = lists.keys("old");
    lists.put("old", &without(old, &keys));
    lists.write(attributes, live)
}

/// Drops the data flashed in the request before this one, and marks this one's as old.
///
/// With `has_aged` that was done before in this request, so that only what was flashed since is marked. A session without
/// any flash data is left as it is.
pub fn age<L: Live>(attributes: &Attributes, live: &L, has_aged: bool) -> Result<(), Thrown> {
    // Nearly every request ends with nothing flashed, before it or by it.
    let is_idle = |flash: Option<&str>| flash.is_none_or(|flash| IDLE.contains(&flash));
    if attributes.ask_text(live, FLASH, is_idle)? {
        return Ok(());
    }
    let Some(mut lists) = Lists::read(attributes, live)? else {
        return Ok(());
    };
    let (old, new) = (lists.keys("old"), lists.keys("new"));
    if new.is_empty() && (has_aged || old.is_empty()) {
        return Ok(());
    }
    let aged = match has_aged {
        true => united(old.clone(), new.clone()),
        false => {
            for key in &old {
                attributes.expire(live, key.clone())?;
            }
            new.clone()
        }
    };
    let dropped = if has_aged { Keys::new() } else { old };
    attributes.has_aged(|done| {
        done.dropped.extend(dropped);
        done.marked.extend(new);
    });
    lists.put("old", &aged);
    lists.put("new", &Keys::new());
    lists.write(attributes, live)
}

/// Whether the session has no `flash` attribute yet.
pub fn is_absent<L: Live>(attributes: &Attributes, live: &L) -> Result<bool, Thrown> {
    attributes.ask_text(live, FLASH, |flash| flash.is_none())
}

/// Gives a session without the `flash` attribute the one that says that nothing is flashed.
pub fn begin<L: Live>(attributes: &Attributes, live: &L) -> Result<(), Thrown> {
    attributes.set_text(live, FLASH, AGED.to_owned())
}

fn without(keys: Keys, unwanted: &[String]) -> Keys {
    let unwanted: HashSet<&String> = unwanted.iter().collect();
    keys.into_iter()
        .filter(|key| !unwanted.contains(key))
        .collect()
}

/// Both lists, each key once, where it first stands.
fn united(first: Keys, second: Keys) -> Keys {
    let mut seen = HashSet::new();
    let both = first.into_iter().chain(second);
    both.filter(|key| seen.insert(key.clone())).collect()
}
