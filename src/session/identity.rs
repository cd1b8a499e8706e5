//! Which session this is: its id, the record it was loaded from, and the ids that go with it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::attributes::Attributes;
use super::base::Base;
use super::change::Change;
use super::live::{Live, Thrown};
use super::snapshot::{Snapshot, Unsavable};
use super::{csrf, flash};
use crate::clock::Millis;
use crate::error::Result;
use crate::session_id::SessionId;

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Made, but not loaded: `save` loads first.
    New,
    /// Being loaded.
    Loading,
    /// Loaded, or found to be new.
    Open,
    /// Could not be read: usable in this request, never saved, and no cookie is sent.
    Detached,
    /// Its response has ended: reads work, later writes are not stored.
    Closed,
}

/// Whether a response carries the session's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// It does.
    Due,
    /// The browser's own is good for a while yet: nothing was stored, not even the activity.
    Optional,
    /// It must not: no record stands behind the id.
    Withheld,
    /// It carries one that makes the browser drop its own.
    Removed,
}

/// The record as this request knows it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The id it is stored under.
    pub id: SessionId,
    /// The payload, exactly as stored.
    pub payload: Arc<str>,
    /// When it was last active before this request.
    pub last_activity: Millis,
    /// When this request was recorded as activity, if it has been already.
    pub recorded: Option<Millis>,
    /// It is to be written anew even if nothing changed, because its payload has an outdated form.
    pub is_stale: bool,
    /// Its text, where it holds what other requests stored since this one loaded it.
    pub others: Option<Arc<str>>,
}

/// The identity of a session in the course of one request.
#[derive(Debug)]
pub struct Identity {
    /// The id under which the session is saved.
    pub id: SessionId,
    /// The id came from a visitor, so it must be the id of a record: an unknown one is never adopted.
    pub from_visitor: bool,
    /// The record it was loaded from, or last saved to.
    pub stored: Option<Stored>,
    /// The application chose the id, so that there may be a record of it already.
    pub is_chosen: bool,
    /// Ids whose records go when the session is saved.
    pub doomed: Vec<SessionId>,
    /// The id under which the latest save was begun.
    pub latest: Option<SessionId>,
}

impl Stored {
    /// Whether this is the record under `id`, in the form it is to have.
    pub fn is_current(&self, id: &SessionId) -> bool {
        self.id == *id && !self.is_stale
    }
}

/// When a session is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its id leaves with the response's head, and the request goes on: flash data that it has not shown yet stays.
    Announced,
    /// The application asks for it.
    ByHand,
    /// The response ends: the request is over for the session.
    Ended,
}

/// What has to be stored when a request ends.
#[derive(Debug)]
pub enum Plan {
    /// Nothing changed: at most the activity is recorded.
    Touch,
    /// A text to store, and the change it carries.
    Write(Snapshot),
    /// Nothing can be stored: the session is detached. Says whether the request changed it.
    Drop { changed: bool },
}

/// One visitor's state in one request.
#[derive(Debug)]
pub struct Session {
    /// The attributes.
    pub attributes: Attributes,
    /// The id and the record.
    pub identity: RefCell<Identity>,
    /// How far the session has come.
    pub stage: Cell<Stage>,
    /// Flash data ages once a request, however often it is saved.
    has_aged: Cell<bool>,
    /// Whether a response may carry the session's cookie.
    pub cookie: Cell<Cookie>,
    /// The CSRF token was made when the session was started.
    has_new_token: Cell<bool>,
    /// What saves that failed did not store.
    unsaved: RefCell<Change>,
    /// A save was given up while the storage may have been storing it.
    pub in_doubt: Cell<bool>,
    /// A save by hand dropped changes in place; it is told when the response ends.
    pub has_dropped: Cell<bool>,
    /// A save by hand found the record gone; it is told when the response ends, too.
    pub is_gone: Cell<bool>,
    /// Saves that are under way.
    pub saving: Cell<usize>,
}

