//! Guests: sessions of another library, such as express-session, kept as records of ours. Each has an end of its own.
//!
//! A guest is stored whole: the last one that is written stands, and one that was removed may be written again.
//!
//! ```text
//! {"expressSession":1,"until":null,"id":"…","session":{…}}     what is stored; the library gave all but the first two
//! ```
//!
//! A guest's last activity lies as far before its end as the idle timeout is long. So it is loaded and swept like any other
//! record, and a touch carries no payload. Only a guest whose end was moved forward, which no touch can record, has its end
//! in the text: `until`, in milliseconds since 1970.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use hashlink::LruCache;

use super::open::is_about_record;
use super::{Backing, Manager, Stats};
use crate::clock::Millis;
use crate::driver::{Created, Record, Replaced, Touched};
use crate::error::Result;
use crate::session_id::SessionId;

/// How every guest's text begins, up to its `until`.
const HEAD: &str = r#"{"expressSession":1,"until":"#;
/// Guests whose records are remembered between their load and their save. Another process's change is found out by the save.
const REMEMBERED: usize = 1_000;
/// Longest payload that is remembered. Units: bytes.
const MEMORABLE: usize = 64 * 1024;

/// A guest as it is stored.
#[derive(Debug)]
pub struct Guest {
    /// The text that its library gave.
    pub text: Arc<str>,
    /// When it ends.
    pub end: Millis,
}

/// A record of a guest, and what its text says of its end.
#[derive(Clone)]
struct Known {
    record: Record,
    until: Option<Millis>,
}

/// The guests that were loaded or saved lately.
pub(super) struct Guests(RefCell<LruCache<SessionId, Known>>);

impl Default for Guests {
    fn default() -> Self {
        Guests(RefCell::new(LruCache::new(REMEMBERED)))
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guests({} known)", self.0.borrow().len())
    }
}

impl Guests {
    fn remember(&self, id: &SessionId, known: &Known) {
        let mut guests = self.0.borrow_mut();
        match known.record.payload.len() <= MEMORABLE {
            true => guests.insert(*id, known.clone()),
            false => guests.remove(id),
        };
    }

    fn find(&self, id: &SessionId) -> Option<Known> {
        self.0.borrow_mut().get(id).cloned()
    }

    fn forget(&self, id: &SessionId) {
        self.0.borrow_mut().remove(id);
    }

    /// Notes a touch.
    fn touched(&self, id: &SessionId, activity: Millis) {
        if let Some(known) = self.0.borrow_mut().get_mut(id) {
            known.record.last_activity = known.record.last_activity.max(activity);
        }
    }
}

impl Manager {
    /// The guest under `id`, unless it has ended. What is stored there by somebody else is no guest.
    pub async fn read_guest(&self, id: &SessionId, backing: &Backing) -> Result<Option<Guest>> {
        let limit = self.config.read_timeout;
        let found = self.within(
            limit,
            "cannot read the session",
            self.load_guest(id, backing),
        );
        let found = found.await?;
        if found.is_err() {
            Stats::count(&self.stats.read_errors);
        }
        Ok(found?.map(|(known, text)| Guest {
            end: self.end_of(&known),
            text,
        }))
    }

    /// Stores a guest that ends at `end`, or after the idle timeout, whatever is stored under its id. One that has ended
    /// is removed.
    pub async fn write_guest(
        &self,
        id: &SessionId,
        text: &str,
        end: Option<Millis>,
        backing: &Backing,
    ) -> Result<()> {
        let limit = self.config.save_timeout;
        let now = self.clock.now();
        let end = end.unwrap_or_else(|| now + self.config.idle_timeout());
        if end <= now {
            return self.remove_guest(id, backing).await;
        }
        let writing = self.put_guest(id, text, end, backing);
        let written = self.within(limit, "cannot save the session", writing);
        self.counted(written.await)
    }

    /// Lets a guest end at `end`, or after the idle timeout. Where there is none, nothing happens.
    pub async fn touch_guest(
        &self,
        id: &SessionId,
        end: Option<Millis>,
        backing: &Backing,
    ) -> Result<()> {
        let limit = self.config.save_timeout;
        let now = self.clock.now();
        let end = end.unwrap_or_else(|| now + self.config.idle_timeout());
        if end <= now {
            return self.remove_guest(id, backing).await;
        }
        let touched = self.within(
            limit,
            "cannot touch the session",
            self.prolong_guest(id, end, backing),
        );
        self.counted(touched.await)
    }

    /// Removes what is stored under `id`.
    pub async fn remove_guest(&self, id: &SessionId, backing: &Backing) -> Result<()> {
        let removing = async {
            // A save that was asked for before must not bring it back.
            let _turn = self.turns.take(*id).await;
            self.guests.forget(id);
            backing.driver.destroy(id).await
        };
        let limit = self.config.save_timeout;
        let removed = self.within(limit, "cannot remove the session", removing);
        self.counted(removed.await)
    }

    fn counted(&self, written: Result<Result<()>>) -> Result<()> {
        let written = written.and_then(|written| written);
        if written.is_err() {
            Stats::count(&self.stats.write_errors);
        }
        written
    }

    /// When a guest ends, as far as that is recorded.
    fn end_of(&self, known: &Known) -> Millis {
        let recorded = known.record.last_activity + self.config.idle_timeout();
        known.until.unwrap_or(recorded)
    }

    /// A touch that is not recorded yet may have let it end a little later.
    fn is_over(&self, known: &Known, now: Millis, backing: &Backing) -> bool {
        let grace = match known.until {
            Some(_) => Millis(0),
            None => backing.touch_interval,
        };
        self.end_of(known) + grace <= now
    }

