//! One session's file: opening, judging, locking and reading it.
//!
//! Changes nothing. A symbolic link is not followed, a pipe is not waited for.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Disk;
use super::fault::{Fault, Step};
use super::folder::is_same;
use super::spare::is_being_written;
use crate::clock::{Millis, is_idle};
use crate::driver::Record;
use crate::session_id::SessionId;

/// How a record is opened, whatever is done with it. `NONBLOCK` is for a pipe that somebody put in its place.
const OPENING: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

#[cfg(target_os = "linux")]
const NO_TIME: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const NO_TIME: OFlags = OFlags::empty();

/// The pauses between the tries to lock a record: six milliseconds at most, then the thread is somebody else's.
const LOCK_PAUSES: [Duration; 7] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(400),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(2),
];

/// The record's payload, unless it is idle.
pub(super) fn load(disk: &Disk, id: &SessionId, now: Millis) -> Step<Option<Record>> {
    let Some(dir) = disk.folder.existing()? else {
        return Ok(None);
    };
    match found(open(dir.as_fd(), id.as_str()))? {
        Some(found) => found.record(disk, now, read_at),
        None => Ok(None),
    }
}

/// A regular file of ours that has a record's name.
#[derive(Debug)]
pub(super) struct Found {
    file: File,
    stat: Stat,
    is_locked: bool,
}

/// Opens what has this name; may wait for the disk.
pub(super) fn open(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    open_quietly(|flags| {
        rustix::io::retry_on_intr(|| rustix::fs::openat(dir, name, flags, Mode::empty()))
    })
}

/// Opens with `NOATIME` if the file's owner lets us: a read then writes no time, which would be a write to the journal.
pub(super) fn open_quietly(
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match open(OPENING.union(NO_TIME)) {
        Err(Errno::PERM) => open(OPENING),
        other => other,
    }
}

/// Judges what was opened; `None` when there was nothing.
pub(super) fn found(opened: Result<OwnedFd, Errno>) -> Step<Option<Found>> {
    match opened {
        Ok(fd) => Found::judge(File::from(fd)).map(Some),
        Err(Errno::NOENT) => Ok(None),
        // What `NOFOLLOW` says of a symbolic link, and `open` of a socket.
        Err(Errno::LOOP | Errno::NXIO) => Err(Fault::NotAFile),
        Err(errno) => Err(errno.into()),
    }
}

/// Locks what was opened and makes sure that it still has this name; `None` when there was nothing.
///
/// `try_lock` is [`lock_now`] or [`lock_soon`]. The lock ends with the [`Found`].
pub(super) fn locked(
    opened: Result<OwnedFd, Errno>,
    dir: BorrowedFd<'_>,
    name: &str,
    try_lock: fn(BorrowedFd<'_>) -> Step<bool>,
) -> Step<Option<Found>> {
    let is_locked = match &opened {
        Ok(fd) => try_lock(fd.as_fd())?,
        Err(_) => false,
    };
    let Some(found) = found(opened)? else {
        return Ok(None);
    };
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        // Until it had its name back, a spare was perhaps written over: what was seen since counts.
        Ok(stat) if is_same(&stat, &found.stat) => Ok(Some(Found {
            stat,
            is_locked,
            ..found
        })),
        Ok(_) => Err(Fault::Busy),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes the file's lock if it is free; `false` where there are no locks.
pub(super) fn lock_now(file: BorrowedFd<'_>) -> Step<bool> {
    let flock = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    match rustix::io::retry_on_intr(flock) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Err(Fault::Busy),
        // A file system without locks (some network ones): single operations are still whole there.
        Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes the file's lock if it is free within a few milliseconds.
pub(super) fn lock_soon(file: BorrowedFd<'_>) -> Step<bool> {
    for pause in LOCK_PAUSES {
        match lock_now(file) {
            Err(Fault::Busy) => std::thread::sleep(pause),
            other => return other,
        }
    }
    lock_now(file)
}

/// Reads into `buffer` from `offset` on; may wait for the disk.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Step<usize> {
    Ok(file.read_at(buffer, offset)?)
}

impl Found {
    fn judge(file: File) -> Step<Self> {
        let stat = rustix::fs::fstat(&file)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(Fault::NotAFile);
        }
        if !is_trusted(&stat) {
            return Err(Fault::Foreign);
        }
        Ok(Self {
            file,
            stat,
            is_locked: false,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn last_activity(&self) -> Millis {
        last_activity(&self.stat)
    }

    /// Whether it is ours to change: locked, where there are locks.
    pub(super) fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// What `load` gives for this file. `read` is [`read_at`], or a way of reading that never waits.
    pub(super) fn record(
        &self,
        disk: &Disk,
        now: Millis,
        read: impl Fn(&File, &mut [u8], u64) -> Step<usize>,
    ) -> Step<Option<Record>> {
        if is_being_written(&self.stat) {
            return Err(Fault::Busy);
        }
        let last_activity = self.last_activity();
        if is_idle(last_activity, now, disk.bounds.idle_timeout) {
            return Ok(None);
        }
        let payload = self.payload(disk.bounds.max_payload, read);
        // What was read of a file that made room meanwhile, and was written over, is no text of anybody's.
        if !self.is_unchanged()? {
            return Err(Fault::Busy);
        }
        Ok(Some(Record {
            payload: payload?,
            last_activity,
        }))
    }

    /// Whether the file is as it was when it was opened: nobody has written over it.
    fn is_unchanged(&self) -> Step<bool> {
        let now = rustix::fs::fstat(&self.file)?;
        let seen = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_size);
        Ok(seen(&now) == seen(&self.stat) && !is_being_written(&now))
    }

    /// The whole text; nothing is read of a file larger than `most` bytes.
    pub(super) fn payload(
        &self,
        most: usize,
        read: impl Fn(&File, &mut [u8], u64) -> Step<usize>,
    ) -> Step<Arc<str>> {
        let size = usize::try_from(self.stat.st_size).unwrap_or(usize::MAX);
        if size > most {
            return Err(Fault::TooLarge);
        }
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match read(&self.file, &mut bytes[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Fault::System(Errno::INTR)) => {}
                Err(fault) => return Err(fault),
            }
        }
        let text = std::str::from_utf8(&bytes[..filled]).map_err(|_| Fault::NotText)?;
        Ok(Arc::from(text))
    }
}

/// The instant that a file's times stand for.
#[allow(
    clippy::unnecessary_cast,
    reason = "the widths of these two fields differ between systems"
)]
pub(super) fn last_activity(stat: &Stat) -> Millis {
    let nanoseconds = stat.st_mtime_nsec as i64;
    Millis((stat.st_mtime as i64).saturating_mul(1000)) + Millis(nanoseconds / 1_000_000)
}

/// Whether a file is ours to believe: our user's, root's, or anybody's when we are root (PHP's rule).
///
/// In a folder that others can write to, anybody could otherwise plant a session.
pub(super) fn is_trusted(stat: &Stat) -> bool {
    let own = rustix::process::geteuid();
    stat.st_uid == 0 || stat.st_uid == own.as_raw() || own.is_root()
}
