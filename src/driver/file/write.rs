//! Every change to a session file: whole or not at all, and only while its lock is held.
//!
//! Runs on a worker thread; `create_in`, `replace_found` and `touch_found` also run in place.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::Disk;
use super::draft::{self, Draft, Reach, times};
use super::fault::{Fault, Step};
use super::record::{self, Found};
use super::spare;
use crate::clock::Millis;
use crate::driver::Durability;
use crate::driver::{Created, Removed, Replaced, Touched};
use crate::session_id::SessionId;

pub(super) fn create(disk: &Disk, id: &SessionId, payload: &str, now: Millis) -> Step<Created> {
    let dir = disk.folder.ready()?;
    create_in(disk, dir.as_fd(), id, payload, now)
}

/// Stores a new record in an open folder.
pub(super) fn create_in(
    disk: &Disk,
    dir: BorrowedFd<'_>,
    id: &SessionId,
    payload: &str,
    now: Millis,
) -> Step<Created> {
    match draft::store_new(dir, id.as_str(), payload, now, disk.durability) {
        Ok(()) => settle(disk, dir, Created::Created),
        Err(Fault::System(Errno::EXIST)) => Ok(Created::Exists),
        Err(fault) => Err(fault),
    }
}

pub(super) fn replace(
    disk: &Disk,
    id: &SessionId,
    expected: &str,
    payload: &str,
    now: Millis,
) -> Step<Replaced> {
    let Some(dir) = disk.folder.existing()? else {
        return Ok(Replaced::Gone);
    };
    let Some(found) = lock(dir.as_fd(), id)? else {
        return Ok(Replaced::Gone);
    };
    let current = found.payload(disk.bounds.max_payload, record::read_at)?;
    replace_found(
        disk,
        dir.as_fd(),
        (id, &found),
        (expected, current),
        payload,
        now,
    )
}

/// Replaces a locked record whose text is `current`, if that is the expected one.
pub(super) fn replace_found(
    disk: &Disk,
    dir: BorrowedFd<'_>,
    (id, found): (&SessionId, &Found),
    (expected, current): (&str, Arc<str>),
    payload: &str,
    now: Millis,
) -> Step<Replaced> {
    if *current != *expected {
        return Ok(Replaced::Conflict(current));
    }
    let now = now.max(found.last_activity());
    if store_over(disk, dir, (id, found), payload, now)? == Reach::Pending {
        disk.behind.note(*id);
    }
    settle(disk, dir, Replaced::Replaced)
}

/// Puts a payload in the place of a locked record: by its spare, where it may have one, or by a new file.
fn store_over(
    disk: &Disk,
    dir: BorrowedFd<'_>,
    (id, found): (&SessionId, &Found),
    payload: &str,
    now: Millis,
) -> Step<Reach> {
    let may_have_spare = disk.durability == Durability::Process
        && payload.len() <= spare::MOST_KEPT
        && found.is_locked()
        && disk.has_spares.load(Ordering::Relaxed);
    if may_have_spare {
        if spare::take_place(dir, id, payload, now)? {
            return Ok(Reach::Pending);
        }
        disk.has_spares.store(false, Ordering::Relaxed);
    }
    let draft = Draft::write(dir, payload, now, disk.durability)?;
    Ok(draft.take_place(id.as_str(), disk.durability)?)
}

pub(super) fn remove(disk: &Disk, id: &SessionId, expected: &str) -> Step<Removed> {
    let Some(dir) = disk.folder.existing()? else {
        return Ok(Removed::Gone);
    };
    let Some(found) = lock(dir.as_fd(), id)? else {
        return Ok(Removed::Gone);
    };
    let current = found.payload(disk.bounds.max_payload, record::read_at)?;
    if *current != *expected {
        return Ok(Removed::Conflict(current));
    }
    spare::discard(dir.as_fd(), id);
    rustix::fs::unlinkat(&dir, id.as_str(), AtFlags::empty())?;
    settle(disk, dir.as_fd(), Removed::Removed)
}

pub(super) fn destroy(disk: &Disk, id: &SessionId) -> Step<()> {
    let Some(dir) = disk.folder.existing()? else {
        return Ok(());
    };
    let _held = match lock(dir.as_fd(), id) {
        Ok(None) => return Ok(()),
        Ok(found) => found,
        // Nobody writes what cannot be read, so it can go without a lock. A link goes, never what it leads to.
        Err(Fault::NotAFile | Fault::Foreign | Fault::System(Errno::ACCESS)) => None,
        Err(fault) => return Err(fault),
    };
    spare::discard(dir.as_fd(), id);
    match rustix::fs::unlinkat(&dir, id.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => settle(disk, dir.as_fd(), ()),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn touch(disk: &Disk, id: &SessionId, now: Millis) -> Step<Touched> {
    match disk.folder.existing()? {
        Some(dir) => touch_found(lock(dir.as_fd(), id)?, now),
        None => Ok(Touched::Gone),
    }
}

/// Records activity on a locked record, unless a later one is recorded already.
pub(super) fn touch_found(found: Option<Found>, now: Millis) -> Step<Touched> {
    let Some(found) = found else {
        return Ok(Touched::Gone);
    };
    if found.last_activity() < now {
        rustix::fs::futimens(found.file(), &times(now))?;
    }
    Ok(Touched::Touched)
}

fn lock(dir: BorrowedFd<'_>, id: &SessionId) -> Step<Option<Found>> {
    let opened = record::open(dir, id.as_str());
    record::locked(opened, dir, id.as_str(), record::lock_soon)
}

/// Makes a change of names outlast a power loss, where that is wanted.
fn settle<T>(disk: &Disk, dir: BorrowedFd<'_>, outcome: T) -> Step<T> {
    if disk.durability == Durability::Disk {
        rustix::fs::fsync(dir)?;
    }
    Ok(outcome)
}
