//! Opening: from an id to a session with its record, or to a new one.

use std::sync::Arc;

use super::stats::Stats;
use super::{Backing, Manager};
use crate::driver::{Answer, Record, Visited};
use crate::error::{Code, Error, Result};
use crate::panics::{caught, point};
use crate::session::text::Fault;
use crate::session::{Base, Live, Session, Stage, Stored, Thrown};
use crate::session_id::SessionId;

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

/// A record that the storage has been asked for.
pub type Visiting = Answer<Option<Visited>>;

impl Manager {
    /// What loading a session's record finds where nothing has to be waited for; or else what the storage has been asked for
    /// already, for [`Manager::load`].
    pub fn load_at_once(
        &self,
        session: &Session,
        backing: &Backing,
    ) -> std::result::Result<Opened, Option<Visiting>> {
        let id = session.id();
        if backing.lock.is_some() || self.creating.has(&id) {
            return Err(None);
        }
        session.stage.set(Stage::Loading);
        match self.visiting(&id, backing) {
            Answer::Ready(Some(visited)) => Ok(caught(|| self.opened(id, backing, visited))
                .unwrap_or_else(|panicked| {
                    Opened::Failed(panicked.error("the session could not be opened"))
                })),
            later => Err(Some(later)),
        }
    }

    fn visiting(&self, id: &SessionId, backing: &Backing) -> Visiting {
        let (now, interval) = (self.clock.now(), backing.touch_interval);
        backing.driver.visit(id, now, interval)
    }

    /// Loads a session's record, however long that takes; the storage may have been asked for it already.
    pub(super) async fn open(
        &self,
        session: &Session,
        backing: &Backing,
        visiting: Option<Visiting>,
    ) -> Opened {
        session.stage.set(Stage::Loading);
        let id = session.id();
        let visiting = match visiting {
            Some(visiting) => visiting,
            None => {
                // A visitor who was just given this id must not be given another one because its record is on its way.
                self.creating.done(&id).await;
                self.visiting(&id, backing)
            }
        };
        self.opened(id, backing, visiting.await)
    }

    /// What the storage's answer means.
    fn opened(&self, id: SessionId, backing: &Backing, visited: Result<Option<Visited>>) -> Opened {
        let visited = match visited {
            Ok(Some(visited)) => visited,
            Ok(None) => return Opened::Fresh,
            Err(error) if is_about_record(&error) => return self.corrupt(error),
            Err(error) => {
                Stats::count(&self.stats.read_errors);
                return Opened::Failed(error);
            }
        };
        let Visited {
            record,
            is_recorded,
        } = visited;
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
                    recorded: is_recorded.then(|| self.clock.now()),
                    is_stale,
                    others: None,
                };
                Opened::Found(Box::new((base, stored)))
            }
            Err(error) => self.corrupt(error),
        }
    }

    fn corrupt(&self, error: Error) -> Opened {
        Stats::count(&self.stats.corrupt);
        Opened::Corrupt(error)
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
        let settled = caught(|| {
            point("settle");
            self.let_count(session, live, opened)
        });
        settled.unwrap_or_else(|panicked| {
            session.stage.set(Stage::Detached);
            let error = panicked.error("the session could not be opened");
            Ok(Settled::Detached(error))
        })
    }

    fn let_count<L: Live>(
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
            Opened::Corrupt(error) if self.config.fail_on_corrupt => {
                (false, Settled::Detached(error))
            }
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
        point("unseal");
        let loaded = backing.codec.to_text(id, payload)?;
        if loaded.text.len() > self.config.max_bytes {
            return Err(self.too_large("a stored session is"));
        }
        if let Some(base) = self.parsed.find(id, &loaded.text) {
            return Ok((base, loaded.stale));
        }
        match Base::parse(loaded.text, self.config.max_depth) {
            Ok(base) => {
                self.parsed.remember(id, &base);
                Ok((base, loaded.stale))
            }
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
}

/// Whether an error says that the record is bad, rather than that the storage is.
pub(super) fn is_about_record(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Corrupt | Code::Decrypt | Code::TooLarge | Code::Depth
    )
}
