//! Writing at a path into the live values, making the objects and arrays on the way that are missing.
//!
//! Only writes; what was done is recorded in `attributes`.

use super::attributes::Attributes;
use super::base::Holds;
use super::live::{Kind, Live, Thrown};
use super::path::Segment;
use super::text;
use super::tree::MAX_GAP;
use super::walk::Look;

impl Attributes {
    /// Sets the value at a path; gives whether it could.
    ///
    /// Compat: `set` evaluated the path and, when that threw on a missing parent, had `util.defineMember` put an object in
    /// the place of every parent that is none. Over `null` it threw a `TypeError`.
    pub(super) fn set_path<L: Live>(
        &self,
        live: &L,
        path: &[Segment],
        value: &L::Value,
    ) -> Result<bool, Thrown> {
        let (last, parents) = path.split_last().expect("a path of two or more");
        self.make_live(live, &parents[0].name)?;
        match self.walk(live, parents)? {
            Look::Value(parent) => match live.kind(&parent)? {
                Kind::Array | Kind::Object => {
                    return put_member(live, &parent, &last.name, value);
                }
                Kind::Primitive => return Ok(false),
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

/// Writes one member of an object or an array, never far beyond an array's end. Gives whether it was written.
fn put_member<L: Live>(
    live: &L,
    on: &L::Value,
    name: &str,
    value: &L::Value,
) -> Result<bool, Thrown> {
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
            return Ok(false);
        }
    }
    live.define(on, name, value)?;
    Ok(true)
}
