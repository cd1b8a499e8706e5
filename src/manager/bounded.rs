//! What the binding asks of the storage, each within its time: the thin shell around opening and saving.

use std::pin::pin;
use std::sync::Arc;

use super::{Backing, Manager, Opened, Saved, Saving, Stats, Visiting};
use crate::error::Result;
use crate::session::{Plan, Session, Stage};
use crate::session_id::SessionId;

/// How errors about time begin.
const READING: &str = "cannot read the session";
const SAVING: &str = "cannot save the session";
const REMOVING: &str = "cannot remove the session";

impl Manager {
    /// Loads a session's record within `readTimeout`, in lock mode when it is this request's turn. What was found counts
    /// from [`Manager::settle`] on.
    pub async fn load(&self, session: &Session, backing: &Backing) -> Opened {
        self.go_on_loading(session, backing, None).await
    }

    /// The same, where [`Manager::load_at_once`] has asked the storage already.
    pub async fn go_on_loading(
        &self,
        session: &Session,
        backing: &Backing,
        visiting: Option<Visiting>,
    ) -> Opened {
        if let Some(lock) = &backing.lock {
            session.stage.set(Stage::Loading);
            // In a box, so that loads without a lock have no room for it.
            let acquiring = Box::pin(self.acquire(session.id(), lock, &backing.driver));
            if let Err(error) = acquiring.await {
                return Opened::Failed(error);
            }
        }
        let limit = self.config.read_timeout;
        // Pinned here: a future that is handed on by value takes its place twice.
        let opening = pin!(self.open(session, backing, visiting));
        match self.within(limit, READING, opening).await {
            Ok(opened) => opened,
            Err(error) => {
                Stats::count(&self.stats.read_errors);
                Opened::Failed(error)
            }
        }
    }

    /// Stores what `plan` says within `saveTimeout`. Saves of one session take turns.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_TIMEOUT` also stands for a write whose outcome is not known.
    pub async fn save(
        &self,
        session: &Session,
        saving: &mut Saving,
        backing: &Backing,
    ) -> Result<Saved> {
        if let (Err(_), Plan::Write(snapshot)) = (self.check_room(SAVING), &saving.plan) {
            session.keep_unsaved(snapshot.change.clone());
        }
        let storing = pin!(self.store(session, saving, backing));
        match self.within(self.config.save_timeout, SAVING, storing).await {
            Ok(saved) => saved,
            Err(error) => {
                Stats::count(&self.stats.write_errors);
                if !session.is_stored() {
                    session.withhold_cookie();
                }
                Err(error)
            }
        }
    }

    /// Ends a session for good, within `saveTimeout`: removes its record, whatever other requests are doing to it.
    pub async fn destroy(&self, session: &Session, backing: &Backing) -> Result<()> {
        let removing = self.end(session, backing);
        let limit = self.config.save_timeout;
        match self.within(limit, REMOVING, removing).await {
            Ok(destroyed) => destroyed,
            Err(late) => {
                // Even if it was refused before it began, the visitor's cookie goes.
                session.end();
                Stats::count(&self.stats.write_errors);
                Err(late)
            }
        }
    }

    /// The text stored under `id`, in whatever form it is, for a JavaScript-visible handler.
    pub async fn read_record(&self, id: &SessionId, backing: &Backing) -> Result<Option<Arc<str>>> {
        let loading = backing.driver.load(id, self.clock.now());
        let record = self
            .within(self.config.read_timeout, READING, loading)
            .await??;
        Ok(record.map(|record| record.payload))
    }

    /// Stores a text under `id`, whatever is there, for a JavaScript-visible handler.
    pub async fn write_record(
        &self,
        id: &SessionId,
        text: &Arc<str>,
        backing: &Backing,
    ) -> Result<()> {
        let writing = self.overwrite(id, text, backing);
        self.within(self.config.save_timeout, SAVING, writing)
            .await?
    }

    /// Removes what is stored under `id`, for a JavaScript-visible handler.
    pub async fn destroy_record(&self, id: &SessionId, backing: &Backing) -> Result<()> {
        let removing = backing.driver.destroy(id);
        self.within(self.config.save_timeout, REMOVING, removing)
            .await?
    }
}
