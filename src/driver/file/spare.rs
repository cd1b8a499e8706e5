//! A session's spare: the file that its text before the last was in, into which its next one is written.
//!
//! Spare and record change places, so that a save makes and removes no file, which is most of what a save costs. Knows
//! nothing of who may change the record: whoever comes here has locked it.
//!
//! A reader takes no lock, and may still have the file open when it is written over. Its mode and its times tell: while it is
//! written over, its mode is [`WRITING`]; afterwards its times are new. A reader that finds them the same before and after has
//! read one whole text (`record.rs`).

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::draft::{FILE_MODE, PREFIX, exchange, times};
use super::fault::Step;
use crate::clock::Millis;
use crate::session_id::SessionId;

/// Largest payload in bytes whose session has a spare: it takes up the room of a session once more.
pub(super) const MOST_KEPT: usize = 64 << 10;
/// The mode of a file that is written over: nobody but root can open it to read, and nothing that reads it changes that.
const WRITING: Mode = Mode::WUSR;

/// Writes a payload into the spare of a session and lets it change places with the record, which must be locked by us.
/// `false` when the file system cannot do that; nothing is changed then.
pub(super) fn take_place(
    dir: BorrowedFd<'_>,
    id: &SessionId,
    payload: &str,
    now: Millis,
) -> Step<bool> {
    let name = name_of(id);
    let spare = match existing(dir, &name)? {
        Some(file) => file,
        None => make(dir, &name)?,
    };
    let exchanged = match write(&spare, payload, now) {
        Ok(()) => exchange(dir, &name, id.as_str()),
        Err(fault) => {
            discard(dir, id);
            return Err(fault);
        }
    };
    match exchanged {
        Ok(()) => Ok(true),
        Err(errno) => {
            discard(dir, id);
            match errno {
                Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => Ok(false),
                // Among others `NOENT`: the record, or the spare, was removed by somebody who takes no locks.
                errno => Err(errno.into()),
            }
        }
    }
}

/// Removes the spare of a session, if it has one: before its record, so that none is left alone by a process that dies. What
/// cannot be removed now is left to a sweep.
pub(super) fn discard(dir: BorrowedFd<'_>, id: &SessionId) {
    let _ = rustix::fs::unlinkat(dir, name_of(id), AtFlags::empty());
}

/// Whether a file that was just looked at is being written over, or was when its writer died.
pub(super) fn is_being_written(stat: &Stat) -> bool {
    stat.st_mode & 0o7777 == WRITING.bits()
}

/// The session whose spare could have this name.
pub(super) fn owner(name: &str) -> Option<SessionId> {
    name.strip_prefix(PREFIX).and_then(SessionId::parse)
}

fn name_of(id: &SessionId) -> String {
    format!("{PREFIX}{}", id.as_str())
}

/// The spare that is there, if it can be written over.
fn existing(dir: BorrowedFd<'_>, name: &str) -> Step<Option<Spare>> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || rustix::fs::openat(dir, name, flags, Mode::empty());
    match rustix::io::retry_on_intr(open) {
        Ok(fd) => {
            let file = File::from(fd);
            let stat = rustix::fs::fstat(&file)?;
            if is_ours(&stat) {
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                return Ok(Some(Spare { file, size }));
            }
        }
        Err(Errno::NOENT) => return Ok(None),
        // A link, a pipe without a reader, somebody else's file: none of ours.
        Err(Errno::LOOP | Errno::NXIO | Errno::ACCESS | Errno::PERM | Errno::ISDIR) => {}
        Err(errno) => return Err(errno.into()),
    }
    rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
    Ok(None)
}

/// A spare that is open to be written over.
struct Spare {
    file: File,
    size: u64,
}

/// Whether a file may be written over: a record of ours once, which nobody else has another name for, on a file system that
/// keeps times to the microsecond, without which readers could not tell.
#[allow(
    clippy::unnecessary_cast,
    reason = "the width of the field differs between systems"
)]
fn is_ours(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && [FILE_MODE.bits(), WRITING.bits()].contains(&(stat.st_mode & 0o7777))
        && stat.st_nlink == 1
        && stat.st_mtime_nsec as i64 % 1_000_000 != 0
}

fn make(dir: BorrowedFd<'_>, name: &str) -> Step<Spare> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(dir, name, flags, FILE_MODE);
    let file = File::from(rustix::io::retry_on_intr(open)?);
    // Whatever the umask took away.
    if rustix::fs::fstat(&file)?.st_mode & 0o7777 != FILE_MODE.bits() {
        rustix::fs::fchmod(&file, FILE_MODE)?;
    }
    Ok(Spare { file, size: 0 })
}

/// Writes over a spare; readers are told first.
fn write(spare: &Spare, payload: &str, now: Millis) -> Step<()> {
    if spare.size > 0 {
        rustix::fs::fchmod(&spare.file, WRITING)?;
    }
    spare.file.write_all_at(payload.as_bytes(), 0)?;
    if spare.size > payload.len() as u64 {
        spare.file.set_len(payload.len() as u64)?;
    }
    rustix::fs::futimens(&spare.file, &times(now))?;
    if spare.size > 0 {
        rustix::fs::fchmod(&spare.file, FILE_MODE)?;
    }
    Ok(())
}
