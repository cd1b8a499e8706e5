//! What one request changed, as data, and how to apply that to the text that is stored now.
//!
//! Applying a change is a pure function of it and a text. Who applies it when is the manager's matter.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::smallvec;

use super::csrf;
use super::flash::{self, Marks};
use super::object::object_text;
use super::recorded::{Expired, Name, Path};
use super::text::{self, Root};
use super::tree::{Members, Node};

/// One thing that a request did to the attributes. Values are JSON texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The path has this value, whatever is there.
    Put { path: Path, value: Arc<str> },
    /// The path has this value unless there is one that JavaScript calls true.
    Offer { path: Path, value: Arc<str> },
    /// The path is no more.
    Forget { path: Path },
    /// Flash data is no more, nor its key in the list, if its value is the one that was loaded.
    Expire { path: Path, expired: Expired },
    /// The values come last in the array.
    Push { path: Path, values: Vec<String> },
    /// This is added to the number. Where there is something else, it becomes what the request had computed.
    Increment {
        path: Path,
        by: f64,
        computed: String,
    },
    /// A value was changed in place, or is no more with `None`. Dropped where what it was changed in has gone.
    InPlace {
        path: Path,
        value: Option<String>,
        /// The path had a value when the request loaded the session.
        existed: bool,
    },
    /// The lists of flashed keys.
    Flash(Marks),
}

/// What a request changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Everything that was stored before goes first.
    pub cleared: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// The text differs in the order of its members, or in nothing else that a step could say.
    pub reordered: bool,
}

/// A stored text with a change applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebased {
    /// The new text.
    pub text: String,
    /// Changes in place were dropped, because another request removed what they were made in.
    pub has_dropped: bool,
}

impl Change {
    /// The change that puts every attribute of the object `text`.
    pub fn whole(text: &str) -> Self {
        let members = match text::scan(text, usize::MAX) {
            Ok(Root::Object(members)) => members,
            _ => Vec::new(),
        };
        let put = |member: text::Member| Step::Put {
            path: smallvec![Name::quoted(&text[member.key])],
            value: text[member.value].into(),
        };
        Change {
            steps: members.into_iter().map(put).collect(),
            ..Change::default()
        }
    }

    /// Whether the request changed nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.cleared && !self.reordered
    }

    /// This change and a later one of the same request, as one.
    pub fn then(self, later: Change) -> Change {
        if later.cleared || self.is_empty() {
            return later;
        }
        let mut both = self;
        both.steps.extend(later.steps);
        both.reordered |= later.reordered;
        both
    }

    /// Drops what must not be done twice, because it may have been stored already.
    pub fn forget_additions(&mut self) {
        let adds = |step: &Step| matches!(step, Step::Push { .. } | Step::Increment { .. });
        self.steps.retain(|step| !adds(step));
    }

    /// What `stored` becomes. An unusable `stored` counts as having no attributes.
    pub fn apply(&self, stored: &str) -> Rebased {
        let stored = match stored.starts_with('{') {
            true => Cow::Borrowed(stored),
            false => Cow::Owned(usable(stored)),
        };
        let mut members = match self.cleared {
            true => Members::default(),
            false => Node::members(&stored),
        };
        let mut has_dropped = false;
        for step in &self.steps {
            has_dropped |= !step.apply(&mut members);
        }
        let text = members.to_text();
        Rebased { text, has_dropped }
    }
}

fn usable(stored: &str) -> String {
    let object = text::scan(stored, usize::MAX).and_then(|root| object_text(stored, root));
    object.unwrap_or_else(|_| "{}".to_owned())
}

impl Step {
    /// Does it to the attributes; gives `false` when it was dropped.
    fn apply<'t>(&'t self, members: &mut Members<'t>) -> bool {
        match self {
            Step::Put { path, value } => put(members, path, value),
            Step::Offer { path, value } => {
                let present = members.at(path).map(|node| node.as_text().into_owned());
                if present.is_none_or(|present| csrf::is_falsy(present.trim())) {
                    put(members, path, value);
                }
            }
            Step::Forget { path } => members.remove_at(path),
            Step::Expire { path, expired } => {
                let present = members.at(path).map(|node| node.as_text().into_owned());
                if present.is_none() || present.as_deref() == expired.loaded.as_deref() {
                    members.remove_at(path);
                    flash::unlist(members, &expired.key);
                }
            }
            Step::Push { path, values } => push(members, path, values),
            Step::Increment { path, by, computed } => increment(members, path, *by, computed),
            Step::InPlace {
                path,
                value,
                existed,
            } => return change_in_place(members, path, value.as_deref(), *existed),
            Step::Flash(marks) => flash::merge(members, marks),
        }
        true
    }
}

fn put<'t>(members: &mut Members<'t>, path: &Path, value: &'t str) {
    if let Some(place) = members.make(path) {
        *place = Node::text(value);
    }
}

/// Appends to the array; one that is missing is made, anything else makes room for it.
fn push<'t>(members: &mut Members<'t>, path: &Path, values: &'t [String]) {
    let Some(place) = members.make(path) else {
        return;
    };
    if place.elements().is_none() {
        *place = Node::Array(Vec::new());
    }
    if let Some(elements) = place.elements() {
        elements.extend(values.iter().map(|value| Node::text(value)));
    }
}

fn increment<'t>(members: &mut Members<'t>, path: &Path, by: f64, computed: &'t str) {
    let sum = {
        let present = members.at(path).map(|node| node.as_text().into_owned());
        let present = present.as_deref().unwrap_or("null");
        let number = if present == "null" {
            Some(0.0)
        } else {
            present.parse::<f64>().ok()
        };
        number
            .map(|number| number + by)
            .filter(|sum| sum.is_finite())
    };
    if let Some(place) = members.make(path) {
        *place = match sum {
            Some(sum) => Node::Text(Cow::Owned(number_text(sum))),
            None => Node::text(computed),
        };
    }
}

/// A number as JSON text.
pub(super) fn number_text(number: f64) -> String {
    // JavaScript writes no sign before zero.
    if number == 0.0 {
        "0".to_owned()
    } else {
        number.to_string()
    }
}

/// Gives `false` when the object that it was changed in has gone, or the value itself.
fn change_in_place<'t>(
    members: &mut Members<'t>,
    path: &Path,
    value: Option<&'t str>,
    existed: bool,
) -> bool {
    let Some((_, parents)) = path.split_last() else {
        return true;
    };
    let is_there = members.at(path).is_some();
    let Some(value) = value else {
        members.remove_at(path);
        return true;
    };
    let has_parent = parents.is_empty() || members.at(parents).is_some_and(|node| node.is_object());
    if !has_parent || (existed && !is_there) {
        return false;
    }
    put(members, path, value);
    true
}

#[cfg(test)]
mod tests;
