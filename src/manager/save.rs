//! Closing: what a request changed goes to the storage, on top of whatever is there by then.

use std::sync::Arc;

use super::{Backing, Manager, Stats};
use crate::driver::{Created, Replaced, Touched};
use crate::error::{Code, Error, Result};
use crate::session::change::Change;
use crate::session::{Cookie, Live, Plan, Session, Snapshot, Stage, Stored, Unsavable};
use crate::session_id::SessionId;

/// How often a save is tried on a record that others keep changing.
const MAX_CONFLICTS: usize = 1_000;

/// What saving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Everything there was to store is stored.
    Done,
    /// The record went while the request ran; nothing was stored.
    Gone,
}

impl Manager {
    /// Works out what has to be stored; with `last`, the request is over for the session.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_DEPTH`, and `ERR_SESSION_SERIALIZE` with what JavaScript threw still pending.
    pub fn plan<L: Live>(
        &self,
        session: &Session,
        live: &L,
        last: bool,
    ) -> Result<Plan, (Unsavable, Error)> {
        let plan = session.plan(live, self.config.max_depth);
        if last {
            session.stage.set(Stage::Closed);
        }
        plan.map_err(|why| {
            if !session.is_stored() {
                session.cookie.set(Cookie::Withheld);
            }
            (why, self.unsavable(why))
        })
    }

    fn unsavable(&self, why: Unsavable) -> Error {
        let depth = self.config.max_depth;
        let (code, message) = match why {
            Unsavable::Thrown => (
                Code::Serialize,
                "the session's attributes cannot be serialised".to_owned(),
            ),
            Unsavable::NotAnObject => (
                Code::Serialize,
                "the session's attributes do not serialise to an object".to_owned(),
            ),
            Unsavable::TooDeep => (
                Code::Depth,
                format!("the session's attributes are nested deeper than {depth} levels"),
            ),
        };
        Error::new(code, message)
    }

    /// Stores what `plan` says. Saves of one session take turns.
    pub async fn save(&self, session: &Session, plan: Plan, backing: &Backing) -> Result<Saved> {
        let saved = match plan {
            Plan::Drop { changed: false } => return Ok(Saved::Done),
            Plan::Drop { changed: true } => {
                let lost = "a session that could not be read was changed, and is not saved";
                return Err(Error::new(Code::Write, lost));
            }
            Plan::Touch => self.touch(session, backing).await,
            Plan::Write(snapshot) => self.write_in_turn(session, snapshot, backing).await,
        };
        match &saved {
            Ok(Saved::Done) => {}
            Ok(Saved::Gone) => {
                Stats::count(&self.stats.gone);
                session.cookie.set(Cookie::Withheld);
            }
            Err(_) => {
                Stats::count(&self.stats.write_errors);
                if !session.is_stored() {
                    session.cookie.set(Cookie::Withheld);
                }
            }
        }
        if saved.is_ok() {
            self.destroy_doomed(session, backing).await?;
        }
        saved
    }

    /// Removes the records that a new id was to replace. One that cannot be removed stays on the list.
    async fn destroy_doomed(&self, session: &Session, backing: &Backing) -> Result<()> {
        let doomed = std::mem::take(&mut session.identity.borrow_mut().doomed);
        let mut failed = Ok(());
        for id in doomed {
            if id == session.id() {
                continue;
            }
            match backing.driver.destroy(&id).await {
                Ok(()) => Stats::count(&self.stats.destroyed),
                Err(error) => {
                    session.identity.borrow_mut().doomed.push(id);
                    failed = Err(error);
                }
            }
        }
        failed
    }

    async fn write_in_turn(
        &self,
        session: &Session,
        snapshot: Snapshot,
        backing: &Backing,
    ) -> Result<Saved> {
        let id = self.adopt_or_rename(session, backing).await?;
        let _turn = self.turns.take(id).await;
        let is_new = !session.is_stored() && self.creating.borrow_mut().insert(id);
        let written = self.write(session, id, snapshot, backing).await;
        if is_new {
            self.creating.borrow_mut().remove(&id);
        }
        written
    }

    /// The id to save under. A session saved without having been started keeps a visitor's id only if it is stored.
    async fn adopt_or_rename(&self, session: &Session, backing: &Backing) -> Result<SessionId> {
        let unproven = session.stage.get() == Stage::New && session.identity.borrow().from_visitor;
        if unproven
            && backing
                .driver
                .load(&session.id(), self.clock.now())
                .await?
                .is_none()
        {
            session.rename(false)?;
        }
        Ok(session.id())
    }

    async fn touch(&self, session: &Session, backing: &Backing) -> Result<Saved> {
        let (now, id) = (self.clock.now(), session.id());
        let last = session
            .identity
            .borrow()
            .stored
            .as_ref()
            .map(|stored| stored.last_activity);
        if last.is_some_and(|last| last + backing.touch_interval <= now) {
            // A handler can only touch by reading and writing, which must not undo a save in between.
            let _turn = match backing.is_handler {
                true => Some(self.turns.take(id).await),
                false => None,
            };
            if backing.driver.touch(&id, now).await? == Touched::Gone {
                session.cookie.set(Cookie::Withheld);
            }
        } else {
            session.cookie.set(Cookie::Optional);
        }
        Ok(Saved::Done)
    }

