//! Moving: listing the records of a storage, and carrying them into another one with their last activity.
//!
//! Payloads are carried as text: unsealed here and sealed there.

use std::sync::Arc;

use super::sweep::STEP_LIMIT;
use super::{Backing, Manager};
use crate::clock::Millis;
use crate::driver::{Created, Cursor, Page, Replaced};
use crate::error::Result;
use crate::session_id::SessionId;

/// What became of a record that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There was none of its id.
    Created,
    /// It took the place of one that had been active earlier.
    Replaced,
    /// The one that was there stays.
    Skipped,
}

impl Manager {
    /// A page of the ids of all records, idle ones too.
    pub async fn list(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        backing: &Backing,
    ) -> Result<Page> {
        let page = backing.driver.scan(after, limit);
        self.within(STEP_LIMIT, "cannot list the sessions", page)
            .await?
    }

    /// The text of a record and its last activity; `None` when there is none, or an idle one.
    pub async fn take_along(
        &self,
        id: &SessionId,
        backing: &Backing,
    ) -> Result<Option<(Arc<str>, Millis)>> {
        let loading = backing.driver.load(id, self.clock.now());
        let limit = self.config.read_timeout;
        let loaded = self.within(limit, "cannot read a session", loading).await?;
        let Some(record) = loaded? else {
            return Ok(None);
        };
        let text = backing.codec.to_text(id, &record.payload)?.text;
        Ok(Some((text, record.last_activity)))
    }

    /// Stores a text under `id`, last active at `activity`. A record that is there stays, unless it is idle, or `overwrite` is
    /// set and it was active earlier.
    pub async fn carry(
        &self,
        id: &SessionId,
        text: &Arc<str>,
        activity: Millis,
        overwrite: bool,
        backing: &Backing,
    ) -> Result<Carried> {
        let payload = self.payload(backing, id, text)?;
        let carrying = self.put_down(id, &payload, activity, overwrite, backing);
        let limit = self.config.save_timeout;
        self.within(limit, "cannot write a session", carrying)
            .await?
    }

    async fn put_down(
        &self,
        id: &SessionId,
        payload: &Arc<str>,
        activity: Millis,
        overwrite: bool,
        backing: &Backing,
    ) -> Result<Carried> {
        let driver = &backing.driver;
        loop {
            if driver.create(id, payload, activity).await? == Created::Created {
                return Ok(Carried::Created);
            }
            match driver.load(id, self.clock.now()).await? {
                None => driver.destroy(id).await?,
                Some(there) if !overwrite || there.last_activity >= activity => {
                    return Ok(Carried::Skipped);
                }
                Some(there) => {
                    let replaced = driver.replace(id, &there.payload, payload, activity);
                    if replaced.await? == Replaced::Replaced {
                        return Ok(Carried::Replaced);
                    }
                }
            }
        }
    }
}