impl Session {
    /// A session that has not been loaded.
    pub fn new(id: SessionId, from_visitor: bool) -> Self {
        let identity = Identity {
            id,
            from_visitor,
            stored: None,
            is_chosen: false,
            doomed: Vec::new(),
            latest: None,
        };
        Session {
            attributes: Attributes::default(),
            identity: RefCell::new(identity),
            stage: Cell::new(Stage::New),
            has_aged: Cell::new(false),
            cookie: Cell::new(Cookie::Due),
            has_new_token: Cell::new(false),
            unsaved: RefCell::default(),
            in_doubt: Cell::new(false),
            has_dropped: Cell::new(false),
            is_gone: Cell::new(false),
            saving: Cell::new(0),
        }
    }

    /// The present id.
    pub fn id(&self) -> SessionId {
        self.identity.borrow().id
    }

    /// Whether there is a record under the present id, as far as this request knows.
    pub fn is_stored(&self) -> bool {
        let identity = self.identity.borrow();
        identity
            .stored
            .as_ref()
            .is_some_and(|stored| stored.id == identity.id)
    }

    /// Whether it is known what is stored of it: not of a visitor's session that is saved without having been started.
    pub fn is_identified(&self) -> bool {
        let identity = self.identity.borrow();
        !identity.from_visitor || identity.stored.is_some() || self.stage.get() != Stage::New
    }

    /// Whether the session was destroyed by this request.
    pub fn has_ended(&self) -> bool {
        self.cookie.get() == Cookie::Removed
    }

    /// Whether the record of `id` must stay: it is the session's, or the one that a save under a new id begins with.
    pub fn needs(&self, id: &SessionId) -> bool {
        let identity = self.identity.borrow();
        let is_stored_under = |stored: &Stored| stored.id == *id;
        let is_its = identity.id == *id || identity.stored.as_ref().is_some_and(is_stored_under);
        is_its && !self.has_ended()
    }

    /// Keeps the id from being sent, because no record stands behind it.
    pub fn withhold_cookie(&self) {
        if !self.has_ended() {
            self.cookie.set(Cookie::Withheld);
        }
    }

    /// Notes that the record is gone: there is none to remove, and none of its ids is sent. Gives these.
    pub fn has_gone(&self) -> impl Iterator<Item = SessionId> + use<> {
        self.withhold_cookie();
        let mut identity = self.identity.borrow_mut();
        let stored = identity.stored.as_ref().map(|stored| stored.id);
        identity.doomed.retain(|id| Some(*id) != stored);
        [Some(identity.id), stored].into_iter().flatten()
    }

    /// Gives the session the id that a visitor's cookie names.
    pub fn identify(&self, id: SessionId) {
        let mut identity = self.identity.borrow_mut();
        identity.id = id;
        identity.from_visitor = true;
    }

    /// Gives the session the id the application chose, which need not be stored.
    pub fn set_id(&self, id: SessionId) {
        if self.stage.get() == Stage::Closed {
            return;
        }
        let mut identity = self.identity.borrow_mut();
        identity.id = id;
        identity.from_visitor = false;
        identity.is_chosen = true;
    }

    /// Gives the session a new id, unless its response has ended; with `destroy`, the old record goes when the session is
    /// saved.
    pub fn rename(&self, destroy: bool) -> Result<bool> {
        if self.stage.get() == Stage::Closed {
            return Ok(false);
        }
        let id = SessionId::generate()?;
        let mut identity = self.identity.borrow_mut();
        let old = identity.id;
        if destroy && !identity.doomed.contains(&old) {
            identity.doomed.push(old);
        }
        identity.id = id;
        identity.from_visitor = false;
        identity.is_chosen = false;
        Ok(true)
    }

    /// Lets a loaded record be the session. Values that JavaScript put before stay where the record has none.
    pub fn adopt<L: Live>(&self, live: &L, (base, stored): (Base, Stored)) -> Result<(), Thrown> {
        let flashed = flash::flashed(&self.attributes, live)?;
        self.identity.borrow_mut().stored = Some(stored);
        if self.attributes.load(base) {
            self.attributes.merge_exposed(live)?;
        }
        flash::add(&self.attributes, live, flashed)
    }

