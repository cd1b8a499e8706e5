//! Storing a change: on the record as it was loaded, on whatever it is by then, or as a new record.

use std::mem::{replace, take};
use std::sync::Arc;

use super::save::MAX_CONFLICTS;
use super::turns::Turn;
use super::{Backing, Manager, Saved, Stats};
use crate::driver::{Created, Record, Removed, Replaced};
use crate::error::{Code, Error, Result};
use crate::panics::point;
use crate::session::change::Change;
use crate::session::{Base, Cookie, Session, Snapshot, Stored};
use crate::session_id::SessionId;

/// A save under way. One that is given up leaves its change to the next.
struct Save<'s> {
    session: &'s Session,
    /// What earlier saves did not store.
    earlier: Change,
    /// The earlier changes may have been stored all the same.
    in_doubt: bool,
    change: Change,
    /// Changes in place were dropped.
    has_dropped: bool,
    is_done: bool,
}

impl Save<'_> {
    /// Whether the request dropped everything that it had loaded.
    fn has_cleared(&self) -> bool {
        self.earlier.cleared || self.change.cleared
    }

    /// Whether there is nothing to store.
    fn is_empty(&self) -> bool {
        self.earlier.is_empty() && self.change.is_empty()
    }

    /// What a stored text becomes by the changes.
    fn rebase(&mut self, stored: &str) -> String {
        let mut text = None;
        for change in [&self.earlier, &self.change] {
            if !change.is_empty() {
                let rebased = change.apply(text.as_deref().unwrap_or(stored));
                self.has_dropped |= rebased.has_dropped;
                text = Some(rebased.text);
            }
        }
        text.unwrap_or_else(|| stored.to_owned())
    }

    /// The same for a record that another request changed. What may be in it already is not added again.
    fn rebase_on_other(&mut self, stored: &str) -> String {
        if take(&mut self.in_doubt) {
            self.earlier.forget_additions();
        }
        self.has_dropped = false;
        self.rebase(stored)
    }
}

impl Drop for Save<'_> {
    fn drop(&mut self) {
        let saving = &self.session.saving;
        saving.set(saving.get().saturating_sub(1));
        if !self.is_done {
            let both = take(&mut self.earlier).then(take(&mut self.change));
            self.session.keep_unsaved(both);
            if self.in_doubt {
                self.session.in_doubt.set(true);
            }
        }
    }
}

/// A text and the payload that holds it.
struct Content {
    text: Arc<str>,
    payload: Arc<str>,
}

impl Manager {
    /// Stores a snapshot. Saves of one session take turns.
    ///
    /// What few saves need stands in boxes, here and below: every save has room for all of it otherwise.
    pub(super) async fn write(
        &self,
        session: &Session,
        snapshot: &mut Snapshot,
        backing: &Backing,
    ) -> Result<Saved> {
        let (base, change) = snapshot.split();
        session.saving.set(session.saving.get() + 1);
        let mut save = Save {
            session,
            earlier: Change::default(),
            in_doubt: false,
            change,
            has_dropped: false,
            is_done: false,
        };
        if !session.is_identified() {
            Box::pin(self.identify(session, backing)).await?;
        }
        let (mut ids, _note) = {
            let mut identity = session.identity.borrow_mut();
            let (id, stored) = (identity.id, identity.stored.as_ref());
            let stored_id = stored.map(|stored| stored.id);
            let latest = identity.latest.replace(id);
            let is_new = stored_id != Some(id);
            let note = is_new.then(|| self.creating.note(id));
            ([id, stored_id.unwrap_or(id), latest.unwrap_or(id)], note)
        };
        let saved = self
            .write_in_turn(&mut save, &mut ids, &base, backing)
            .await;
        save.is_done = saved.is_ok();
        saved
    }

    /// A visitor's session that is saved without having been started is loaded first, and keeps its id only if that is stored.
    async fn identify(&self, session: &Session, backing: &Backing) -> Result<()> {
        let id = session.id();
        match backing.driver.load(&id, self.clock.now()).await? {
            Some(record) => {
                let others = backing.codec.to_text(&id, &record.payload)?.text;
                session.identity.borrow_mut().stored = Some(Stored {
                    id,
                    payload: record.payload,
                    last_activity: record.last_activity,
                    recorded: None,
                    is_stale: false,
                    others: Some(others),
                });
            }
            None => {
                session.rename(false)?;
            }
        }
        Ok(())
    }

