//! One per NodeSession: opens sessions from cookies, makes cookies for them, and closes them.
//!
//! Joins the rings, which do not know each other. What a driver reports as a conflict is retried here, once for all
//! drivers.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::clock::{Clock, Millis};
use crate::config::{Config, TouchDefault};
use crate::cookie::keyring::Keyring;
use crate::cookie::write::{CookieWriter, encode, wire_value};
use crate::cookie::{CookieOptions, header};
use crate::driver::handler::{Activity, Handler, HandlerDriver};
use crate::driver::{self, Bounds, Created, Driver, Record, Replaced};
use crate::error::{Code, Error, Result};
use crate::payload::{Form, Loaded, Sealer};
use crate::session::change::Change;
use crate::session::text::Fault;
use crate::session::{
    Base, Cookie, Live, Plan, Session, Snapshot, Stage, Stored, Thrown, Unsavable,
};
use crate::session_id::SessionId;

/// How often a save is tried on a record that others keep changing.
const MAX_CONFLICTS: usize = 1_000;
/// Records that one step of a sweep removes at most.
const SWEEP_STEP: usize = 1_000;

/// Turns attributes' text into payloads and back: the configured form, or an encrypter written in JavaScript.
pub trait Codec {
    /// The payload to store for `text` under `id`.
    fn to_payload(&self, id: &SessionId, text: &Arc<str>) -> Result<Arc<str>>;

    /// The text in a `payload` stored under `id`.
    fn to_text(&self, id: &SessionId, payload: &Arc<str>) -> Result<Loaded>;
}

impl Codec for Form {
    fn to_payload(&self, id: &SessionId, text: &Arc<str>) -> Result<Arc<str>> {
        Form::to_payload(self, id, text)
    }

    fn to_text(&self, id: &SessionId, payload: &Arc<str>) -> Result<Loaded> {
        Form::to_text(self, id, payload)
    }
}

/// Where and in which form one session is stored.
#[derive(Clone)]
pub struct Backing {
    /// The storage.
    pub driver: Rc<dyn Driver>,
    /// The form of its payloads.
    pub codec: Rc<dyn Codec>,
    /// How long activity may go unrecorded.
    pub touch_interval: Millis,
}

impl std::fmt::Debug for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backing({:?})", self.driver)
    }
}

/// A session that a request's cookie led to, before it is loaded.
#[derive(Debug)]
pub struct Visit {
    /// The session, under the cookie's id or a fresh one.
    pub session: Session,
    /// The cookie's text as it is to be sent back while the id stays; `None` when it has to be signed anew.
    pub wire: Option<String>,
    /// Whether there can be a record at all.
    pub may_exist: bool,
}

/// What loading found.
#[derive(Debug)]
pub enum Opened {
    /// The session's record.
    Found(Box<(Base, Stored)>),
    /// No record: a new session.
    Fresh,
    /// A record that cannot be used. It is left where it is; the session is a new one.
    Corrupt(Error),
    /// The storage could not be read.
    Failed(Error),
}

/// What a settled load has to tell.
#[derive(Debug)]
pub enum Settled {
    /// Nothing: the session is there, or new.
    Done,
    /// The session is a new one, because its record cannot be used.
    Corrupt(Error),
    /// The session is detached, because the storage could not be read.
    Detached(Error),
}

/// What saving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Everything there was to store is stored.
    Done,
    /// The record went while the request ran; nothing was stored.
    Gone,
}

/// The engine behind one NodeSession.
#[derive(Debug)]
pub struct Manager {
    /// The checked options.
    pub config: Config,
    keyring: Keyring,
    writer: CookieWriter,
    form: Rc<Form>,
    clock: Clock,
    built_in: OnceCell<Result<Rc<dyn Driver>>>,
    activity: Rc<Activity>,
    is_sweeping: Cell<bool>,
    luck: Cell<u64>,
    turns: Turns,
}

