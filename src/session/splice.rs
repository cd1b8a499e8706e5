//! The short way to a snapshot, for what most requests do: attributes were put whose texts are known, and the others are as they
//! were loaded. Then the new text is the loaded one with other pieces in it, and every act is a step.
//!
//! Asks JavaScript nothing. Gives what the long way gives (`snapshot.rs`), or nothing.

use std::cell::RefCell;
use std::mem::take;
use std::sync::Arc;

use smallvec::SmallVec;

use super::base::{Base, Holds, Slot, State};
use super::change::{Change, Step};
use super::flash::FLASH;
use super::object;
use super::recorded::{Act, Op};
use super::snapshot::Snapshot;
use super::text::{self, Member};

/// Most attributes that are looked through one by one.
const FEW: usize = 16;
/// Room that is kept for the next text. Units: bytes.
const KEPT: usize = 16 << 10;

/// An attribute that was put: its place among all, and which act put it.
struct Put {
    place: usize,
    act: usize,
    text: Arc<str>,
}

impl State {
    /// The snapshot, where there is a short way to it. What was recorded is used up then.
    pub(super) fn splice(&mut self) -> Option<Snapshot> {
        let puts = self.puts()?;
        let base = spliced(&self.base, &self.recorded.ops, &puts);
        let mut ops = take(&mut self.recorded).ops;
        let step = |put: &Put| {
            let Op { path, act } = take(ops.get_mut(put.act)?);
            let value = put.text.clone();
            Some(match act {
                Act::Offer => Step::Offer { path, value },
                _ => Step::Put { path, value },
            })
        };
        let change = Change {
            steps: puts.iter().filter_map(step).collect(),
            ..Change::default()
        };
        Some(Snapshot { base, change })
    }

    /// What was put, where nothing else was done and all of it differs from what was loaded.
    fn puts(&self) -> Option<SmallVec<[Put; 4]>> {
        let is_short = !self.exposed && !self.recorded.cleared && self.aged.is_empty();
        let slots = self.slots.as_ref().filter(|_| is_short)?;
        let (base, ops) = (&self.base, &self.recorded.ops);
        if ops.is_empty() || base.len().max(ops.len()) > FEW || !is_plain(base) {
            return None;
        }
        let mut puts = SmallVec::new();
        let mut places = 0;
        for (place, slot) in slots.places().enumerate() {
            let slot = slot?;
            match &slot.holds {
                Holds::Base(held) if *held == place => {}
                Holds::Text(text) => {
                    let act = act_on(slot, base, ops)?;
                    if !is_put(slot, place, base, (&ops[act].act, text)) {
                        return None;
                    }
                    let text = text.clone();
                    puts.push(Put { place, act, text });
                }
                Holds::Base(_) | Holds::Live => return None,
            }
            places = place + 1;
        }
        (puts.len() == ops.len() && places >= base.len()).then_some(puts)
    }
}

/// Whether a text begins and ends where its members do, and JavaScript has them in the order in which they stand.
fn is_plain(base: &Base) -> bool {
    let mut at = 1;
    for (place, member) in base.members().iter().enumerate() {
        let is_next = member.key.start == at && member.value.start == member.key.end + 1;
        let key = base.key(place).unwrap_or_default();
        let is_escaped = || memchr::memchr(b'\\', key.as_bytes()).is_some();
        if !is_next || object::integer_key(key).is_some() || is_escaped() {
            return false;
        }
        at = member.value.end + 1;
    }
    base.text().len() == at.max("{}".len())
}

/// The only act on an attribute.
fn act_on(slot: &Slot, base: &Base, ops: &[Op]) -> Option<usize> {
    let is_on = |op: &Op| op.path.len() == 1 && slot.is_keyed(base, &op.path[0].quoted);
    let act = ops.iter().position(is_on)?;
    let key = &*ops[act].path[0].quoted;
    let is_usual = !text::is_key(key, FLASH) && object::integer_key(key).is_none();
    is_usual.then_some(act)
}

/// Whether an act put another text in the place of what was loaded, or beside it.
fn is_put(slot: &Slot, place: usize, base: &Base, (act, text): (&Act, &str)) -> bool {
    let Some(loaded) = base.value(place) else {
        return matches!(act, Act::Put | Act::Offer);
    };
    let is_its = base.key(place).is_some_and(|key| slot.is_keyed(base, key));
    // What only looks different is for JavaScript to tell.
    *act == Act::Put && is_its && loaded != text && text::is_canonical(loaded)
}