    /// Waits for the turns of all ids that it is about: the one it saves under, first, the one it is stored under, and
    /// the one under which the save before it was begun.
    async fn write_in_turn(
        &self,
        save: &mut Save<'_>,
        ids: &mut [SessionId; 3],
        base: &Base,
        backing: &Backing,
    ) -> Result<Saved> {
        let id = ids[0];
        // In the order of the ids, so that two that want the same do not wait for each other.
        ids.sort_unstable();
        let _first = self.turns.take(ids[0]).await;
        let _second = self.another_turn(&ids[0], &ids[1]).await;
        let _third = self.another_turn(&ids[1], &ids[2]).await;
        if save.session.has_ended() {
            return Ok(Saved::Gone);
        }
        (save.earlier, save.in_doubt) = save.session.take_unsaved();
        self.secure_lease(backing).await?;
        let known = save.session.identity.borrow().stored.clone();
        if save.is_empty() && known.as_ref().is_some_and(|known| known.is_current(&id)) {
            // All there was has been stored by the save that this one waited for.
            return Ok(Saved::Done);
        }
        let text = base.text();
        let content = match known {
            None => Box::pin(self.make(save, &id, text, backing)).await?,
            Some(Stored {
                id: its,
                payload,
                others,
                ..
            }) if its == id => {
                let text = match &others {
                    Some(others) => Arc::from(save.rebase(others)),
                    None => text.clone(),
                };
                self.swap(save, &id, payload, text, backing).await?
            }
            Some(known) => Box::pin(self.relocate(save, known, &id, text, backing)).await?,
        };
        let Some(content) = content else {
            return Ok(Saved::Gone);
        };
        self.stored(save.session, id, content, base);
        Ok(match save.has_dropped {
            true => Saved::Dropped,
            false => Saved::Done,
        })
    }

