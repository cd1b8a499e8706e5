//! From what a request did and what it left behind to the steps of its change.
//!
//! What was done through the session's methods is replayed; what then still differs was changed in place.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smallvec::smallvec;

use super::base::Base;
use super::change::{Change, Step};
use super::compare::{differences, in_place};
use super::flash::{self, Aged, FLASH, Marks};
use super::live::{Live, Thrown};
use super::recorded::{Act, Name, Op, Path, Recorded};
use super::snapshot::{Found, Members};
use super::text;
use super::tree::{self, Node};

/// Everything that says what a request changed.
pub(super) struct Evidence<'a, L> {
    pub(super) live: &'a L,
    pub(super) base: &'a Base,
    pub(super) recorded: &'a Recorded,
    pub(super) aged: &'a Aged,
}

/// Most acts that are looked through one by one for those on an attribute.
const FEW: usize = 8;

/// The acts on each attribute.
struct Acts<'a> {
    ops: &'a [Op],
    by_name: HashMap<&'a str, Vec<&'a Op>>,
}

impl<'a> Acts<'a> {
    fn new(ops: &'a [Op]) -> Self {
        let mut by_name: HashMap<&str, Vec<&Op>> = HashMap::new();
        if ops.len() > FEW {
            for op in ops {
                by_name.entry(&op.path[0].quoted).or_default().push(op);
            }
        }
        Acts { ops, by_name }
    }

    fn on(&self, quoted: &str) -> Vec<&'a Op> {
        // A key that is escaped otherwise than we would escape it was never written by a method.
        if self.by_name.is_empty() {
            let is_on = |op: &&Op| &*op.path[0].quoted == quoted;
            return self.ops.iter().filter(is_on).collect();
        }
        self.by_name.get(quoted).cloned().unwrap_or_default()
    }
}

impl<L: Live> Evidence<'_, L> {
    /// What differs from the base. Values that only look different get their loaded text back in `members`.
    pub(super) fn change<'t>(&'t self, members: &mut [Found<'t>]) -> Result<Change, Thrown> {
        let acts = Acts::new(&self.recorded.ops);
        let mut change = Change {
            cleared: self.recorded.cleared,
            ..Change::default()
        };
        let mut kept = 0;
        for member in members.iter_mut() {
            if member.place.is_some() {
                kept += 1;
                continue;
            }
            let place = self.loaded(&text::decode(member.key));
            kept += usize::from(place.is_some());
            let earlier = place.and_then(|place| self.base.value(place));
            // The same lists may list what was flashed once more.
            let is_marked = !self.aged.is_empty() && text::is_key(member.key, FLASH);
            match earlier {
                Some(value) if !is_marked && self.is_same(value, member.value)? => {
                    member.value = value;
                    member.place = place;
                }
                _ => self.add(
                    &mut change,
                    &acts,
                    member.key,
                    (earlier, Some(member.value)),
                )?,
            }
        }
        if kept < self.base.len() && !self.recorded.cleared {
            self.add_removed(&mut change, &acts, members)?;
        }
        if !change.is_empty() && !acts.ops.is_empty() {
            self.add_without_effect(&mut change, &acts, members)?;
        }
        Ok(change)
    }

    /// Where an attribute stands in the base, unless that was cleared.
    fn loaded(&self, name: &str) -> Option<usize> {
        match self.recorded.cleared {
            true => None,
            false => self.base.find(name),
        }
    }

    /// Adds the steps for attributes that are no more.
    fn add_removed(
        &self,
        change: &mut Change,
        acts: &Acts,
        members: &[Found],
    ) -> Result<(), Thrown> {
        let mut is_present = vec![false; self.base.len()];
        for member in members {
            let place = member.place;
            if let Some(place) = place.or_else(|| self.base.find(&text::decode(member.key))) {
                is_present[place] = true;
            }
        }
        for (place, (key, value)) in self.base.iter().enumerate() {
            if !is_present[place] {
                self.add(change, acts, key, (Some(value), None))?;
            }
        }
        Ok(())
    }

    /// Acts that changed nothing here may still matter where another request changed the same.
    fn add_without_effect(
        &self,
        change: &mut Change,
        acts: &Acts,
        members: &[Found],
    ) -> Result<(), Thrown> {
        let list = members.iter().map(|member| (member.key, member.value));
        let present = Members::new(list.collect());
        let mut done: HashSet<&str> = HashSet::new();
        for op in acts.ops {
            let key = &*op.path[0].quoted;
            let name = text::decode(key);
            let base = self.loaded(&name).and_then(|place| self.base.value(place));
            let now = present.find(&name).map(|(_, value)| value);
            if base == now && done.insert(key) {
                self.add(change, acts, key, (base, now))?;
            }
        }
        Ok(())
    }

    /// Adds the steps for one attribute.
    fn add(
        &self,
        change: &mut Change,
        acts: &Acts,
        key: &str,
        (base, now): (Option<&str>, Option<&str>),
    ) -> Result<(), Thrown> {
        let ops = acts.on(key);
        let before = change.steps.len();
        if now.is_some()
            && text::is_key(key, FLASH)
            && let Some(marks) = Marks::between(base, now, self.aged)
        {
            if !marks.is_empty() {
                change.steps.push(Step::Flash(marks));
            }
            let own = |flash: Option<&str>| {
                let own = flash.and_then(flash::own_part);
                own.filter(|own| own != "{}")
            };
            let (base, now) = (own(base), own(now));
            if base != now {
                let ops: Vec<&Op> = ops.into_iter().filter(|op| is_own(op)).collect();
                let steps = self.steps(key, (base.as_deref(), now.as_deref()), &ops)?;
                change.steps.extend(steps);
            }
        } else {
            change.steps.extend(self.steps(key, (base, now), &ops)?);
        }
        change.reordered |= change.steps.len() == before;
        Ok(())
    }

    /// The steps that make `now` of `base`, an attribute's texts.
    fn steps(
        &self,
        key: &str,
        (base, now): (Option<&str>, Option<&str>),
        ops: &[&Op],
    ) -> Result<Vec<Step>, Thrown> {
        let path: Path = smallvec![Name::quoted(key)];
        let Some(now) = now else {
            return Ok(match (base, ops.last()) {
                (Some(_), Some(op)) if op.path.len() == 1 => vec![removal(op)],
                (Some(_), _) => vec![Step::Forget { path }],
                // It was not there before either: what was forgotten inside it says nothing of what others put beside that.
                (None, _) => ops.iter().map(|op| removal(op)).collect(),
            });
        };
        match (ops, base) {
            ([], None) => return Ok(vec![in_place(path, Some(now), false)]),
            ([], Some(base)) => return Ok(differences(path, &self.canonical(base)?, now)),
            ([op], _) if op.path.len() == 1 && op.act == Act::Put => {
                return Ok(vec![Step::Put {
                    path,
                    value: now.into(),
                }]);
            }
            _ => {}
        }
        let mut steps = replay(key, now, ops);
        let expected = outcome(key, base, &steps);
        match expected {
            Some(expected) if expected == now => {}
            Some(expected) => steps.extend(differences(path, &self.canonical(&expected)?, now)),
            None => steps.push(in_place(path, Some(now), false)),
        }
        Ok(steps)
    }

    /// A value's text as JavaScript writes it.
    fn canonical<'v>(&self, value: &'v str) -> Result<Cow<'v, str>, Thrown> {
        if text::is_canonical(value) {
            return Ok(Cow::Borrowed(value));
        }
        let rewritten = self.live.stringify(&self.live.parse(value)?)?;
        Ok(rewritten.map_or(Cow::Borrowed(value), Cow::Owned))
    }

    /// Whether `new` is what JavaScript makes of the loaded value.
    fn is_same(&self, loaded: &str, new: &str) -> Result<bool, Thrown> {
        Ok(loaded == new || (!text::is_canonical(loaded) && self.canonical(loaded)? == new))
    }
}

