//! Following a key to its value: through the text as long as it leads through objects, through live values from then on.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::base::{Holds, Piece};
use super::live::{Kind, Live, Thrown};
use super::path::{self, Segment, Segments};

/// Where a path ends.
pub(super) enum Look<V> {
    /// At a value in a text.
    Text(Piece),
    /// At a live value.
    Value(V),
    /// At a member that is not there.
    Missing,
    /// Before its end, at `undefined` or `null`: the original threw there, and fell back to the flat key.
    Unreachable,
}

impl Attributes {
    /// Where `key` leads, and the name of the top-level attribute it leads through.
    pub(super) fn look<'k, L: Live>(
        &self,
        live: &L,
        key: &'k str,
    ) -> Result<(Look<L::Value>, Cow<'k, str>), Thrown> {
        if let Some(mut path) = long_path(key) {
            let end = self.walk(live, &path)?;
            if !matches!(end, Look::Unreachable) {
                return Ok((end, path.swap_remove(0).name));
            }
        }
        Ok((self.look_top(live, key)?, Cow::Borrowed(key)))
    }

    /// Looks up one attribute by its name as it stands.
    pub(super) fn look_top<L: Live>(&self, live: &L, name: &str) -> Result<Look<L::Value>, Thrown> {
        let piece = {
            let state = self.state.borrow();
            match state.hold(name) {
                None if !state.exposed => return Ok(Look::Missing),
                None => None,
                Some(holds) => state.piece(&holds),
            }
        };
        if let Some(piece) = piece {
            return Ok(Look::Text(piece));
        }
        present(live, live.own(&live.root(), name)?)
    }

    /// Follows a path of one or more names; in the text as long as it leads through objects, live from then on.
    pub(super) fn walk<L: Live>(
        &self,
        live: &L,
        path: &[Segment],
    ) -> Result<Look<L::Value>, Thrown> {
        let mut at = self.look_top(live, &path[0].name)?;
        for segment in &path[1..] {
            at = match at {
                Look::Missing if segment.is_optional => return Ok(Look::Missing),
                Look::Missing | Look::Unreachable => return Ok(Look::Unreachable),
                Look::Value(value) => match live.kind(&value)? {
                    Kind::Null if segment.is_optional => return Ok(Look::Missing),
                    Kind::Null => return Ok(Look::Unreachable),
                    _ => present(live, live.own(&value, &segment.name)?)?,
                },
                Look::Text(piece) => match piece.first() {
                    b'{' => piece
                        .member(&segment.name)
                        .map_or(Look::Missing, Look::Text),
                    b'n' if segment.is_optional => return Ok(Look::Missing),
                    b'n' => return Ok(Look::Unreachable),
                    b'[' | b'"' => {
                        self.make_live(live, &path[0].name)?;
                        return self.walk(live, path);
                    }
                    _ => Look::Missing,
                },
            };
        }
        Ok(at)
    }

    /// Parses a top-level attribute into the live object, unless it is there already.
    pub(super) fn make_live<L: Live>(&self, live: &L, name: &str) -> Result<(), Thrown> {
        let piece = {
            let state = self.state.borrow();
            let holds = state.hold(name).filter(|_| !state.exposed);
            holds.and_then(|holds| state.piece(&holds))
        };
        if let Some(piece) = piece {
            live.define(&live.root(), name, &live.parse(piece.as_str())?)?;
            self.state.borrow_mut().keep(name, Holds::Live);
        }
        Ok(())
    }
}

/// The steps of a `key` that has more than one; any other key names an attribute as it stands.
pub(super) fn long_path(key: &str) -> Option<Segments<'_>> {
    if path::is_flat(key) {
        return None;
    }
    path::parse(key).filter(|path| path.len() > 1)
}

fn present<L: Live>(live: &L, value: Option<L::Value>) -> Result<Look<L::Value>, Thrown> {
    Ok(match value {
        Some(value) if live.kind(&value)? != Kind::Undefined => Look::Value(value),
        _ => Look::Missing,
    })
}