    async fn another_turn(&self, before: &SessionId, id: &SessionId) -> Option<Turn<'_>> {
        match id == before {
            true => None,
            false => Some(Box::pin(self.turns.take(*id)).await),
        }
    }

    /// Puts `text` in the place of an expected payload; on top of whatever is there instead. `None` when the record is gone.
    async fn swap(
        &self,
        save: &mut Save<'_>,
        id: &SessionId,
        mut expected: Arc<str>,
        mut text: Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Content>> {
        for _ in 0..MAX_CONFLICTS {
            let payload = self.payload(backing, id, &text)?;
            let was_in_doubt = replace(&mut save.in_doubt, true);
            let now = self.clock.now();
            let replaced = backing.driver.replace(id, &expected, &payload, now).await?;
            save.in_doubt = was_in_doubt;
            match replaced {
                Replaced::Replaced => return Ok(Some(Content { text, payload })),
                Replaced::Gone => return Ok(None),
                Replaced::Conflict(current) => {
                    Stats::count(&self.stats.conflicts);
                    self.confirm_lease(backing).await?;
                    let stored = backing.codec.to_text(id, &current)?.text;
                    text = Arc::from(save.rebase_on_other(&stored));
                    expected = current;
                }
            }
        }
        Err(contested())
    }

    /// Makes a record; where there is one already, under an id that the application chose, the change goes on top of it.
    async fn make(
        &self,
        save: &mut Save<'_>,
        id: &SessionId,
        text: &Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Content>> {
        let payload = self.payload(backing, id, text)?;
        let was_in_doubt = replace(&mut save.in_doubt, true);
        let in_the_way = self.create(id, &payload, backing).await?;
        save.in_doubt = was_in_doubt;
        match in_the_way {
            None => {
                let text = text.clone();
                Ok(Some(Content { text, payload }))
            }
            Some(record) => {
                let stored = backing.codec.to_text(id, &record.payload)?.text;
                let text = Arc::from(save.rebase_on_other(&stored));
                self.swap(save, id, record.payload, text, backing).await
            }
        }
    }

    /// Makes a record, or gives the one that is in the way.
    async fn create(
        &self,
        id: &SessionId,
        payload: &Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Record>> {
        let (driver, now) = (&backing.driver, self.clock.now());
        for _ in 0..MAX_CONFLICTS {
            if driver.create(id, payload, now).await? == Created::Created {
                Stats::count(&self.stats.created);
                return Ok(None);
            }
            match driver.load(id, now).await? {
                Some(record) => return Ok(Some(record)),
                // An idle record is in the way that nobody can load any more.
                None => driver.destroy(id).await?,
            }
        }
        Err(contested())
    }

    /// Stores a session under a new id: what is stored under the old one by now, with the changes. `None` when the old
    /// record is gone: then there is no new one either.
    async fn relocate(
        &self,
        save: &mut Save<'_>,
        known: Stored,
        id: &SessionId,
        text: &Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Content>> {
        let Some(record) = backing.driver.load(&known.id, self.clock.now()).await? else {
            return self.renew(save, id, text, backing).await;
        };
        let text = match &known.others {
            _ if record.payload != known.payload => {
                self.confirm_lease(backing).await?;
                let stored = backing.codec.to_text(&known.id, &record.payload)?.text;
                Arc::from(save.rebase_on_other(&stored))
            }
            Some(others) => Arc::from(save.rebase(others)),
            None => text.clone(),
        };
        let content = self.place(save.session, id, text, backing).await?;
        let is_doomed = save.session.identity.borrow().doomed.contains(&known.id);
        if !is_doomed {
            self.ended.remember(known.id);
            return Ok(Some(content));
        }
        let old = (&known.id, record.payload);
        let removed = self.remove_old(save, old, (id, content), backing).await;
        let is_chosen = save.session.identity.borrow().is_chosen;
        if !matches!(removed, Ok(Some(_))) && !is_chosen {
            // The session lives under one id: the old one, or none.
            let _ = backing.driver.destroy(id).await;
        }
        removed
    }

    /// A session whose old record is gone goes on only if it dropped all that was in there: then nothing is brought back.
    async fn renew(
        &self,
        save: &mut Save<'_>,
        id: &SessionId,
        text: &Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Content>> {
        if !save.has_cleared() {
            return Ok(None);
        }
        let content = self.place(save.session, id, text.clone(), backing).await?;
        Ok(Some(content))
    }

    /// Stores a text under an id that the session has not had before.
    async fn place(
        &self,
        session: &Session,
        id: &SessionId,
        text: Arc<str>,
        backing: &Backing,
    ) -> Result<Content> {
        let is_chosen = session.identity.borrow().is_chosen;
        let mut content = Content {
            payload: self.payload(backing, id, &text)?,
            text,
        };
        let mut in_the_way = self.create(id, &content.payload, backing).await?;
        while let Some(record) = in_the_way {
            // What an earlier attempt of this save left is written over; what the application chose is kept.
            if is_chosen {
                let stored = backing.codec.to_text(id, &record.payload)?.text;
                content.text = Arc::from(Change::whole(&content.text).apply(&stored).text);
                content.payload = self.payload(backing, id, &content.text)?;
            }
            in_the_way = self
                .write_over(id, record, &content.payload, backing)
                .await?;
        }
        Ok(content)
    }

    /// Stores a text under `id`, whatever is there.
    pub(super) async fn overwrite(
        &self,
        id: &SessionId,
        payload: &Arc<str>,
        backing: &Backing,
    ) -> Result<()> {
        let mut in_the_way = self.create(id, payload, backing).await?;
        while let Some(record) = in_the_way {
            in_the_way = self.write_over(id, record, payload, backing).await?;
        }
        Ok(())
    }

    /// Puts a payload in the place of a record; gives the record that is in the way of that by now.
    async fn write_over(
        &self,
        id: &SessionId,
        record: Record,
        payload: &Arc<str>,
        backing: &Backing,
    ) -> Result<Option<Record>> {
        let (driver, now) = (&backing.driver, self.clock.now());
        match driver.replace(id, &record.payload, payload, now).await? {
            Replaced::Replaced => Ok(None),
            Replaced::Conflict(payload) => Ok(Some(Record { payload, ..record })),
            Replaced::Gone => self.create(id, payload, backing).await,
        }
    }

    /// Removes the old record as it was when the new one was made; what is changed in it until then goes into the new one.
    async fn remove_old(
        &self,
        save: &mut Save<'_>,
        (old, mut expected): (&SessionId, Arc<str>),
        (id, mut content): (&SessionId, Content),
        backing: &Backing,
    ) -> Result<Option<Content>> {
        for _ in 0..MAX_CONFLICTS {
            match backing.driver.remove(old, &expected).await? {
                Removed::Removed => {
                    let mut identity = save.session.identity.borrow_mut();
                    identity.doomed.retain(|doomed| doomed != old);
                    self.has_ended(*old);
                    return Ok(Some(content));
                }
                Removed::Gone => return Ok(save.has_cleared().then_some(content)),
                Removed::Conflict(current) => {
                    Stats::count(&self.stats.conflicts);
                    self.confirm_lease(backing).await?;
                    let stored = backing.codec.to_text(old, &current)?.text;
                    let text = Arc::from(save.rebase_on_other(&stored));
                    content = self.place(save.session, id, text, backing).await?;
                    expected = current;
                }
            }
        }
        Err(contested())
    }

    /// The payload of a text that is not too large.
    pub(super) fn payload(
        &self,
        backing: &Backing,
        id: &SessionId,
        text: &Arc<str>,
    ) -> Result<Arc<str>> {
        point("seal");
        match text.len() <= self.config.max_bytes {
            true => backing.codec.to_payload(id, text),
            false => Err(self.too_large("the session's attributes are")),
        }
    }

    /// Notes what is stored now, for another save in the same request and for the next load.
    fn stored(&self, session: &Session, id: SessionId, content: Content, own: &Base) {
        let others = (!own.is_of(&content.text)).then_some(content.text);
        // Of a session that is made here few load again, and strangers without a cookie must not push out the others.
        if others.is_none() && session.is_stored() {
            self.parsed.remember(&id, own);
        }
        if session.has_ended() {
            return;
        }
        let mut identity = session.identity.borrow_mut();
        if identity.is_chosen {
            self.ended.forget(&id);
        }
        identity.stored = Some(Stored {
            id,
            payload: content.payload,
            last_activity: self.clock.now(),
            recorded: None,
            is_stale: false,
            others,
        });
        session.cookie.set(Cookie::Due);
    }
}

fn contested() -> Error {
    Error::new(
        Code::Timeout,
        "a session was changed by others whenever it was saved",
    )
}