    async fn load_guest(
        &self,
        id: &SessionId,
        backing: &Backing,
    ) -> Result<Option<(Known, Arc<str>)>> {
        self.guests.forget(id);
        let now = self.clock.now();
        let Some(record) = backing.driver.load(id, now).await? else {
            return Ok(None);
        };
        let stored = backing.codec.to_text(id, &record.payload)?.text;
        if stored.len() > self.config.max_bytes {
            return Err(self.too_large("a stored session is"));
        }
        let Some((until, text)) = split(&stored) else {
            return Ok(None);
        };
        let known = Known { record, until };
        self.guests.remember(id, &known);
        let is_live = !self.is_over(&known, now, backing);
        Ok(is_live.then_some((known, text)))
    }

    async fn put_guest(
        &self,
        id: &SessionId,
        text: &str,
        end: Millis,
        backing: &Backing,
    ) -> Result<()> {
        let _turn = self.turns.take(*id).await;
        let activity = end - self.config.idle_timeout();
        let mut known = self.guests.find(id).map(|known| known.record);
        loop {
            let earlier = known.as_ref().map(|record| record.last_activity);
            let last_activity = earlier.map_or(activity, |earlier| earlier.max(activity));
            let until = (last_activity > activity).then_some(end);
            let payload = self.payload(backing, id, &Arc::from(join(until, text)))?;
            let is_stored = match &known {
                None => {
                    let created = backing.driver.create(id, &payload, activity).await?;
                    created == Created::Created
                }
                Some(record) => {
                    let expected = &record.payload;
                    let replaced = backing.driver.replace(id, expected, &payload, activity);
                    match replaced.await {
                        // Somebody has damaged what was stored.
                        Err(error) if is_about_record(&error) => false,
                        replaced => replaced? == Replaced::Replaced,
                    }
                }
            };
            if is_stored {
                let record = Record {
                    payload,
                    last_activity,
                };
                self.guests.remember(id, &Known { record, until });
                return Ok(());
            }
            known = self.in_the_way(id, backing).await?;
        }
    }

    /// The record under `id`. One that nobody can load any more, or ever, is removed.
    async fn in_the_way(&self, id: &SessionId, backing: &Backing) -> Result<Option<Record>> {
        match backing.driver.load(id, self.clock.now()).await {
            Ok(Some(record)) => return Ok(Some(record)),
            Ok(None) => {}
            Err(error) if is_about_record(&error) => {}
            Err(error) => return Err(error),
        }
        backing.driver.destroy(id).await?;
        Ok(None)
    }

    async fn prolong_guest(&self, id: &SessionId, end: Millis, backing: &Backing) -> Result<()> {
        let activity = end - self.config.idle_timeout();
        // Another process may have moved the end forward since it was loaded, which a touch would not notice.
        let is_own = !backing.driver.shares_leases();
        let known = match self.guests.find(id).filter(|_| is_own) {
            Some(known) => known,
            None => match self.load_guest(id, backing).await? {
                Some((known, _)) => known,
                None => return Ok(()),
            },
        };
        let recorded = known.record.last_activity;
        if known.until.is_some() || activity < recorded {
            return self.reset_end(id, end, backing).await;
        }
        if activity == recorded || activity < recorded + backing.touch_interval {
            return Ok(());
        }
        match backing.driver.touch(id, activity).await? {
            Touched::Touched => self.guests.touched(id, activity),
            Touched::Gone => self.guests.forget(id),
        }
        Ok(())
    }

    /// Writes the end of a guest into its text.
    async fn reset_end(&self, id: &SessionId, end: Millis, backing: &Backing) -> Result<()> {
        let _turn = self.turns.take(*id).await;
        let activity = end - self.config.idle_timeout();
        while let Some((known, text)) = self.load_guest(id, backing).await? {
            let last_activity = known.record.last_activity.max(activity);
            let until = (last_activity > activity).then_some(end);
            let payload = self.payload(backing, id, &Arc::from(join(until, &text)))?;
            let expected = &known.record.payload;
            let replaced = backing.driver.replace(id, expected, &payload, activity);
            if replaced.await? == Replaced::Replaced {
                let record = Record {
                    payload,
                    last_activity,
                };
                self.guests.remember(id, &Known { record, until });
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The text to store for a guest's own, which is an object's.
fn join(until: Option<Millis>, text: &str) -> String {
    let members = text.strip_prefix('{').unwrap_or(text);
    match until {
        Some(Millis(until)) => format!("{HEAD}{until},{members}"),
        None => format!("{HEAD}null,{members}"),
    }
}

/// A guest's own text and its `until`; `None` for what is no guest's.
fn split(stored: &str) -> Option<(Option<Millis>, Arc<str>)> {
    let (until, members) = stored.strip_prefix(HEAD)?.split_once(',')?;
    let until = match until {
        "null" => None,
        millis => Some(Millis(millis.parse().ok()?)),
    };
    Some((until, Arc::from(format!("{{{members}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_split_as_it_was_joined() {
        let text = r#"{"id":"a,b","session":{"until":1}}"#;
        for until in [None, Some(Millis(0)), Some(Millis(1_795_000_000_000))] {
            let (found, own) = split(&join(until, text)).unwrap();
            assert_eq!((found, &*own), (until, text));
        }
    }

    #[test]
    fn what_somebody_else_stored_is_no_guest() {
        for stored in [
            "",
            "{}",
            r#"{"until":null,"id":"a","session":{}}"#,
            r#"{"expressSession":1,"until":x,"id":"a"}"#,
            r#"{"expressSession":1,"until":null}"#,
        ] {
            assert!(split(stored).is_none(), "{stored}");
        }
    }
}