/// The step for an act that left nothing at its path.
fn removal(op: &Op) -> Step {
    let path = op.path.clone();
    match &op.act {
        Act::Expire(expired) => Step::Expire {
            path,
            expired: expired.clone(),
        },
        _ => Step::Forget { path },
    }
}

/// Whether an act is on a member of the application's own in the attribute of the flash data.
fn is_own(op: &Op) -> bool {
    let inner = op.path.get(1).map(|name| &*name.quoted);
    inner.is_some_and(|name| !matches!(name, "\"new\"" | "\"old\""))
}

/// The steps that do again what was done, with the values that are there now.
fn replay(key: &str, now: &str, ops: &[&Op]) -> Vec<Step> {
    let mut members = tree::Members::default();
    members.set(Cow::Borrowed(key), Node::text(now));
    let step = |op: &&Op| {
        let path = op.path.clone();
        let mut found = members.at(&path);
        let value = found.as_ref().map(|node| node.as_text().into_owned());
        Some(match (&op.act, value) {
            (Act::Put, Some(value)) => Step::Put {
                path,
                value: value.into(),
            },
            (Act::Offer, Some(value)) => Step::Offer {
                path,
                value: value.into(),
            },
            (Act::Increment(by), _) if *by == 0.0 => return None,
            (Act::Increment(by), Some(computed)) => Step::Increment {
                path,
                by: *by,
                computed,
            },
            (Act::Put | Act::Offer | Act::Increment(_) | Act::Forget | Act::Expire(_), _) => {
                removal(op)
            }
            (Act::Push(count), _) => {
                let elements = found.as_mut()?.elements()?;
                let from = elements.len().checked_sub(*count)?;
                let text = |node: &Node| node.as_text().into_owned();
                let values = elements[from..].iter().map(text).collect();
                Step::Push { path, values }
            }
        })
    };
    ops.iter().filter_map(step).collect()
}

/// What steps make of an attribute.
fn outcome(key: &str, base: Option<&str>, steps: &[Step]) -> Option<String> {
    let alone = base.map_or("{}".to_owned(), |base| format!("{{{key}:{base}}}"));
    let change = Change {
        steps: steps.to_vec(),
        ..Change::default()
    };
    let done = change.apply(&alone).text;
    text::member(&done, &text::decode(key)).map(str::to_owned)
}
