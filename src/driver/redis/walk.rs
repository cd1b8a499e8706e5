//! Walking over all records: pages of ids, and the sweep.
//!
//! Both go from server to server by `SCAN`. What is stored or moved meanwhile may be met twice or not at all.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;

use super::RedisServer;
use super::call::Call;
use super::fault::Fault;
use super::resp::{Command, Value};
use super::scripts::SWEEP;
use super::value::{number_of, text_of};
use crate::clock::Millis;
use crate::driver::Sweep;
use crate::session_id::{ID_CHARS, SessionId};

/// Keys that a server looks at for one `SCAN`, at least and at most.
const FEW: usize = 10;
const MANY: usize = 1_000;
/// `SCAN`s of a page, and of a step of a sweep, however few of the server's keys are sessions.
const MOST_SCANS: usize = 100;
/// Records that are checked at a time.
const AT_A_TIME: usize = 100;

/// Where a walk goes on.
///
/// Shape as text: the number that the server's `SCAN` gave, and after a space the server's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    cursor: u64,
    node: String,
}

impl Place {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (cursor, node) = text.split_once(' ')?;
        Some(Place {
            cursor: cursor.parse().ok()?,
            node: node.to_owned(),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.cursor, self.node)
    }
}

/// A sweep between two of its steps.
#[derive(Debug, Default)]
pub(super) struct Pass(Mutex<Option<Half>>);

/// What is left of a pass.
#[derive(Debug)]
struct Half {
    /// Where the ids that follow are; `None` after the last.
    next: Option<Place>,
    /// Ids that were found and not looked at.
    found: VecDeque<SessionId>,
}

impl RedisServer {
    /// About so many ids from a place on, and where the next ones are.
    pub(super) async fn page(
        &self,
        place: Place,
        about: usize,
    ) -> Result<(Vec<SessionId>, Option<Place>), Fault> {
        let mut ids = Vec::new();
        let mut next = Some(place);
        for _ in 0..MOST_SCANS {
            let Some(place) = next.take() else {
                break;
            };
            let (found, then) = self.look(&place, about).await?;
            ids.extend(found);
            next = then;
            if ids.len() >= about {
                break;
            }
        }
        Ok((ids, next))
    }

    /// The ids that one `SCAN` finds, and where the next ones are.
    async fn look(
        &self,
        place: &Place,
        about: usize,
    ) -> Result<(Vec<SessionId>, Option<Place>), Fault> {
        let nodes = self.nodes.primaries().await?;
        // Servers come and go; they are walked over in the order of their names.
        let Some(at) = nodes.iter().position(|(name, _)| *name >= place.node) else {
            return Ok((Vec::new(), None));
        };
        let (name, link) = &nodes[at];
        let cursor = if *name == place.node { place.cursor } else { 0 };
        let (cursor, count) = (cursor.to_string(), about.clamp(FEW, MANY).to_string());
        let scan = ["SCAN", &cursor, "MATCH", &self.pattern, "COUNT", &count];
        let scan = Command::of(&scan);
        let odd = || Fault::unsent("the server's answer to SCAN cannot be read", None);
        let (cursor, ids) = self.scanned(&link.send(&scan).await?).ok_or_else(odd)?;
        let next = match cursor {
            0 => nodes.get(at + 1).map(|(name, _)| (0, name)),
            cursor => Some((cursor, name)),
        };
        let next = next.map(|(cursor, name)| Place {
            cursor,
            node: name.clone(),
        });
        Ok((ids, next))
    }

    /// The cursor and the ids in an answer to `SCAN`.
    fn scanned(&self, told: &Value) -> Option<(u64, Vec<SessionId>)> {
        let Value::List(parts) = told else {
            return None;
        };
        let [cursor, Value::List(keys)] = parts.as_slice() else {
            return None;
        };
        let id_in = |key: &Value| {
            let key = text_of(key)?;
            SessionId::parse(key.strip_prefix(&self.prefix)?)
        };
        let ids = keys.iter().filter_map(id_in).collect();
        Some((text_of(cursor)?.parse().ok()?, ids))
    }

    /// One step of a sweep. A step that fails ends the pass; the next one begins anew.
    pub(super) async fn sweep_on(&self, cutoff: Millis, limit: usize) -> Result<Sweep, Fault> {
        let begun = self.pass.take();
        let mut half = begun.unwrap_or_else(|| Half {
            next: Some(Place::default()),
            found: VecDeque::new(),
        });
        let (mut removed, mut looked_at, mut scans) = (0, 0, 0);
        while looked_at < limit && scans < MOST_SCANS {
            let many = half.found.len().min(AT_A_TIME).min(limit - looked_at);
            if many == 0 {
                let Some(place) = half.next.take() else {
                    break;
                };
                let (ids, next) = self.look(&place, limit.max(AT_A_TIME)).await?;
                half.found.extend(ids);
                half.next = next;
                scans += 1;
                continue;
            }
            let some = half.found.drain(..many).collect::<Vec<_>>();
            for swept in join_all(some.iter().map(|id| self.remove_idle(id, cutoff))).await {
                removed += swept?;
            }
            looked_at += many;
        }
        let done = half.found.is_empty() && half.next.is_none();
        if !done {
            self.pass.put(half);
        }
        Ok(Sweep { removed, done })
    }

    async fn remove_idle(&self, id: &SessionId, cutoff: Millis) -> Result<usize, Fault> {
        let key = self.key(id);
        match self
            .nodes
            .run(&Call::run(&SWEEP, key, &[cutoff.into()]))
            .await
        {
            Ok(swept) => Ok(usize::from(number_of(&swept) == Some(1))),
            // A key of somebody else's.
            Err(Fault::Said(said)) if said.code == "WRONGTYPE" => Ok(0),
            Err(fault) => Err(fault),
        }
    }
}

impl Pass {
    fn take(&self) -> Option<Half> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, half: Half) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(half);
    }
}

/// What `SCAN` has to match: the prefix, in which nothing is a wildcard, and any id.
pub(super) fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + ID_CHARS);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.extend(std::iter::repeat_n('?', ID_CHARS));
    pattern
}
