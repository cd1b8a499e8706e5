//! A driver over a handler: storage that the application wrote in JavaScript, with `read`, `write`, `destroy`, `gc`.
//!
//! A handler offers no compare and swap, so this reads again before it writes; the manager lets only one save of a
//! session run at a time. Expiry is the handler's own matter.
//!
//! Compat: the handlers of node-session, and custom ones given to `registerHandler`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use hashlink::LruCache;

use super::lease::Leases;
use super::{
    Acquired, Answer, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced, Sweep,
    Touched,
};
use crate::clock::Millis;
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

/// How many sessions' last activity is remembered. One that is forgotten is recorded again a little early.
const REMEMBERED: usize = 10_000;

/// What a handler can do.
pub trait Handler: fmt::Debug {
    /// The stored text; `None` for none and for the empty text.
    fn read(&self, id: &SessionId) -> Answer<Option<Arc<str>>>;

    /// Stores a text. `exists` says whether there is a record of that id now.
    fn write(&self, id: &SessionId, payload: &Arc<str>, exists: bool) -> Answer<()>;

    /// Records activity of a record that is there; `payload` is what it holds. Where a handler knows no other way, it is
    /// written again.
    fn touch(&self, id: &SessionId, payload: &Arc<str>) -> Answer<()>;

    /// Removes the record.
    fn destroy(&self, id: &SessionId) -> Answer<()>;

    /// Lets the handler remove what is older than `max_age`; nothing is waited for.
    fn collect_garbage(&self, max_age: Millis) -> Result<()>;
}

/// What a handler cannot keep, as far as this process knows it: when sessions were last active, and who has their leases.
pub struct Activity {
    last: RefCell<LruCache<SessionId, Millis>>,
    leases: RefCell<Leases>,
}

impl Default for Activity {
    fn default() -> Self {
        Activity {
            last: RefCell::new(LruCache::new(REMEMBERED)),
            leases: RefCell::default(),
        }
    }
}

impl Activity {
    /// Sessions of which something is remembered.
    pub fn size(&self) -> usize {
        self.last.borrow().len() + self.leases.borrow().len()
    }

    fn record(&self, id: SessionId, now: Millis) {
        self.last.borrow_mut().insert(id, now);
    }

    fn last(&self, id: &SessionId) -> Millis {
        self.last.borrow_mut().get(id).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activity({} sessions)", self.last.borrow().len())
    }
}

/// The driver over one handler.
#[derive(Clone, Debug)]
pub struct HandlerDriver {
    handler: Rc<dyn Handler>,
    activity: Rc<Activity>,
    max_age: Millis,
}

impl HandlerDriver {
    /// A driver over `handler`; `max_age` is what `gc` is called with.
    pub fn new(handler: Rc<dyn Handler>, activity: Rc<Activity>, max_age: Millis) -> Self {
        HandlerDriver {
            handler,
            activity,
            max_age,
        }
    }

    async fn write(
        self,
        id: SessionId,
        payload: Arc<str>,
        exists: bool,
        now: Millis,
    ) -> Result<()> {
        self.handler.write(&id, &payload, exists).await?;
        self.activity.record(id, now);
        Ok(())
    }
}

impl Driver for HandlerDriver {
    fn load(&self, id: &SessionId, _now: Millis) -> Answer<Option<Record>> {
        let (driver, id) = (self.clone(), *id);
        Answer::later(async move {
            let payload = driver.handler.read(&id).await?;
            let last_activity = driver.activity.last(&id);
            Ok(payload.map(|payload| Record {
                payload,
                last_activity,
            }))
        })
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        let (driver, id, payload) = (self.clone(), *id, payload.clone());
        Answer::later(async move {
            if driver.handler.read(&id).await?.is_some() {
                return Ok(Created::Exists);
            }
            driver.write(id, payload, false, now).await?;
            Ok(Created::Created)
        })
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        let (driver, id) = (self.clone(), *id);
        let (expected, payload) = (expected.clone(), payload.clone());
        Answer::later(async move {
            match driver.handler.read(&id).await? {
                None => Ok(Replaced::Gone),
                Some(current) if current != expected => Ok(Replaced::Conflict(current)),
                Some(_) => {
                    driver.write(id, payload, true, now).await?;
                    Ok(Replaced::Replaced)
                }
            }
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        let (driver, id, expected) = (self.clone(), *id, expected.clone());
        Answer::later(async move {
            match driver.handler.read(&id).await? {
                None => Ok(Removed::Gone),
                Some(current) if current != expected => Ok(Removed::Conflict(current)),
                Some(_) => {
                    driver.handler.destroy(&id).await?;
                    Ok(Removed::Removed)
                }
            }
        })
    }

    /// A handler is asked whether there is a record before, since many record activity by writing what is stored again.
    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        let (driver, id) = (self.clone(), *id);
        Answer::later(async move {
            match driver.handler.read(&id).await? {
                None => Ok(Touched::Gone),
                Some(current) => {
                    driver.handler.touch(&id, &current).await?;
                    driver.activity.record(id, now);
                    Ok(Touched::Touched)
                }
            }
        })
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        self.handler.destroy(id)
    }

    fn sweep(&self, _cutoff: Millis, _limit: usize) -> Answer<Sweep> {
        let swept = self.handler.collect_garbage(self.max_age);
        Answer::now(swept.map(|()| Sweep {
            removed: 0,
            done: true,
        }))
    }

    /// A handler is never asked what it has stored: node-session's cannot tell.
    fn scan(&self, _after: Option<&Cursor>, _limit: usize) -> Answer<Page> {
        let message = "the sessions of a handler cannot be listed";
        Answer::now(Err(Error::new(Code::Read, message)))
    }

    /// A handler has no locks, so a lease keeps out only requests of the same NodeSession.
    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        let mut leases = self.activity.leases.borrow_mut();
        Answer::now(Ok(leases.acquire(id, owner, lease, now)))
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        self.activity.leases.borrow_mut().release(id, owner);
        Answer::now(Ok(()))
    }

    fn shares_leases(&self) -> bool {
        false
    }
}