impl Manager {
    /// A manager for checked options.
    pub fn new(config: Config, clock: Clock) -> Result<Self> {
        let secrets = config.secrets.all();
        let form = match config.encrypt {
            true => Form::Sealed(Sealer::new(
                secrets,
                &config.cookie.name,
                config.legacy_payloads,
            )),
            false => Form::Plain,
        };
        Ok(Manager {
            keyring: Keyring::new(secrets)?,
            writer: CookieWriter::new(&config.cookie),
            form: Rc::new(form),
            clock,
            built_in: OnceCell::new(),
            activity: Rc::default(),
            is_sweeping: Cell::new(false),
            luck: Cell::new(seed()),
            turns: Turns::default(),
            config,
        })
    }

    /// The built-in storage in the configured form.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` when there is no driver of that name: in the original's words.
    pub fn built_in(&self) -> Result<Backing> {
        let built_in = driver::find(&self.config.driver)?;
        let touch_interval = self.config.touch_interval(built_in.touch);
        let make = || (built_in.make)(&self.config, bounds(&self.config, touch_interval));
        let driver = self.built_in.get_or_init(|| make().map(Rc::from));
        Ok(Backing {
            driver: driver.clone()?,
            codec: self.form.clone(),
            touch_interval,
        })
    }

    /// A handler written in JavaScript as storage, in the configured form.
    pub fn over_handler(&self, handler: Rc<dyn Handler>) -> Backing {
        let driver = HandlerDriver::new(handler, self.activity.clone(), self.config.lifetime());
        Backing {
            driver: Rc::new(driver),
            codec: self.form.clone(),
            touch_interval: self.config.touch_interval(TouchDefault::Seldom),
        }
    }

    /// The session that a raw `Cookie` header names, or a fresh one. No storage is read.
    pub fn visit(&self, cookie_header: Option<&str>) -> Result<Visit> {
        let read = |text| header::read(text, &self.config.cookie.name, &self.keyring);
        Ok(match cookie_header.and_then(read) {
            Some(found) => Visit {
                session: Session::new(found.id, true),
                wire: found.wire,
                may_exist: true,
            },
            None => Visit {
                session: Session::new(SessionId::generate()?, false),
                wire: None,
                may_exist: false,
            },
        })
    }

    /// The session of an id that a cookie parser has verified already.
    pub fn visit_verified(&self, id: SessionId) -> Visit {
        Visit {
            session: Session::new(id, true),
            wire: None,
            may_exist: true,
        }
    }

    /// The `Set-Cookie` text for a session, or `None` when none is to be sent. `wire` is the request's own cookie for the
    /// same id, which is sent back as it came.
    pub fn cookie(&self, session: &Session, wire: Option<&str>) -> Option<String> {
        let is_due = match session.cookie.get() {
            Cookie::Due => session.stage.get() != Stage::Detached,
            Cookie::Optional => self.config.rolling || wire.is_none(),
            Cookie::Withheld => false,
        };
        let now = self.clock.now();
        is_due.then(|| match wire {
            Some(wire) => self.writer.set_cookie(wire, now),
            None => {
                let wire = wire_value(&session.id(), &self.keyring);
                self.writer.set_cookie(&wire, now)
            }
        })
    }

    /// The `Set-Cookie` text of any cookie, signed by the first key if asked for.
    pub fn any_cookie(&self, options: &CookieOptions, value: &str, signed: bool) -> String {
        let value = match signed {
            true => encode(&format!("s:{}", self.keyring.sign(value))),
            false => encode(value),
        };
        CookieWriter::new(options).set_cookie(&value, self.clock.now())
    }

    /// The session id in the cookie of that name.
    pub fn read_cookie(&self, cookie_header: &str, name: &str) -> Option<SessionId> {
        header::read(cookie_header, name, &self.keyring).map(|found| found.id)
    }