/// The loaded text with other pieces in it, and where its members lie.
fn spliced(base: &Base, ops: &[Op], puts: &[Put]) -> Base {
    thread_local! {
        /// A text is put together here, and copied when its length is known.
        static ROOM: RefCell<String> = const { RefCell::new(String::new()) };
    }
    ROOM.with_borrow_mut(|text| {
        text.clear();
        text.push('{');
        let mut puts = puts.iter().peekable();
        let mut members = Vec::with_capacity(base.len() + puts.len());
        // From where on the loaded text has not been copied, and how much further on it comes to lie.
        let (mut from, mut shift) = (1, 0);
        for (place, Member { key, value }) in base.members().iter().enumerate() {
            let shifted = |at: usize| at.wrapping_add_signed(shift);
            let (key, start) = (shifted(key.start)..shifted(key.end), shifted(value.start));
            let mut end = shifted(value.end);
            if let Some(put) = puts.next_if(|put| put.place == place) {
                text.push_str(&base.text()[from..value.start]);
                text.push_str(&put.text);
                from = value.end;
                end = text.len();
                shift = end.wrapping_sub(from) as isize;
            }
            let value = start..end;
            members.push(Member { key, value });
        }
        let end = base.members().last().map_or(1, |last| last.value.end);
        text.push_str(&base.text()[from..end]);
        for put in puts {
            let key = &*ops[put.act].path[0].quoted;
            members.push(object::add_last(text, (key, &put.text)));
        }
        text.push('}');
        let spliced = Base::new(Arc::from(&**text), members);
        text.shrink_to(KEPT);
        spliced
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeLive;
    use super::super::{Attributes, Live};
    use super::*;

    /// What both ways give for attributes that were loaded, and numbers that were put.
    fn both(loaded: &str, put: &[(&str, f64)]) -> (Option<Snapshot>, Option<Snapshot>) {
        let live = FakeLive::default();
        let attributes = || {
            let base = Base::parse(Arc::from(loaded), 100).unwrap();
            let attributes = Attributes::new(base);
            for (key, number) in put {
                let value = live.number(*number).unwrap();
                attributes.set(&live, key, &value).unwrap();
            }
            attributes
        };
        let short = attributes().state.borrow_mut().splice();
        let long = attributes().long_snapshot(&live, 100).unwrap();
        (short, long)
    }

    #[test]
    fn the_short_way_gives_what_the_long_way_gives() {
        let cases: [(&str, &[(&str, f64)]); 6] = [
            ("{}", &[("a", 1.0)]),
            (r#"{"a":1}"#, &[("a", 23.0)]),
            (r#"{"a":100,"b":{"a":[]},"c":3}"#, &[("c", 4.0), ("a", 5.0)]),
            (
                r#"{"a":1,"b":2}"#,
                &[("new", 1.0), ("b", 12_345.0), ("é", 3.0)],
            ),
            (r#"{"b":"}","c":{}}"#, &[("d", 1.0)]),
            (r#"{"a":1}"#, &[("a", 2.0), ("a", 3.0)]),
        ];
        for (loaded, put) in cases {
            let (short, long) = both(loaded, put);
            let (short, long) = (short.unwrap(), long.unwrap());
            assert_eq!(short, long, "{loaded} {put:?}");
        }
    }

    #[test]
    fn there_is_no_short_way_where_javascript_would_have_it_otherwise() {
        let cases: [(&str, &[(&str, f64)]); 8] = [
            (r#"{"a":1}"#, &[("a", 1.0)]),
            (r#"{"a":1.0}"#, &[("a", 1.0)]),
            (r#"{ "a":1}"#, &[("a", 2.0)]),
            (r#"{"a":1} "#, &[("a", 2.0)]),
            (r#"{"a":1,"a":2}"#, &[("a", 3.0)]),
            (r#"{"a":1}"#, &[("7", 2.0)]),
            (r#"{"b":1,"7":1}"#, &[("b", 2.0)]),
            (r#"{"\u0061":1}"#, &[("a", 2.0)]),
        ];
        for (loaded, put) in cases {
            assert_eq!(both(loaded, put).0, None, "{loaded} {put:?}");
        }
    }
}
