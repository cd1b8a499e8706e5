//! Working on the calling thread, when the disk need not be waited for.
//!
//! A session file that was used lately is in the page cache, and reading it there, or writing a small one that nobody
//! waits to see on the disk, costs less than asking another thread. Linux can open and read on condition of not waiting
//! (`RESOLVE_CACHED`, `RWF_NOWAIT`); against a file system that makes a writer wait there is only the pace. Whatever does
//! not succeed at once, for whatever reason, is left to a worker thread, which tries it again and reports.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::fault::{Fault, Step, Verb};
use super::folder::{Dir, Folder};
use super::{Disk, record, write};
use crate::clock::Millis;
use crate::driver::{Created, Durability, Record, Replaced, Touched};
use crate::error::Result;
use crate::session_id::SessionId;

/// Largest payload in bytes that the calling thread writes: some tens of microseconds' worth.
const MOST_WRITTEN: usize = 64 << 10;

/// The record, if it is at hand; `None` when a worker has to look.
pub(super) fn load(disk: &Disk, id: &SessionId, now: Millis) -> Option<Result<Option<Record>>> {
    attempt(
        disk,
        Verb::Read,
        Folder::at_hand,
        |dir| match record::found(disk.nowait.open(dir, id.as_str()))? {
            Some(found) => found.record(disk, now, |file, buffer, offset| {
                disk.nowait.read(file, buffer, offset)
            }),
            None => absent(disk, None),
        },
    )
}

/// Records activity, if the file is at hand and nobody is changing it; `None` when a worker has to.
pub(super) fn touch(disk: &Disk, id: &SessionId, now: Millis) -> Option<Result<Touched>> {
    attempt(disk, Verb::Write, Folder::at_hand, |dir| {
        let opened = disk.nowait.open(dir, id.as_str());
        match record::locked(opened, dir, id.as_str(), record::lock_now)? {
            Some(found) => write::touch_found(Some(found), now),
            None => absent(disk, Touched::Gone),
        }
    })
}

/// Stores a new record; `None` when a worker has to.
pub(super) fn create(
    disk: &Disk,
    id: &SessionId,
    payload: &str,
    now: Millis,
) -> Option<Result<Created>> {
    if !may_write(disk, payload) {
        return None;
    }
    attempt(disk, Verb::Write, Folder::at_hand_still, |dir| {
        write::create_in(disk, dir, id, payload, now)
    })
}

/// Replaces a record that is at hand and that nobody else is changing; `None` when a worker has to.
pub(super) fn replace(
    disk: &Disk,
    id: &SessionId,
    expected: &str,
    payload: &str,
    now: Millis,
) -> Option<Result<Replaced>> {
    if !may_write(disk, payload) {
        return None;
    }
    attempt(disk, Verb::Write, Folder::at_hand_still, |dir| {
        let opened = disk.nowait.open(dir, id.as_str());
        let Some(found) = record::locked(opened, dir, id.as_str(), record::lock_now)? else {
            return Ok(Replaced::Gone);
        };
        let read = |file: &File, buffer: &mut [u8], offset| disk.nowait.read(file, buffer, offset);
        let current = found.payload(disk.bounds.max_payload, read)?;
        write::replace_found(disk, dir, (id, &found), (expected, current), payload, now)
    })
}

/// Whether a payload is one to be written on the calling thread. What is to reach the disk is waited for elsewhere.
fn may_write(disk: &Disk, payload: &str) -> bool {
    disk.durability == Durability::Process && payload.len() <= MOST_WRITTEN
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
    find: fn(&Folder, Instant) -> Option<Dir>,
    work: impl FnOnce(BorrowedFd<'_>) -> Step<T>,
) -> Option<Result<T>> {
    let pace = disk.pace(verb);
    if !pace.allows_in_place() {
        return None;
    }
    let started = Instant::now();
    let dir = find(&disk.folder, started)?;
    let outcome = work(dir.as_fd());
    pace.took_in_place(started.elapsed());
    match outcome {
        Ok(value) => Some(Ok(value)),
        Err(Fault::Busy | Fault::System(_)) => None,
        Err(fault) => Some(Err(fault.explain(verb, disk.folder.path()))),
    }
}

/// Opening and reading without waiting, as far as this system can.
#[derive(Debug, Default)]
pub(super) struct NoWait {
    opens_plainly: AtomicBool,
    reads_plainly: AtomicBool,
}

impl NoWait {
    /// Opens what has this name, or fails with `AGAIN` when that would mean waiting.
    ///
    /// Where the system cannot tell (a kernel before 5.12, a sandbox that knows no `openat2`), it is opened all the
    /// same: then only the pace protects the calling thread.
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
