//! A payload on its way to disk: written under a name of its own, then given a session's name in one step.
//!
//! Knows nothing of what is stored under that name, nor of who may change it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::fault::Step;
use super::record;
use crate::clock::Millis;
use crate::driver::Durability;

/// A session file's mode: its owner's alone.
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How the name of a draft, and of a spare, begins; the original's gc spares names with a dot.
pub(super) const PREFIX: &str = ".node-session-";
/// From one part of a millisecond to the next: a prime, so that it takes long until one comes again.
const STRIDE: u32 = 611_953;
/// Random bytes in a draft's name, as two hexadecimal digits each: nobody can be there first.
const RANDOM_BYTES: usize = 16;

/// Whether a text that has its place is on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is, as far as the file system sees to it.
    Begun,
    /// It waits in memory until the system has nothing better to do, or somebody asks.
    Pending,
}

/// Stores a payload under a name that nothing has, else fails with `EXIST`.
///
/// Linux can write a file that has no name yet; nothing is left of it when the process dies before it has one.
pub(super) fn store_new(
    dir: BorrowedFd<'_>,
    name: &str,
    payload: &str,
    now: Millis,
    durability: Durability,
) -> Step<()> {
    if let Some(mut file) = nameless(dir) {
        fill(&mut file, payload, now, durability)?;
        match give_name(&file, dir, name) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => return Err(Errno::EXIST.into()),
            // Not here, or not to us: the usual way will do, or tell.
            Err(_) => {}
        }
    }
    let draft = Draft::write(dir, payload, now, durability)?;
    Ok(draft.take_free_name(name)?)
}

/// A written payload under its own name. Dropped before it has a session's, it is removed; dropped after it changed places
/// with a record, the old text is.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    dir: BorrowedFd<'a>,
    name: String,
    /// Locked until the draft is dropped, so that a sweep can tell it from one that a dead process left behind.
    file: File,
    arrived: bool,
}

impl<'a> Draft<'a> {
    /// A draft with the whole payload in it.
    pub(super) fn write(
        dir: BorrowedFd<'a>,
        payload: &str,
        now: Millis,
        durability: Durability,
    ) -> Step<Draft<'a>> {
        let mut draft = Draft::open(dir)?;
        record::lock_now(draft.file.as_fd())?;
        fill(&mut draft.file, payload, now, durability)?;
        Ok(draft)
    }

    fn open(dir: BorrowedFd<'a>) -> Step<Draft<'a>> {
        let name = random_name()?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(dir, name.as_str(), flags, FILE_MODE);
        let file = File::from(rustix::io::retry_on_intr(open)?);
        Ok(Draft {
            dir,
            name,
            file,
            arrived: false,
        })
    }

    /// Takes the place of the record that has `name`, which must be locked by us.
    ///
    /// Where that is possible the two change places: the draft's name then leads to the old text, and is removed. ext4 sends
    /// a new text to the disk at once, for twice the cost of all the rest, when a file that is renamed takes another's place,
    /// and not when two files change theirs.
    pub(super) fn take_place(mut self, name: &str, durability: Durability) -> Result<Reach, Errno> {
        let exchanged = match durability {
            Durability::Process => exchange(self.dir, &self.name, name),
            Durability::Disk => Err(Errno::NOSYS),
        };
        match exchanged {
            Ok(()) => return Ok(Reach::Pending),
            // The record, or the draft, was removed by somebody who takes no locks.
            Err(Errno::NOENT) => return Err(Errno::NOENT),
            // The file system cannot.
            Err(_) => rustix::fs::renameat(self.dir, &*self.name, self.dir, name)?,
        }
        self.arrived = true;
        Ok(Reach::Begun)
    }

    /// Takes `name` if nothing has it, else fails with `EXIST`.
    fn take_free_name(mut self, name: &str) -> Result<(), Errno> {
        match rename_to_free_name(self.dir, &self.name, name) {
            Ok(()) => {
                self.arrived = true;
                Ok(())
            }
            // The file system cannot; a second name for the file does the same, and the drop removes the first.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                rustix::fs::linkat(self.dir, &*self.name, self.dir, name, AtFlags::empty())
            }
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.arrived {
            // What cannot be removed now is left to a sweep.
            let _ = rustix::fs::unlinkat(self.dir, &*self.name, AtFlags::empty());
        }
    }
}

/// Whether `name` is one that a draft could have.
pub(super) fn is_draft(name: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == 2 * RANDOM_BYTES && rest.bytes().all(digit))
}

/// The two times of a file that stand for `now`: no two alike, so that a reader notices when a file has changed.
///
/// Compat: the original's gc judges by the time of last access, so that one is set too.
pub(super) fn times(now: Millis) -> Timestamps {
    let time = Timespec {
        tv_sec: now.0.div_euclid(1000),
        tv_nsec: now.0.rem_euclid(1000) * 1_000_000 + part_of_a_millisecond(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Nanoseconds, 1 to 999,999, that say nothing: another number each time, in another order in each process.
fn part_of_a_millisecond() -> i64 {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let mut random = [0; 4];
        // Where the system gives none, every process begins at the same number.
        let _ = getrandom::fill(&mut random);
        AtomicU32::new(u32::from_ne_bytes(random))
    });
    i64::from(next.fetch_add(STRIDE, Ordering::Relaxed) % 999_999) + 1
}

/// Writes the whole payload, its times and its mode; with [`Durability::Disk`] down to the disk.
fn fill(file: &mut File, payload: &str, now: Millis, durability: Durability) -> Step<()> {
    // Whatever the umask took away; setting a mode that is right already would cost a tenth of the write.
    if rustix::fs::fstat(&*file)?.st_mode & 0o7777 != FILE_MODE.bits() {
        rustix::fs::fchmod(&*file, FILE_MODE)?;
    }
    file.write_all(payload.as_bytes())?;
    rustix::fs::futimens(&*file, &times(now))?;
    if durability == Durability::Disk {
        file.sync_all()?;
    }
    Ok(())
}

fn random_name() -> Step<String> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
    Ok(format!("{PREFIX}{:032x}", u128::from_ne_bytes(random)))
}

#[cfg(target_os = "linux")]
fn nameless(dir: BorrowedFd<'_>) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, ".", flags, FILE_MODE).ok()?;
    Some(File::from(file))
}

#[cfg(target_os = "linux")]
fn give_name(file: &File, dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    match rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(Errno::EXIST),
        // Before Linux 6.10 only root could.
        Err(_) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(rustix::fs::CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) fn exchange(dir: BorrowedFd<'_>, one: &str, other: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, one, dir, other, RenameFlags::EXCHANGE)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: BorrowedFd<'_>) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: BorrowedFd<'_>, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn exchange(_: BorrowedFd<'_>, _: &str, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_to_free_name(dir: BorrowedFd<'_>, from: &str, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_to_free_name(_: BorrowedFd<'_>, _: &str, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