    async fn write(
        &self,
        session: &Session,
        id: SessionId,
        snapshot: Snapshot,
        backing: &Backing,
    ) -> Result<Saved> {
        let known = {
            let identity = session.identity.borrow();
            let stored = identity.stored.as_ref().filter(|stored| stored.id == id);
            stored.map(|stored| (stored.payload.clone(), stored.others.clone()))
        };
        let change = match known {
            Some(_) => snapshot.change.clone(),
            None => Change::whole(&snapshot.text),
        };
        let (mut text, mut expected) = match known {
            Some((payload, Some(others))) => (change.apply(&others), Some(payload)),
            Some((payload, None)) => (snapshot.text.clone(), Some(payload)),
            None => (snapshot.text.clone(), None),
        };
        for _ in 0..MAX_CONFLICTS {
            let payload = self.payload(backing, &id, &text)?;
            match self
                .offer(backing, &id, expected.as_ref(), &payload)
                .await?
            {
                Replaced::Replaced => {
                    return Ok(self.stored(session, id, &snapshot, text, payload));
                }
                Replaced::Gone => return Ok(Saved::Gone),
                Replaced::Conflict(current) => {
                    Stats::count(&self.stats.conflicts);
                    text = change.apply(&backing.codec.to_text(&id, &current)?.text);
                    expected = Some(current);
                }
            }
        }
        let contested = "a session was changed by others whenever it was saved";
        Err(Error::new(Code::Timeout, contested))
    }

    /// Puts a payload in the place of the expected one, or makes the record where none is expected.
    async fn offer(
        &self,
        backing: &Backing,
        id: &SessionId,
        expected: Option<&Arc<str>>,
        payload: &Arc<str>,
    ) -> Result<Replaced> {
        let (driver, now) = (&backing.driver, self.clock.now());
        if let Some(expected) = expected {
            return driver.replace(id, expected, payload, now).await;
        }
        if driver.create(id, payload, now).await? == Created::Created {
            Stats::count(&self.stats.created);
            return Ok(Replaced::Replaced);
        }
        let record = driver.load(id, now).await?;
        if record.is_none() {
            // An idle record is in the way that nobody can load any more.
            driver.destroy(id).await?;
            if driver.create(id, payload, now).await? == Created::Created {
                Stats::count(&self.stats.created);
                return Ok(Replaced::Replaced);
            }
        }
        Ok(record.map_or(Replaced::Gone, |record| Replaced::Conflict(record.payload)))
    }

    /// The payload of a text that is not too large.
    fn payload(&self, backing: &Backing, id: &SessionId, text: &str) -> Result<Arc<str>> {
        match text.len() <= self.config.max_bytes {
            true => backing.codec.to_payload(id, &Arc::from(text)),
            false => Err(self.too_large("the session's attributes are")),
        }
    }

    /// Notes what is stored now, for another save in the same request.
    fn stored(
        &self,
        session: &Session,
        id: SessionId,
        snapshot: &Snapshot,
        text: String,
        payload: Arc<str>,
    ) -> Saved {
        if session.stage.get() != Stage::Closed {
            session.attributes.saved(snapshot, self.config.max_depth);
        }
        let others = (text != snapshot.text).then(|| Arc::from(text));
        session.identity.borrow_mut().stored = Some(Stored {
            id,
            payload,
            last_activity: self.clock.now(),
            is_stale: false,
            others,
        });
        session.cookie.set(Cookie::Due);
        Saved::Done
    }

    /// The text stored under `id`, in whatever form it is, for a JavaScript-visible handler.
    pub async fn read_record(&self, id: &SessionId, backing: &Backing) -> Result<Option<Arc<str>>> {
        let record = backing.driver.load(id, self.clock.now()).await?;
        Ok(record.map(|record| record.payload))
    }

    /// Stores a text under `id`, whatever is there, for a JavaScript-visible handler.
    pub async fn write_record(
        &self,
        id: &SessionId,
        text: &Arc<str>,
        backing: &Backing,
    ) -> Result<()> {
        let now = self.clock.now();
        for _ in 0..MAX_CONFLICTS {
            if backing.driver.create(id, text, now).await? == Created::Created {
                return Ok(());
            }
            let mut expected = text.clone();
            while let Replaced::Conflict(current) = {
                let replaced = backing.driver.replace(id, &expected, text, now).await?;
                if replaced == Replaced::Replaced {
                    return Ok(());
                }
                replaced
            } {
                expected = current;
            }
        }
        Err(Error::new(
            Code::Timeout,
            "a session record was changed by others whenever it was written",
        ))
    }

    /// A payload of the configured form from a text, or a text from such a payload.
    pub fn recode(&self, seal: bool, id: &SessionId, text: &str) -> Result<Arc<str>> {
        let text = Arc::from(text);
        match seal {
            true => self.form.to_payload(id, &text),
            false => self.form.to_text(id, &text).map(|loaded| loaded.text),
        }
    }
}
