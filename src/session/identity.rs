//! Which session this is: its id, the record it was loaded from, and the ids that go with it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::attributes::Attributes;
use super::base::Base;
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
    /// Ids whose records go when the session is saved.
    pub doomed: Vec<SessionId>,
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
}

impl Session {
    /// A session that has not been loaded.
    pub fn new(id: SessionId, from_visitor: bool) -> Self {
        let identity = Identity {
            id,
            from_visitor,
            stored: None,
            doomed: Vec::new(),
        };
        Session {
            attributes: Attributes::default(),
            identity: RefCell::new(identity),
            stage: Cell::new(Stage::New),
            has_aged: Cell::new(false),
            cookie: Cell::new(Cookie::Due),
            has_new_token: Cell::new(false),
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
            csrf::put(&self.attributes, live, &token)?;
            self.has_new_token.set(true);
        }
        Ok(())
    }

    /// Ages the flash data, once, and works out what has to be stored.
    pub fn plan<L: Live>(&self, live: &L, max_depth: usize) -> Result<Plan, Unsavable> {
        if self.stage.get() == Stage::Closed {
            return Ok(Plan::Drop { changed: false });
        }
        let detached = self.stage.get() == Stage::Detached;
        if !detached {
            let has_aged = self.has_aged.replace(true);
            flash::age(&self.attributes, live, has_aged)?;
        }
        let snapshot = self.attributes.snapshot(live, max_depth)?;
        if detached {
            self.cookie.set(Cookie::Withheld);
            let tokens = usize::from(self.has_new_token.get());
            let changed = snapshot.is_some_and(|snapshot| snapshot.change.set.len() > tokens);
            return Ok(Plan::Drop { changed });
        }
        let is_stale = self
            .identity
            .borrow()
            .stored
            .as_ref()
            .is_some_and(|stored| stored.is_stale);
        let must_write = is_stale || !self.is_stored();
        let mut snapshot = match snapshot {
            Some(snapshot) => snapshot,
            None if must_write => self.attributes.unchanged(),
            None => return Ok(Plan::Touch),
        };
        if flash::is_absent(&self.attributes, live)? {
            snapshot.append("flash", flash::AGED);
        }
        Ok(Plan::Write(snapshot))
    }
}
