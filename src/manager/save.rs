//! Closing: what a request changed goes to the storage, on top of whatever is there by then.

use std::sync::Arc;

use super::{Backing, Manager, Stats};
use crate::clock::{self, Millis};
use crate::driver::{Answer, Touched};
use crate::error::{Code, Error, Result};
use crate::panics::{caught, point};
use crate::session::{Cookie, Live, Moment, Plan, Session, Stage, Unsavable};
use crate::session_id::SessionId;

/// How often a save is tried on a record that others keep changing.
pub(super) const MAX_CONFLICTS: usize = 1_000;

/// A request that was recorded as it began is recorded once more at its end, unless that was so long ago at most: its session is
/// silent from the end on, and may have gone meanwhile.
const SHORT: Millis = Millis(100);

/// What saving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Everything there was to store is stored.
    Done,
    /// The same, but for changes in place to what another request had removed meanwhile.
    Dropped,
    /// The record went while the request ran; nothing was stored.
    Gone,
}

/// A save that has been begun.
#[derive(Debug)]
pub struct Saving {
    /// What is to be stored.
    pub(super) plan: Plan,
    /// The storage has been asked to record the activity.
    touching: Option<Answer<Touched>>,
}

/// How far a save has come when it has not been waited for.
#[derive(Debug)]
pub enum AtOnce {
    /// To its end.
    Over(Result<Saved>),
    /// Not so far: [`Manager::save`] goes on with it.
    Begun(Saving),
}

impl From<Plan> for Saving {
    fn from(plan: Plan) -> Self {
        let touching = None;
        Saving { plan, touching }
    }
}

/// What a save tells. What a save by hand did not store is told once more when the response ends, as an event.
fn told(session: &Session, saved: Saved) -> Saved {
    match saved {
        Saved::Gone => session.is_gone.set(true),
        Saved::Dropped => session.has_dropped.set(true),
        Saved::Done => {}
    }
    let is_over = session.stage.get() == Stage::Closed;
    match saved {
        _ if is_over && session.is_gone.get() => Saved::Gone,
        Saved::Done if is_over && session.has_dropped.get() => Saved::Dropped,
        Saved::Dropped if !is_over => Saved::Done,
        saved => saved,
    }
}

