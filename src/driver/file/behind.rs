//! Sends records that were replaced to the disk, a little behind the replies.
//!
//! A new text waits in memory until the system writes it out, half a minute later. What a power loss would cost until then
//! is not that text alone but the session, since the old text is gone. However often a session is saved, it is sent once a
//! second. Nobody waits for it, and nothing depends on it but that loss: it is no promise.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::folder::Folder;
use super::record;
use crate::session_id::SessionId;
use crate::worker::Lane;

/// From the first replacement to the sending.
const PAUSE: Duration = Duration::from_secs(1);

/// The records that are yet to be sent.
#[derive(Debug)]
pub(super) struct Behind {
    folder: Arc<Folder>,
    lane: Lane,
    ids: Mutex<HashSet<SessionId>>,
}

impl Behind {
    pub(super) fn new(folder: &Arc<Folder>, lane: &Lane) -> Self {
        Self {
            folder: Arc::clone(folder),
            lane: lane.clone(),
            ids: Mutex::default(),
        }
    }

    /// Has a record sent within the next second or so.
    pub(super) fn note(self: &Arc<Self>, id: SessionId) {
        let is_first = {
            let mut ids = self.lock();
            ids.insert(id) && ids.len() == 1
        };
        let this = Arc::clone(self);
        if is_first && !self.lane.later(PAUSE, move || this.send()) {
            // Without threads there is nobody to send them; the system does it in its own time.
            self.lock().clear();
        }
    }

    /// Sends all that were noted. What cannot be sent has been removed, or will not get better by a report.
    fn send(&self) {
        let ids = std::mem::take(&mut *self.lock());
        let Ok(Some(dir)) = self.folder.existing() else {
            return;
        };
        for id in ids {
            let _ = begin_writing(dir.as_fd(), id.as_str());
        }
    }

    /// Held for a look or a store, never across a call to the system.
    fn lock(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the system begin to write a file out, without waiting for it.
#[cfg(target_os = "linux")]
fn begin_writing(dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let file = record::open(dir, name)?;
    let size = rustix::fs::fstat(&file)?.st_size.unsigned_abs();
    // The advice makes Linux begin to write what is not written yet, and forget whole pages that are. So it leaves out the
    // first byte and the last: most records have no whole page then.
    let length = NonZeroU64::new(size.saturating_sub(2));
    rustix::fs::fadvise(
        &file,
        1,
        length.or(NonZeroU64::new(1)),
        rustix::fs::Advice::DontNeed,
    )
}

/// Elsewhere files do not change places, and it is not needed.
#[cfg(not(target_os = "linux"))]
fn begin_writing(_: BorrowedFd<'_>, _: &str) -> Result<(), Errno> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_noted_once_and_forgotten_when_it_is_sent_there_or_not() {
        let root = tempfile::tempdir().unwrap();
        let behind = Arc::new(Behind::new(
            &Arc::new(Folder::new(root.path())),
            &Lane::default(),
        ));
        let ids = ["a", "b", "c"].map(|letter| SessionId::parse(&letter.repeat(40)).unwrap());
        for (id, size) in ids.iter().zip([0, 1, 20_000]) {
            std::fs::write(root.path().join(id.as_str()), "x".repeat(size)).unwrap();
        }
        let absent = SessionId::parse(&"d".repeat(40)).unwrap();
        for id in ids.iter().chain([&absent, &ids[0]]) {
            behind.note(*id);
        }
        assert!(behind.lock().len() <= 4);
        behind.send();
        assert!(behind.lock().is_empty());
        for (id, size) in ids.iter().zip([0, 1, 20_000]) {
            let text = std::fs::read_to_string(root.path().join(id.as_str())).unwrap();
            assert_eq!(text, "x".repeat(size));
        }
    }
}
