//! One per NodeSession: opens sessions from cookies, makes cookies for them, and closes them.
//!
//! Joins the rings, which do not know each other. What a driver reports as a conflict is retried in `save`, once for
//! all drivers.

mod bounded;
mod breaker;
mod creating;
mod deadline;
mod ended;
mod guarded;
mod guests;
mod lock;
mod moving;
mod open;
mod parsed;
mod queue;
mod rebase;
mod save;
mod sizes;
mod stats;
mod sweep;
#[cfg(test)]
mod tests;
mod timer;
mod turns;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::{Clock, Millis};
use crate::config::{Config, TouchDefault};
use crate::cookie::keyring::Keyring;
use crate::cookie::write::{CookieWriter, encode, wire_value};
use crate::cookie::{CookieOptions, header};
use crate::driver::handler::{Activity, Handler, HandlerDriver};
use crate::driver::{self, Bounds, Driver};
use crate::error::{Code, Error, Result};
use crate::payload::{Form, Loaded, Sealer};
use crate::session::{Cookie, Session, Stage};
use crate::session_id::SessionId;

use breaker::Breaker;
use creating::Creating;
use ended::Ended;
use guarded::Guarded;
pub use guests::Guest;
use guests::Guests;
pub use lock::Lock;
pub use moving::Carried;
pub use open::{Opened, Settled, Visiting};
use parsed::Parsed;
use queue::Queues;
pub use save::{AtOnce, Saved, Saving};
pub use stats::Stats;
use turns::Turns;

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

/// The built-in driver's number among the storages of a manager.
const BUILT_IN: u32 = 0;

/// Where and in which form one session is stored.
#[derive(Clone)]
pub struct Backing {
    /// The storage.
    pub driver: Rc<dyn Driver>,
    /// The form of its payloads.
    pub codec: Rc<dyn Codec>,
    /// How long activity may go unrecorded.
    pub touch_interval: Millis,
    /// It is a handler's, which has no compare and swap of its own.
    pub is_handler: bool,
    /// The session's lock, in lock mode.
    pub lock: Option<Rc<Lock>>,
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

/// The engine behind one NodeSession.
#[derive(Debug)]
pub struct Manager {
    /// The checked options.
    pub config: Config,
    keyring: Keyring,
    writer: CookieWriter,
    form: Rc<Form>,
    clock: Clock,
    built_in: RefCell<Option<Result<Backing>>>,
    breaker: Rc<Breaker>,
    activity: Rc<Activity>,
    is_sweeping: Cell<bool>,
    /// Until when there is no sweep.
    rests_until: Cell<Millis>,
    /// What has happened so far.
    pub stats: Stats,
    luck: Cell<u64>,
    turns: Turns,
    /// Who waits for which session's lock.
    queues: Rc<Queues>,
    /// Ids that have been sent to a visitor, perhaps, while their records are being made.
    creating: Creating,
    parsed: Parsed,
    /// Operations that wait for storage.
    under_way: Cell<usize>,
    ended: Ended,
    /// Sessions of other libraries that were loaded or saved lately.
    guests: Guests,
}

impl Manager {
    /// A manager for checked options.
    pub fn new(config: Config, clock: Clock) -> Result<Self> {
        driver::check(&config)?;
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
            breaker: Rc::new(Breaker::new(clock.clone())),
            clock,
            built_in: RefCell::default(),
            activity: Rc::default(),
            is_sweeping: Cell::new(false),
            rests_until: Cell::default(),
            stats: Stats::default(),
            luck: Cell::new(sweep::seed()),
            turns: Turns::default(),
            creating: Creating::default(),
            queues: Rc::default(),
            parsed: Parsed::default(),
            under_way: Cell::new(0),
            ended: Ended::default(),
            guests: Guests::default(),
            config,
        })
    }

    /// The built-in storage in the configured form.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` when there is no driver of that name: in the original's words.
    pub fn built_in(&self) -> Result<Backing> {
        if let Some(made) = &*self.built_in.borrow() {
            return made.clone();
        }
        let made = self.make_built_in();
        *self.built_in.borrow_mut() = Some(made.clone());
        made
    }

    /// A sentence that the application should be warned with, once: the built-in driver learnt of it while it was used.
    pub fn take_warning(&self) -> Option<String> {
        let made = self.built_in.borrow();
        made.as_ref()?.as_ref().ok()?.driver.take_warning()
    }

    /// Closes connections to servers as soon as nothing is under way on them. The next operation makes new ones.
    pub fn disconnect(&self) {
        let has_connections =
            |made: &mut Result<Backing>| matches!(made, Ok(made) if made.driver.has_connections());
        self.built_in.borrow_mut().take_if(has_connections);
    }

    fn make_built_in(&self) -> Result<Backing> {
        let built_in = driver::find(&self.config)?;
        let touch_interval = self.config.touch_interval(built_in.touch);
        let driver = (built_in.make)(&self.config, bounds(&self.config, touch_interval))?;
        Ok(Backing {
            driver: self.guarded(Rc::from(driver), BUILT_IN),
            codec: self.form.clone(),
            touch_interval,
            is_handler: false,
            lock: None,
        })
    }

    /// A handler written in JavaScript as storage, in the configured form. It is known by its `number`, 1 or more, when it
    /// hangs.
    pub fn over_handler(&self, handler: Rc<dyn Handler>, number: u32) -> Backing {
        let max_age = self.config.idle_timeout();
        let driver = HandlerDriver::new(handler, self.activity.clone(), max_age);
        Backing {
            driver: self.guarded(Rc::new(driver), number),
            codec: self.form.clone(),
            touch_interval: self.config.touch_interval(TouchDefault::Seldom),
            is_handler: true,
            lock: None,
        }
    }

    /// How long a record that a handler keeps has to live after its activity was recorded: longer than any session whose
    /// latest activity goes unrecorded may need it.
    pub fn record_lifetime(&self) -> Millis {
        self.config.idle_timeout() + self.config.touch_interval(TouchDefault::Seldom)
    }

    /// A driver that is left alone for a while when it has stopped answering.
    fn guarded(&self, driver: Rc<dyn Driver>, number: u32) -> Rc<dyn Driver> {
        let shorter = self.config.read_timeout.min(self.config.save_timeout);
        Rc::new(Guarded {
            driver: driver::as_tested(driver),
            breaker: self.breaker.clone(),
            number,
            patience: Millis(shorter.0 / 2),
        })
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
            Cookie::Removed => return Some(self.writer.expired_cookie()),
        };
        let is_due = is_due && !self.ended.has(&session.id());
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

    fn too_large(&self, what: &str) -> Error {
        Error::new(
            Code::TooLarge,
            format!("{what} larger than {} bytes", self.config.max_bytes),
        )
    }
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
        read_patience: patience(config.read_timeout),
        write_patience: patience(config.save_timeout),
    }
}

/// How long a driver waits for what others hold, so that it is the driver that says so in the end.
fn patience(limit: Millis) -> Millis {
    Millis(limit.0 - (limit.0 / 20).max(1))
}
