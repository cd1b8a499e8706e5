//! The folder of the session files: opened when first needed, made when missing, noticed when replaced.
//!
//! Everything inside it is named relative to its descriptor, so no path is ever put together.

use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use super::fault::Step;

/// The folder's mode when it is made here: nobody else may list session ids.
pub(super) const FOLDER_MODE: u32 = 0o700;
/// How long the descriptor is trusted without asking whether the path still leads to it.
const TRUST: Duration = Duration::from_secs(1);

/// An open folder.
pub(super) type Dir = Arc<OwnedFd>;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    dir: Dir,
    stat: Stat,
    checked: Instant,
}

/// Whether two looks were at the same file or folder, whatever it was called.
pub(super) fn is_same(one: &Stat, other: &Stat) -> bool {
    one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: Mutex::new(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder, if that can be said on the spot: it is open, and the path still led to it a moment ago.
    pub(super) fn at_hand(&self, now: Instant) -> Option<Dir> {
        let open = self.known()?;
        if now.saturating_duration_since(open.checked) > TRUST {
            // An open folder keeps the entries that lead to it in memory, so this does not wait for the disk.
            return self.still(open, now);
        }
        Some(open.dir)
    }

    /// The same for a write, which must not go where the path no longer leads: that is asked each time.
    pub(super) fn at_hand_still(&self, now: Instant) -> Option<Dir> {
        self.still(self.known()?, now)
    }

    /// Whether the path still leads to the folder that was given last.
    pub(super) fn unchanged(&self) -> bool {
        self.known().is_some_and(|open| self.leads_to(&open.stat))
    }

    /// The folder the path leads to now; `None` when there is none.
    pub(super) fn existing(&self) -> Step<Option<Dir>> {
        let now = Instant::now();
        if let Some(dir) = self.known().and_then(|open| self.still(open, now)) {
            return Ok(Some(dir));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(dir) => Arc::new(dir),
            Err(errno) => {
                // What was removed is not kept on disk by a descriptor of ours.
                *self.lock() = None;
                return match errno {
                    Errno::NOENT => Ok(None),
                    errno => Err(errno.into()),
                };
            }
        };
        let stat = rustix::fs::fstat(&dir)?;
        self.remember(Open {
            dir: Arc::clone(&dir),
            stat,
            checked: now,
        });
        Ok(Some(dir))
    }

    /// The folder the path leads to now, made if there is none.
    pub(super) fn ready(&self) -> Step<Dir> {
        if let Some(dir) = self.existing()? {
            return Ok(dir);
        }
        let made = self.make()?;
        let dir = self.existing()?.ok_or(Errno::NOENT)?;
        if made {
            rustix::fs::fchmod(&dir, Mode::from_raw_mode(FOLDER_MODE))?;
        }
        Ok(dir)
    }

    /// Makes the folder and its parents; says whether it was not there already.
    fn make(&self) -> Step<bool> {
        let mut builder = DirBuilder::new();
        builder.mode(FOLDER_MODE);
        if let Some(parent) = self.path.parent() {
            builder.recursive(true).create(parent)?;
        }
        match builder.recursive(false).create(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The open folder, checked `now`, unless the path leads elsewhere.
    fn still(&self, open: Open, now: Instant) -> Option<Dir> {
        if !self.leads_to(&open.stat) {
            return None;
        }
        let dir = Arc::clone(&open.dir);
        self.remember(Open {
            checked: now,
            ..open
        });
        Some(dir)
    }

    fn leads_to(&self, folder: &Stat) -> bool {
        rustix::fs::stat(&self.path).is_ok_and(|stat| is_same(&stat, folder))
    }

    fn known(&self) -> Option<Open> {
        self.lock().clone()
    }

    fn remember(&self, open: Open) {
        *self.lock() = Some(open);
    }

    /// Held for a look or a store, never across a call to the system.
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