impl Manager {
    /// Works out what has to be stored.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_DEPTH`, and `ERR_SESSION_SERIALIZE` with what JavaScript threw still pending.
    pub fn plan<L: Live>(
        &self,
        session: &Session,
        live: &L,
        moment: Moment,
    ) -> Result<Plan, (Unsavable, Error)> {
        let planned = caught(|| {
            point("plan");
            // JavaScript's getters may run.
            clock::while_time_goes_on(|| session.plan(live, self.config.max_depth, moment))
        });
        let plan = planned.unwrap_or_else(|_| {
            if moment == Moment::Ended {
                session.stage.set(Stage::Closed);
            }
            Err(Unsavable::Panicked)
        });
        plan.map_err(|why| {
            if !session.is_stored() {
                session.withhold_cookie();
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
            Unsavable::Panicked => (
                Code::Internal,
                "what the request changed could not be worked out".to_owned(),
            ),
        };
        Error::new(code, message)
    }

    /// Stores what `plan` says where nothing has to be waited for.
    pub fn save_at_once(&self, session: &Session, plan: Plan, backing: &Backing) -> AtOnce {
        let is_simple = matches!(plan, Plan::Touch)
            && !backing.is_handler
            && session.identity.borrow().doomed.is_empty();
        if !is_simple {
            return AtOnce::Begun(plan.into());
        }
        let Some(now) = self.due(session, backing) else {
            return AtOnce::Over(Ok(told(session, Saved::Done)));
        };
        match backing.driver.touch(&session.id(), now) {
            Answer::Ready(Some(result)) => {
                let saved = result.map(|result| self.touched(session, result));
                self.note(session, &saved);
                AtOnce::Over(saved.map(|saved| told(session, saved)))
            }
            later => AtOnce::Begun(Saving {
                plan,
                touching: Some(later),
            }),
        }
    }

    /// Stores what is to be stored, however long that takes. Saves of one session take turns.
    pub(super) async fn store(
        &self,
        session: &Session,
        saving: &mut Saving,
        backing: &Backing,
    ) -> Result<Saved> {
        let saved = match &mut saving.plan {
            Plan::Drop { changed: false } => Ok(Saved::Done),
            Plan::Drop { changed: true } => {
                let lost = "a session that could not be read was changed, and is not saved";
                return Err(Error::new(Code::Write, lost));
            }
            // In boxes: memory of more than a thousand bytes at once takes the allocator several times as long.
            Plan::Touch => Box::pin(self.touch(session, backing, saving.touching.take())).await,
            Plan::Write(snapshot) => Box::pin(self.write(session, snapshot, backing)).await,
        };
        self.note(session, &saved);
        let saved = saved?;
        let has_doomed = !session.identity.borrow().doomed.is_empty();
        if has_doomed {
            Box::pin(self.destroy_doomed(session, backing)).await?;
        }
        Ok(told(session, saved))
    }

    /// Notes how a save ended.
    fn note(&self, session: &Session, saved: &Result<Saved>) {
        match saved {
            Ok(Saved::Done | Saved::Dropped) => {}
            Ok(Saved::Gone) => {
                Stats::count(&self.stats.gone);
                for id in session.has_gone() {
                    self.ended.remember(id);
                }
            }
            Err(_) => {
                Stats::count(&self.stats.write_errors);
                if !session.is_stored() {
                    session.withhold_cookie();
                }
            }
        }
    }

    /// Removes the records that have to go. One that cannot be removed stays on the list, for the next save.
    async fn destroy_doomed(&self, session: &Session, backing: &Backing) -> Result<()> {
        let doomed = session.identity.borrow().doomed.clone();
        let mut failed = Ok(());
        for id in doomed {
            if session.needs(&id) {
                continue;
            }
            // Saves that came before end first, so that none of them can make the record anew.
            let _turn = self.turns.take(id).await;
            if !session.identity.borrow().doomed.contains(&id) {
                continue;
            }
            match backing.driver.destroy(&id).await {
                Ok(()) => {
                    let mut identity = session.identity.borrow_mut();
                    identity.doomed.retain(|doomed| *doomed != id);
                    self.has_ended(id);
                }
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    /// Whether the session of an id was destroyed or given up lately.
    pub fn is_ended(&self, id: &SessionId) -> bool {
        self.ended.has(id)
    }

    /// Notes that a record was removed.
    pub(super) fn has_ended(&self, id: SessionId) {
        Stats::count(&self.stats.destroyed);
        self.ended.remember(id);
    }

    /// Ends a session: removes its record, whatever other requests are doing to it.
    pub(super) async fn end(&self, session: &Session, backing: &Backing) -> Result<()> {
        session.end();
        let destroyed = self.destroy_doomed(session, backing).await;
        if destroyed.is_err() {
            Stats::count(&self.stats.write_errors);
        }
        destroyed
    }

    async fn touch(
        &self,
        session: &Session,
        backing: &Backing,
        touching: Option<Answer<Touched>>,
    ) -> Result<Saved> {
        let touching = match touching {
            Some(touching) => touching,
            None => {
                let Some(now) = self.due(session, backing) else {
                    return Ok(Saved::Done);
                };
                let id = session.id();
                if backing.is_handler {
                    // A handler can only touch by reading and writing, which must not undo a save in between.
                    let _turn = self.turns.take(id).await;
                    let touched = backing.driver.touch(&id, now).await?;
                    return Ok(self.touched(session, touched));
                }
                backing.driver.touch(&id, now)
            }
        };
        Ok(self.touched(session, touching.await?))
    }

    /// The instant that is to be recorded as the session's activity; `None` where none is.
    fn due(&self, session: &Session, backing: &Backing) -> Option<Millis> {
        let identity = session.identity.borrow();
        let stored = identity.stored.as_ref();
        let (now, interval) = (self.clock.now(), backing.touch_interval);
        let recorded = stored.and_then(|stored| stored.recorded);
        if let Some(at) = recorded {
            return (at + interval.max(SHORT) <= now).then_some(now);
        }
        let is_due = stored.is_some_and(|stored| stored.last_activity + interval <= now);
        if !is_due {
            session.cookie.set(Cookie::Optional);
        }
        is_due.then_some(now)
    }

    fn touched(&self, session: &Session, touched: Touched) -> Saved {
        if touched == Touched::Gone {
            self.ended.remember(session.id());
            session.withhold_cookie();
        }
        Saved::Done
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
