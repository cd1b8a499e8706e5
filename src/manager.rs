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
use crate::driver::{self, Bounds, Created, Driver, Replaced};
use crate::error::{Code, Error, Result};
use crate::payload::{Form, Loaded, Sealer};
use crate::session::change::Change;
use crate::session::{Base, Plan, Session, Snapshot, Stage, Stored, Unsavable};
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
    /// The session's record. `true` when JavaScript holds the live object already, and it has to be merged.
    Found(bool),
    /// No record: a new session.
    Fresh,
    /// A record that cannot be used. It was left where it is; the session is a new one.
    Corrupt(Error),
    /// The storage could not be read; the session is detached.
    Failed(Error),
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

    /// The `Set-Cookie` text for a session of this id. `wire` is the request's own cookie, to be sent back as it came.
    pub fn set_cookie(&self, id: &SessionId, wire: Option<&str>) -> String {
        let now = self.clock.now();
        match wire {
            Some(wire) => self.writer.set_cookie(wire, now),
            None => self.writer.set_cookie(&wire_value(id, &self.keyring), now),
        }
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

    /// Loads a session's record into it.
    pub async fn load(&self, session: &Session, backing: &Backing) -> Opened {
        session.stage.set(Stage::Loading);
        let id = session.id();
        let record = match backing.driver.load(&id, self.clock.now()).await {
            Ok(Some(record)) => record,
            Ok(None) => {
                return self.start_fresh(
                    session,
                    session.identity.borrow().from_visitor,
                    Opened::Fresh,
                );
            }
            Err(error) if is_about_record(&error) => {
                return self.start_fresh(session, true, Opened::Corrupt(error));
            }
            Err(error) => {
                session.stage.set(Stage::Detached);
                return Opened::Failed(error);
            }
        };
        match self.read_payload(backing, &id, &record.payload) {
            Ok((base, stale)) => {
                let merge = session.attributes.load(base);
                session.identity.borrow_mut().stored = Some(Stored {
                    id,
                    payload: record.payload,
                    last_activity: record.last_activity,
                    is_stale: stale,
                });
                session.stage.set(Stage::Open);
                Opened::Found(merge)
            }
            Err(error) => self.start_fresh(session, true, Opened::Corrupt(error)),
        }
    }

    /// Lets the session be a new one; under a new id where the present one must not be adopted.
    fn start_fresh(&self, session: &Session, rename: bool, opened: Opened) -> Opened {
        if rename && let Err(error) = session.rename(false) {
            session.stage.set(Stage::Detached);
            return Opened::Failed(error);
        }
        session.stage.set(Stage::Open);
        opened
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
            Err(crate::session::text::Fault::TooDeep) => Err(Error::new(
                Code::Depth,
                format!(
                    "a stored session is nested deeper than {} levels",
                    self.config.max_depth
                ),
            )),
            Err(crate::session::text::Fault::Malformed) => Err(Error::new(
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

    /// Why attributes cannot be saved, as an error.
    pub fn unsavable(&self, why: Unsavable) -> Error {
        match why {
            Unsavable::Thrown => {
                Error::new(Code::Serialize, "cannot serialise the session's attributes")
            }
            Unsavable::NotAnObject => Error::new(
                Code::Serialize,
                "the session's attributes do not serialise to an object",
            ),
            Unsavable::TooDeep => Error::new(
                Code::Depth,
                format!(
                    "the session's attributes are nested deeper than {} levels",
                    self.config.max_depth
                ),
            ),
        }
    }

    /// Stores what `plan` says. Saves of one session take turns.
    pub async fn save(&self, session: &Session, plan: Plan, backing: &Backing) -> Result<Saved> {
        let saved = match plan {
            Plan::Drop { changed: false } => return Ok(Saved::Done),
            Plan::Drop { changed: true } => {
                return Err(Error::new(
                    Code::Write,
                    "a session that could not be read was changed, and is not saved",
                ));
            }
            Plan::Touch => self.touch(session, backing).await,
            Plan::Write(snapshot) => {
                let id = self.adopt_or_rename(session, backing).await?;
                let turn = self.turns.take(id).await;
                let written = self.write(session, id, snapshot, backing).await;
                drop(turn);
                written
            }
        };
        let doomed = std::mem::take(&mut session.identity.borrow_mut().doomed);
        for id in doomed {
            backing.driver.destroy(&id).await?;
        }
        saved
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
        let mut random = [0u8; 4];
        if lottery.hits == 0 || self.is_sweeping.get() || getrandom::fill(&mut random).is_err() {
            return false;
        }
        u32::from_le_bytes(random) % lottery.draws < lottery.hits
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