    /// Makes sure that there is a CSRF token.
    pub fn ensure_token<L: Live>(&self, live: &L) -> Result<(), Thrown> {
        if csrf::is_missing(&self.attributes, live)?
            && let Ok(token) = csrf::generate()
        {
            csrf::offer(&self.attributes, live, &token)?;
            self.has_new_token.set(true);
        }
        Ok(())
    }

    /// Drops everything, for a visitor who logs out: the session goes on empty, under a new id and with a new CSRF token,
    /// and the old record goes when it is saved. The caller puts a new live object in the place of the old one.
    ///
    /// Gives `false` when the response has ended. With `keep_id`, because the id has been sent already, it stays.
    pub fn invalidate(&self, keep_id: bool) -> Result<bool> {
        if self.stage.get() == Stage::Closed {
            return Ok(false);
        }
        self.attributes.flush();
        match keep_id {
            true => Ok(true),
            false => self.rename(true),
        }
    }

    /// Ends the session: what is done to it from now on is not stored, and all its records go.
    pub fn end(&self) {
        self.attributes.flush();
        self.stage.set(Stage::Closed);
        self.cookie.set(Cookie::Removed);
        let mut identity = self.identity.borrow_mut();
        let known = identity.stored.take().map(|stored| stored.id);
        let ids = [known, Some(identity.id)];
        identity.doomed.extend(ids.into_iter().flatten());
        identity.doomed.sort_unstable();
        identity.doomed.dedup();
    }

    /// What earlier saves did not store, and whether the last of them may have stored it all the same.
    pub fn take_unsaved(&self) -> (Change, bool) {
        (self.unsaved.take(), self.in_doubt.replace(false))
    }

    /// Keeps the change of a save that failed for the next one.
    pub fn keep_unsaved(&self, change: Change) {
        let mut unsaved = self.unsaved.borrow_mut();
        let later = std::mem::take(&mut *unsaved);
        *unsaved = change.then(later);
    }

    /// Ages the flash data, once, and works out what has to be stored.
    pub fn plan<L: Live>(
        &self,
        live: &L,
        max_depth: usize,
        moment: Moment,
    ) -> Result<Plan, Unsavable> {
        let plan = self.plan_before(live, max_depth, moment);
        if moment == Moment::Ended {
            self.stage.set(Stage::Closed);
        } else if let Ok(Plan::Write(snapshot)) = &plan {
            self.attributes.saved(snapshot);
        }
        plan
    }

    fn plan_before<L: Live>(
        &self,
        live: &L,
        max_depth: usize,
        moment: Moment,
    ) -> Result<Plan, Unsavable> {
        if self.stage.get() == Stage::Closed {
            return Ok(Plan::Drop { changed: false });
        }
        let detached = self.stage.get() == Stage::Detached;
        if !detached && moment != Moment::Announced {
            let has_aged = self.has_aged.replace(true);
            flash::age(&self.attributes, live, has_aged)?;
        }
        let snapshot = self.attributes.snapshot(live, max_depth)?;
        if detached {
            self.withhold_cookie();
            let tokens = usize::from(self.has_new_token.get());
            let changed = snapshot.is_some_and(|snapshot| snapshot.change.steps.len() > tokens);
            return Ok(Plan::Drop { changed });
        }
        let mut snapshot = match snapshot {
            Some(snapshot) => snapshot,
            None if self.must_write() => self.attributes.unchanged(),
            None => return Ok(Plan::Touch),
        };
        if flash::is_absent(&self.attributes, live)? {
            snapshot.append(flash::FLASH, flash::AGED);
            if moment != Moment::Ended {
                // What is saved must not look removed to a save that follows.
                flash::begin(&self.attributes, live)?;
            }
        }
        Ok(Plan::Write(snapshot))
    }

    /// Whether the record has to be written even if nothing has changed, or the save that is writing it waited for.
    fn must_write(&self) -> bool {
        let identity = self.identity.borrow();
        let stored = identity.stored.as_ref();
        let is_current = stored.is_some_and(|stored| stored.is_current(&identity.id));
        !is_current || self.saving.get() > 0 || !self.unsaved.borrow().is_empty()
    }
}
