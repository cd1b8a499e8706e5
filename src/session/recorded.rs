//! What a request did through the session's methods, each with its path, in order.
//!
//! Only remembers; the values are read at the end of the request, when `snapshot` makes a change of it.

use std::collections::{HashMap, HashSet};

use smallvec::{SmallVec, smallvec};

use super::path::Segment;
use super::text;

/// One name on a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The name as a JSON string, with its quotes.
    pub quoted: Box<str>,
    /// Written as `[n]`: a parent that is missing is made an array.
    pub is_index: bool,
}

impl Name {
    pub(super) fn new(name: &str) -> Self {
        let quoted = text::quote(name).into_boxed_str();
        let is_index = false;
        Name { quoted, is_index }
    }

    /// The name that a JSON string stands for.
    pub(super) fn quoted(key: &str) -> Self {
        let is_index = false;
        let quoted = Box::from(key);
        Name { quoted, is_index }
    }
}

impl From<&Segment<'_>> for Name {
    fn from(segment: &Segment) -> Self {
        let is_index = segment.is_index;
        let quoted = text::quote(&segment.name).into_boxed_str();
        Name { quoted, is_index }
    }
}

/// Where a value is: the name of an attribute, then names inside it.
pub type Path = SmallVec<[Name; 1]>;

/// The path of one attribute.
pub(super) fn top(name: &str) -> Path {
    smallvec![Name::new(name)]
}

/// What was done at a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Act {
    /// A value was put.
    #[default]
    Put,
    /// A value was put by the engine, which yields to one that another request stored.
    Offer,
    /// The value was removed.
    Forget,
    /// The value went because it was flashed one request ago.
    Expire(Expired),
    /// This many values were appended to the array.
    Push(usize),
    /// This was added to the number.
    Increment(f64),
}

/// Flash data whose time was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its key as the lists have it, a JSON text.
    pub(super) key: String,
    /// Its value as it was loaded.
    pub(super) loaded: Option<Box<str>>,
}

/// One thing that was done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Op {
    pub(super) path: Path,
    pub(super) act: Act,
}

/// All that was done, without what later acts made meaningless.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) ops: SmallVec<[Op; 1]>,
    /// Everything that was stored before goes first.
    pub(super) cleared: bool,
    /// How many acts are kept before they are tidied again.
    limit: usize,
}

/// Least number of acts that are worth tidying before the end of the request.
const MANY: usize = 64;

impl Recorded {
    /// Notes that something was done.
    pub(super) fn add(&mut self, path: Path, act: Act) {
        if let Some(last) = self.ops.last_mut().filter(|last| last.path == path) {
            match (&mut last.act, &act) {
                (Act::Push(some), Act::Push(more)) => return *some += more,
                (Act::Increment(some), Act::Increment(more)) => return *some += more,
                (Act::Put, Act::Put | Act::Push(_) | Act::Increment(_)) => return,
                _ => {}
            }
        }
        self.ops.push(Op { path, act });
        if self.ops.len() > self.limit.max(MANY) {
            self.tidy();
            self.limit = 2 * self.ops.len();
        }
    }

    /// Notes that everything was dropped.
    pub(super) fn clear(&mut self) {
        self.ops.clear();
        self.cleared = true;
    }

    /// Drops acts that later ones undo, and those inside a value that is stored whole.
    pub(super) fn tidy(&mut self) {
        if self.ops.len() < 2 {
            return;
        }
        let is_undone = undone(&self.ops);
        let mut at = 0..;
        self.ops
            .retain(|_| !is_undone[at.next().unwrap_or_default()]);
        self.unite();
    }

    /// Drops acts inside a value that was put before them, and joins those that add up.
    fn unite(&mut self) {
        let mut put: HashSet<Path> = HashSet::new();
        let mut adding: HashMap<Path, usize> = HashMap::new();
        let mut kept: SmallVec<[Op; 1]> = SmallVec::with_capacity(self.ops.len());
        for op in self.ops.drain(..) {
            if is_within(&op.path, |outer| put.contains(outer)) {
                continue;
            }
            let earlier = adding.get(&op.path).and_then(|&place| kept.get_mut(place));
            match (earlier.map(|earlier| &mut earlier.act), &op.act) {
                (Some(Act::Push(some)), Act::Push(more)) => *some += more,
                (Some(Act::Increment(some)), Act::Increment(more)) => *some += more,
                _ => {
                    match op.act {
                        Act::Put => {
                            put.insert(op.path.clone());
                        }
                        Act::Push(_) | Act::Increment(_) => {
                            adding.insert(op.path.clone(), kept.len());
                        }
                        _ => {}
                    }
                    kept.push(op);
                }
            }
        }
        self.ops = kept;
    }
}

/// Which acts a later one undoes, because it replaces or removes what they did.
fn undone(ops: &[Op]) -> Vec<bool> {
    let mut later: HashSet<&[Name]> = HashSet::new();
    let mut is_undone = vec![false; ops.len()];
    for (place, op) in ops.iter().enumerate().rev() {
        is_undone[place] = is_within(&op.path, |outer| later.contains(outer));
        if matches!(op.act, Act::Put | Act::Forget | Act::Expire(_)) {
            later.insert(&op.path);
        }
    }
    is_undone
}

/// Whether a path is one of some others, or inside one.
fn is_within(path: &[Name], is_one: impl Fn(&[Name]) -> bool) -> bool {
    (1..=path.len()).any(|length| is_one(&path[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &str) -> Path {
        names.split('.').map(Name::new).collect()
    }

    fn tidied(acts: &[(&str, Act)]) -> Vec<(Path, Act)> {
        let mut recorded = Recorded::default();
        for (names, act) in acts {
            recorded.add(path(names), act.clone());
        }
        recorded.tidy();
        recorded
            .ops
            .into_iter()
            .map(|op| (op.path, op.act))
            .collect()
    }

    #[test]
    fn what_a_later_act_undoes_is_dropped() {
        let acts = [
            ("user.name", Act::Put),
            ("n", Act::Increment(1.0)),
            ("user", Act::Forget),
            ("n", Act::Put),
        ];
        let left = [(path("user"), Act::Forget), (path("n"), Act::Put)];
        assert_eq!(tidied(&acts), left);
    }

    #[test]
    fn what_is_inside_a_value_stored_whole_is_dropped() {
        let acts = [
            ("user", Act::Put),
            ("user.name", Act::Put),
            ("user.old", Act::Forget),
            ("user.list", Act::Push(1)),
        ];
        assert_eq!(tidied(&acts), [(path("user"), Act::Put)]);
    }

    #[test]
    fn what_adds_up_is_joined() {
        let acts = [
            ("list", Act::Push(1)),
            ("n", Act::Increment(2.0)),
            ("list", Act::Push(2)),
            ("n", Act::Increment(-1.0)),
        ];
        let left = [
            (path("list"), Act::Push(3)),
            (path("n"), Act::Increment(1.0)),
        ];
        assert_eq!(tidied(&acts), left);
    }

    #[test]
    fn a_value_put_after_its_parent_went_stays() {
        let acts = [("user", Act::Forget), ("user.name", Act::Put)];
        let left = acts.clone().map(|(names, act)| (path(names), act));
        assert_eq!(tidied(&acts), left);
    }

    #[test]
    fn many_acts_on_few_paths_take_little_room() {
        let mut recorded = Recorded::default();
        for turn in 0..100_000 {
            recorded.add(path(["a", "b.c", "d"][turn % 3]), Act::Put);
        }
        assert!(recorded.ops.len() <= 2 * MANY);
    }
}
