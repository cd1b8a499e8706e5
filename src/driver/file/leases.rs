//! Leases of lock mode: a file for each in a folder of their own, beside the session files.
//!
//! ```text
//! sessions/.locks/                           0700   made when the first lease is wanted
//!   6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx   0600   53 bytes: the owner's 32 digits, a space, the lease's end
//! ```
//!
//! The end is 20 digits, milliseconds since 1970-01-01 UTC, and also the file's mtime. Whoever reads or changes a file
//! holds its `flock`; whoever releases a lease removes its file. One that a dead process left behind is taken over by the
//! next who wants the lease, or swept. A file that says anything else is a lease that nobody holds.
//!
//! Runs on a worker thread. Compat: the original's gc spares names that begin with a dot.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Disk;
use super::draft::{FILE_MODE, times};
use super::fault::{Fault, Step};
use super::folder::FOLDER_MODE;
use super::record::{self, Found, is_trusted, last_activity};
use crate::clock::Millis;
use crate::driver::lease::Lease;
use crate::driver::{Acquired, Owner};
use crate::session_id::SessionId;

/// The folder's name.
const NAME: &str = ".locks";
/// Digits of an owner, before the space.
const OWNER_DIGITS: usize = 32;
/// Bytes of a lease's file: always as many, so that writing over one needs no room on the disk.
const BYTES: usize = OWNER_DIGITS + 1 + 20;
/// Names that one pass of a sweep looks at.
const MOST_SWEPT: usize = 2_000;

pub(super) fn acquire(
    disk: &Disk,
    id: &SessionId,
    owner: Owner,
    lease: Millis,
    now: Millis,
) -> Step<Acquired> {
    let dir = disk.folder.ready()?;
    let leases = ready(dir.as_fd())?;
    let opened = open_or_make(leases.as_fd(), id.as_str());
    let found = record::locked(opened, leases.as_fd(), id.as_str(), record::lock_soon)?;
    // Released between our opening and our locking it: once more.
    let found = found.ok_or(Fault::Busy)?;
    let latest = read(&found)?;
    let acquired = latest.map_or(Acquired::Granted, |latest| latest.acquired(owner, now));
    if !matches!(acquired, Acquired::Held(_)) {
        let until = now + lease;
        write(found.file(), Lease { owner, until })?;
    }
    Ok(acquired)
}

pub(super) fn release(disk: &Disk, id: &SessionId, owner: Owner) -> Step<()> {
    let Some(dir) = disk.folder.existing()? else {
        return Ok(());
    };
    let Some(leases) = existing(dir.as_fd())? else {
        return Ok(());
    };
    let leases = leases.as_fd();
    let opened = record::open(leases, id.as_str());
    let Some(found) = record::locked(opened, leases, id.as_str(), record::lock_soon)? else {
        return Ok(());
    };
    if read(&found)?.is_some_and(|lease| lease.owner == owner) {
        rustix::fs::unlinkat(leases, id.as_str(), AtFlags::empty())?;
    }
    Ok(())
}

/// Removes the files of leases that ended before `cutoff`. What cannot be removed now is left to the next pass.
pub(super) fn sweep(dir: BorrowedFd<'_>, cutoff: Millis) {
    let Ok(Some(leases)) = existing(dir) else {
        return;
    };
    let Ok(names) = rustix::fs::Dir::read_from(&leases) else {
        return;
    };
    for entry in names.take(MOST_SWEPT).flatten() {
        if let Ok(name) = entry.file_name().to_str()
            && SessionId::parse(name).is_some()
        {
            remove_old(leases.as_fd(), name, cutoff);
        }
    }
}

fn remove_old(leases: BorrowedFd<'_>, name: &str, cutoff: Millis) -> Option<()> {
    let stat = rustix::fs::statat(leases, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if last_activity(&stat) >= cutoff {
        return None;
    }
    let opened = record::open(leases, name);
    let found = record::locked(opened, leases, name, record::lock_now).ok()??;
    if found.last_activity() < cutoff {
        rustix::fs::unlinkat(leases, name, AtFlags::empty()).ok()?;
    }
    Some(())
}

/// The folder of the leases, made if there is none.
fn ready(dir: BorrowedFd<'_>) -> Step<OwnedFd> {
    if let Some(leases) = existing(dir)? {
        return Ok(leases);
    }
    let mode = Mode::from_raw_mode(FOLDER_MODE);
    let made = match rustix::fs::mkdirat(dir, NAME, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let leases = existing(dir)?.ok_or(Errno::NOENT)?;
    if made {
        rustix::fs::fchmod(&leases, mode)?;
    }
    Ok(leases)
}

/// The folder of the leases, if there is one; never where a link leads.
fn existing(dir: BorrowedFd<'_>) -> Step<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let leases = match rustix::fs::openat(dir, NAME, flags, Mode::empty()) {
        Ok(leases) => leases,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    match is_trusted(&rustix::fs::fstat(&leases)?) {
        true => Ok(Some(leases)),
        false => Err(Fault::Foreign),
    }
}

fn open_or_make(leases: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::io::retry_on_intr(|| rustix::fs::openat(leases, name, flags, FILE_MODE))
}

/// The lease that a file says; `None` when it says none.
fn read(found: &Found) -> Step<Option<Lease>> {
    let text = match found.payload(BYTES, record::read_at) {
        Ok(text) => text,
        Err(Fault::TooLarge | Fault::NotText) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let parse = || {
        let (owner, until) = text.split_once(' ')?;
        let owner = Owner::parse(owner)?;
        let until = Millis(until.parse().ok()?);
        (text.len() == BYTES).then_some(Lease { owner, until })
    };
    Ok(parse())
}

fn write(file: &File, lease: Lease) -> Step<()> {
    let text = format!("{} {:020}", lease.owner, lease.until.0);
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)?;
    rustix::fs::futimens(file, &times(lease.until))?;
    Ok(())
}
