//! Reading and touching on the calling thread, when the disk need not be waited for.
//!
//! A session file that was used lately is in the page cache, and reading it there costs less than asking another
//! thread. Linux can open and read on condition of not waiting (`RESOLVE_CACHED`, `RWF_NOWAIT`). Whatever does not
//! succeed at once, for whatever reason, is left to a worker thread, which tries it again and reports.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::fault::{Fault, Step, Verb};
use super::{Disk, record, write};
use crate::clock::Millis;
use crate::driver::{Record, Touched};
use crate::error::Result;
use crate::session_id::SessionId;

/// A call that took longer than this met a slow disk, a full journal or a network file system.
const SLOW: Duration = Duration::from_millis(5);
/// How long the calling thread keeps away from the disk after a slow call.
const REST: Duration = Duration::from_secs(1);

/// The record, if it is at hand; `None` when a worker has to look.
pub(super) fn load(disk: &Disk, id: &SessionId, now: Millis) -> Option<Result<Option<Record>>> {
    attempt(disk, Verb::Read, |dir| {
        match record::found(disk.pace.open(dir, id.as_str()))? {
            Some(found) => found.record(disk, now, |file, buffer, offset| {
                disk.pace.read(file, buffer, offset)
            }),
            None => absent(disk, None),
        }
    })
}

/// Records activity, if the file is at hand and nobody is changing it; `None` when a worker has to.
pub(super) fn touch(disk: &Disk, id: &SessionId, now: Millis) -> Option<Result<Touched>> {
    attempt(disk, Verb::Write, |dir| {
        let opened = disk.pace.open(dir, id.as_str());
        match record::locked(opened, dir, id.as_str(), record::lock_now)? {
            Some(found) => write::touch_found(Some(found), now),
            None => absent(disk, Touched::Gone),
        }
    })
}

/// Nothing has the name, which counts only while the folder is the one the path leads to.
fn absent<T>(disk: &Disk, outcome: T) -> Step<T> {
    match disk.folder.unchanged() {
        true => Ok(outcome),
        false => Err(Fault::Busy),
    }
}

fn attempt<T>(
    disk: &Disk,
    verb: Verb,
    work: impl FnOnce(BorrowedFd<'_>) -> Step<T>,
) -> Option<Result<T>> {
    let started = Instant::now();
    if !disk.pace.allows(started) {
        return None;
    }
    let dir = disk.folder.at_hand(started)?;
    let outcome = work(dir.as_fd());
    disk.pace.note(started, Instant::now());
    match outcome {
        Ok(value) => Some(Ok(value)),
        Err(Fault::Busy | Fault::System(_)) => None,
        Err(fault) => Some(Err(fault.explain(verb, disk.folder.path()))),
    }
}

/// What was learnt about this disk and this system.
#[derive(Debug, Default)]
pub(super) struct Pace {
    resting_until: Mutex<Option<Instant>>,
    opens_plainly: AtomicBool,
    reads_plainly: AtomicBool,
}

impl Pace {
    /// Whether the calling thread may go to the disk.
    fn allows(&self, now: Instant) -> bool {
        let until = *self
            .resting_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= now)
    }

    /// Takes note of how long the calling thread was at the disk.
    fn note(&self, started: Instant, ended: Instant) {
        if ended.saturating_duration_since(started) > SLOW {
            let mut until = self
                .resting_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *until = Some(ended + REST);
        }
    }

    /// Opens what has this name, or fails with `AGAIN` when that would mean waiting.
    ///
    /// Where the system cannot tell (a kernel before 5.12, a sandbox that knows no `openat2`), it is opened all the
    /// same: then only [`SLOW`] protects the calling thread.
    fn open(&self, dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
        if !self.opens_plainly.load(Ordering::Relaxed) {
            match record::open_quietly(|flags| open_cached(dir, name, flags)) {
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                    self.opens_plainly.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        record::open(dir, name)
    }

    /// Reads from memory, or fails with `AGAIN` when that would mean waiting.
    fn read(&self, file: &File, buffer: &mut [u8], offset: u64) -> Step<usize> {
        if !self.reads_plainly.load(Ordering::Relaxed) {
            match read_cached(file, buffer, offset) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                    self.reads_plainly.store(true, Ordering::Relaxed);
                }
                other => return Ok(other?),
            }
        }
        record::read_at(file, buffer, offset)
    }
}

#[cfg(target_os = "linux")]
fn open_cached(dir: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{Mode, ResolveFlags};
    rustix::fs::openat2(dir, name, flags, Mode::empty(), ResolveFlags::CACHED)
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    use rustix::io::ReadWriteFlags;
    let mut buffers = [std::io::IoSliceMut::new(buffer)];
    rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn open_cached(_: BorrowedFd<'_>, _: &str, _: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> Result<usize, Errno> {
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_call_keeps_the_calling_thread_from_the_disk_for_a_second() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.note(start, start + SLOW);
        assert!(pace.allows(start + SLOW));
        let end = start + SLOW + Duration::from_micros(1);
        pace.note(start, end);
        assert!(!pace.allows(end));
        assert!(!pace.allows(end + REST - Duration::from_micros(1)));
        assert!(pace.allows(end + REST));
    }
}