    /// The value that was signed, if any key signed it.
    pub fn unsign<'v>(&self, signed: &'v str) -> Option<&'v str> {
        self.keyring.verify(signed).map(|verified| verified.value)
    }

    /// Loads a session's record. What was found counts from [`Manager::settle`] on.
    pub async fn load(&self, session: &Session, backing: &Backing) -> Opened {
        session.stage.set(Stage::Loading);
        let id = session.id();
        let record = match backing.driver.load(&id, self.clock.now()).await {
            Ok(Some(record)) => record,
            Ok(None) => return Opened::Fresh,
            Err(error) if is_about_record(&error) => return Opened::Corrupt(error),
            Err(error) => return Opened::Failed(error),
        };
        match self.read_payload(backing, &id, &record.payload) {
            Ok((base, is_stale)) => {
                let Record {
                    payload,
                    last_activity,
                } = record;
                let stored = Stored {
                    id,
                    payload,
                    last_activity,
                    is_stale,
                };
                Opened::Found(Box::new((base, stored)))
            }
            Err(error) => Opened::Corrupt(error),
        }
    }

    /// Lets what a load found be the session: its record, or a new session under an id that is safe to adopt.
    ///
    /// Values that were put before yield to stored ones, however fast the load was.
    pub fn settle<L: Live>(
        &self,
        session: &Session,
        live: &L,
        opened: Opened,
    ) -> Result<Settled, Thrown> {
        let is_visitors = session.identity.borrow().from_visitor;
        let (rename, settled) = match opened {
            Opened::Found(found) => {
                session.adopt(live, *found)?;
                (false, Settled::Done)
            }
            Opened::Fresh => (is_visitors, Settled::Done),
            Opened::Corrupt(error) => (true, Settled::Corrupt(error)),
            Opened::Failed(error) => (false, Settled::Detached(error)),
        };
        let settled = match rename.then(|| session.rename(false)) {
            Some(Err(error)) => Settled::Detached(error),
            _ => settled,
        };
        session.stage.set(match settled {
            Settled::Detached(_) => Stage::Detached,
            _ => Stage::Open,
        });
        session.ensure_token(live)?;
        Ok(settled)
    }

    fn read_payload(
        &self,
        backing: &Backing,
        id: &SessionId,
        payload: &Arc<str>,
    ) -> Result<(Base, bool)> {
        let loaded = backing.codec.to_text(id, payload)?;
        if loaded.text.len() > self.config.max_bytes {
            return Err(self.too_large("a stored session is"));
        }
        match Base::parse(loaded.text, self.config.max_depth) {
            Ok(base) => Ok((base, loaded.stale)),
            Err(Fault::TooDeep) => Err(Error::new(
                Code::Depth,
                format!(
                    "a stored session is nested deeper than {} levels",
                    self.config.max_depth
                ),
            )),
            Err(Fault::Malformed) => Err(Error::new(
                Code::Corrupt,
                "a stored session is not the text of a session",
            )),
        }
    }

    fn too_large(&self, what: &str) -> Error {
        Error::new(
            Code::TooLarge,
            format!("{what} larger than {} bytes", self.config.max_bytes),
        )
    }

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
        if saved == Ok(Saved::Gone) || saved.is_err() && !session.is_stored() {
            session.cookie.set(Cookie::Withheld);
        }
        let doomed = std::mem::take(&mut session.identity.borrow_mut().doomed);
        for id in doomed {
            backing.driver.destroy(&id).await?;
        }
        saved
    }

    async fn write_in_turn(
        &self,
        session: &Session,
        snapshot: Snapshot,
        backing: &Backing,
    ) -> Result<Saved> {
        let id = self.adopt_or_rename(session, backing).await?;
        let _turn = self.turns.take(id).await;
        self.write(session, id, snapshot, backing).await
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
            backing.driver.touch(&id, now).await?;
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
        if snapshot.text.len() > self.config.max_bytes {
            return Err(self.too_large("the session's attributes are"));
        }
        let mut text: Arc<str> = Arc::from(snapshot.text);
        let mut payload = backing.codec.to_payload(&id, &text)?;
        let known = {
            let identity = session.identity.borrow();
            let stored = identity.stored.as_ref().filter(|stored| stored.id == id);
            stored.map(|stored| stored.payload.clone())
        };
        let (mut expected, change) = match known {
            Some(expected) => (expected, snapshot.change),
            None => {
                if backing
                    .driver
                    .create(&id, &payload, self.clock.now())
                    .await?
                    == Created::Created
                {
                    return Ok(self.stored(session, id, text, payload));
                }
                let Some(record) = backing.driver.load(&id, self.clock.now()).await? else {
                    return Ok(Saved::Gone);
                };
                let change = Change::whole(&text);
                (text, payload) = self.rebase(backing, &id, &change, &record.payload)?;
                (record.payload, change)
            }
        };
        for _ in 0..MAX_CONFLICTS {
            match backing
                .driver
                .replace(&id, &expected, &payload, self.clock.now())
                .await?
            {
                Replaced::Replaced => return Ok(self.stored(session, id, text, payload)),
                Replaced::Gone => return Ok(Saved::Gone),
                Replaced::Conflict(current) => {
                    (text, payload) = self.rebase(backing, &id, &change, &current)?;
                    expected = current;
                }
            }
        }
        Err(Error::new(
            Code::Timeout,
            "a session was changed by others whenever it was saved",
        ))
    }

    /// Applies a change to what is stored now: the new text and its payload.
    fn rebase(
        &self,
        backing: &Backing,
        id: &SessionId,
        change: &Change,
        current: &Arc<str>,
    ) -> Result<(Arc<str>, Arc<str>)> {
        let stored = backing.codec.to_text(id, current)?;
        let text: Arc<str> = Arc::from(change.apply(&stored.text));
        if text.len() > self.config.max_bytes {
            return Err(self.too_large("the session's attributes are"));
        }
        let payload = backing.codec.to_payload(id, &text)?;
        Ok((text, payload))
    }

    /// Notes what is stored now, for another save in the same request.
    fn stored(&self, session: &Session, id: SessionId, text: Arc<str>, payload: Arc<str>) -> Saved {
        if session.stage.get() != Stage::Closed {
            session.attributes.saved(&text, self.config.max_depth);
        }
        let last_activity = self.clock.now();
        session.identity.borrow_mut().stored = Some(Stored {
            id,
            payload,
            last_activity,
            is_stale: false,
        });
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

    /// Draws the lottery at the end of a request: whether a sweep should begin now.
    pub fn draw_lottery(&self) -> bool {
        let lottery = self.config.lottery;
        if lottery.hits == 0 || self.is_sweeping.get() {
            return false;
        }
        // Xorshift: which request sweeps is no secret, and the system's random source costs more than the draw is worth.
        let mut drawn = self.luck.get();
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        self.luck.set(drawn);
        (drawn >> 32) as u32 % lottery.draws < lottery.hits
    }

    /// Removes idle records, step by step. Only one sweep of a manager runs at a time.
    pub async fn sweep(&self, backing: &Backing) -> Result<()> {
        let idle = self.config.idle_timeout() + backing.touch_interval;
        self.sweep_idle(backing, idle).await
    }

    /// Removes records that have been idle for longer than `max_age`.
    pub async fn sweep_idle(&self, backing: &Backing, max_age: Millis) -> Result<()> {
        if self.is_sweeping.replace(true) {
            return Ok(());
        }
        let cutoff = self.clock.now() - max_age;
        let outcome = loop {
            match backing.driver.sweep(cutoff, SWEEP_STEP).await {
                Ok(step) if step.done => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.is_sweeping.set(false);
        outcome
    }
}

/// Where a manager's luck begins; never zero, which xorshift does not leave.
fn seed() -> u64 {
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random) | 1
}

/// Whether an error says that the record is bad, rather than that the storage is.
fn is_about_record(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Corrupt | Code::Decrypt | Code::TooLarge | Code::Depth
    )
}

/// Bounds for a driver of these options.
fn bounds(config: &Config, touch_interval: Millis) -> Bounds {
    // A sealed payload is base64 of the text and 28 bytes, behind a prefix; another encrypter may be as wordy.
    let max_payload = match config.encrypt {
        true => config.max_bytes.saturating_mul(2).saturating_add(1024),
        false => config.max_bytes,
    };
    Bounds {
        idle_timeout: config.idle_timeout() + touch_interval,
        max_payload,
    }
}

/// Whose turn it is to save a session.
#[derive(Debug, Default)]
struct Turns {
    busy: RefCell<HashSet<SessionId>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Turns {
    /// Waits until no other save of `id` runs, and keeps others out until the turn is dropped.
    async fn take(&self, id: SessionId) -> Turn<'_> {
        poll_fn(|context| {
            if self.busy.borrow_mut().insert(id) {
                return Poll::Ready(Turn { turns: self, id });
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// A save's turn; over when it is dropped.
struct Turn<'t> {
    turns: &'t Turns,
    id: SessionId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.busy.borrow_mut().remove(&self.id);
        let waiting = std::mem::take(&mut *self.turns.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }
}
