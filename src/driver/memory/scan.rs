//! Listing the records in memory, page by page.
//!
//! A shard is divided into as many parts as it has pages, by a hash of the ids: a record stays in its part however often it
//! changes its place among the others, so none that stays stored is passed over.

use std::hash::BuildHasher as _;
use std::str::FromStr;
use std::sync::Arc;

use super::{Store, lock};
use crate::driver::{Cursor, Page, foreign_cursor};
use crate::error::Result;
use crate::session_id::PackedId;

/// Where a page begins: at a part of a shard. `parts` is 0 for a shard that has not been divided yet.
#[derive(Clone, Copy, Default)]
struct Place {
    shard: usize,
    part: usize,
    parts: usize,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.').map(usize::from_str);
        let mut number = || numbers.next()?.ok();
        Some(Place {
            shard: number()?,
            part: number()?,
            parts: number()?,
        })
    }

    fn cursor(self) -> Cursor {
        Arc::from(format!("{}.{}.{}", self.shard, self.part, self.parts))
    }

    /// The part after this one.
    fn next(self) -> Self {
        match self.part + 1 < self.parts {
            true => Place {
                part: self.part + 1,
                ..self
            },
            false => Place {
                shard: self.shard + 1,
                ..Place::default()
            },
        }
    }
}

impl Store {
    /// One page. A shard's lock is held while its ids are looked at once.
    pub(super) fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let mut place = match after {
            Some(cursor) => Place::parse(cursor).ok_or_else(foreign_cursor)?,
            None => Place::default(),
        };
        let mut ids = Vec::new();
        while place.shard < self.shards.len() && ids.len() < limit.max(1) {
            let shard = lock(&self.shards[place.shard]);
            if place.parts == 0 {
                place.parts = shard.0.len().div_ceil(limit.max(1)).max(1);
            }
            let of_this_part = shard.0.keys().filter(|id| {
                // What is left of the hash when the shard has been chosen by it.
                let hash = self.chooser.hash_one(id) as usize / self.shards.len();
                hash % place.parts == place.part
            });
            ids.extend(of_this_part.map(PackedId::unpacked));
            place = place.next();
        }
        let is_left = place.shard < self.shards.len();
        let next = is_left.then(|| place.cursor());
        Ok(Page { ids, next })
    }
}
