//! Removing idle session files, a bounded step at a time, and what a dead process left behind: drafts, leases.
//!
//! Looks only at regular files of ours named like a session or like a draft. Everything else in the folder is
//! somebody else's and stays, whatever its age.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::Disk;
use super::draft::is_draft;
use super::fault::Step;
use super::folder::Dir;
use super::leases;
use super::record::{self, is_trusted, last_activity};
use super::spare;
use crate::clock::Millis;
use crate::driver::Sweep;
use crate::session_id::SessionId;

/// Names looked at in one step, so that a folder full of live sessions does not keep a thread for long.
const NAMES_PER_STEP: usize = 2_000;

/// A pass under way.
#[derive(Debug)]
pub(super) struct Cursor {
    folder: Dir,
    names: rustix::fs::Dir,
}

/// One step of a pass: removes at most `limit` records.
pub(super) fn step(disk: &Disk, cutoff: Millis, limit: usize) -> Step<Sweep> {
    let mut removed = 0;
    let ended = |removed| {
        Ok(Sweep {
            removed,
            done: true,
        })
    };
    let Some(mut cursor) = resume(disk)? else {
        return ended(removed);
    };
    for _ in 0..NAMES_PER_STEP {
        if removed >= limit {
            break;
        }
        let Some(entry) = cursor.names.read() else {
            leases::sweep(cursor.folder.as_fd(), cutoff);
            return ended(removed);
        };
        if let Ok(name) = entry?.file_name().to_str()
            && visit(cursor.folder.as_fd(), name, cutoff) == Some(true)
        {
            removed += 1;
        }
    }
    *progress(disk) = Some(cursor);
    Ok(Sweep {
        removed,
        done: false,
    })
}

/// The pass under way, or a new one; `None` when there is no folder.
fn resume(disk: &Disk) -> Step<Option<Cursor>> {
    let under_way = progress(disk).take();
    let Some(folder) = disk.folder.existing()? else {
        return Ok(None);
    };
    if let Some(cursor) = under_way
        && Arc::ptr_eq(&cursor.folder, &folder)
    {
        return Ok(Some(cursor));
    }
    let names = rustix::fs::Dir::read_from(&folder)?;
    Ok(Some(Cursor { folder, names }))
}

/// Held to take the cursor out or to put it back, never during a step.
fn progress(disk: &Disk) -> MutexGuard<'_, Option<Cursor>> {
    disk.cursor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what has this name, if it is an idle record, a spare as old or without a record, or a dead draft. Gives whether a
/// record went, `None` when the name is not ours or its file cannot be judged now.
///
/// A spare that a save has just opened is missed by that save, which then begins anew.
fn visit(dir: BorrowedFd<'_>, name: &str, cutoff: Millis) -> Option<bool> {
    let id = SessionId::parse(name);
    let owner = spare::owner(name);
    if id.is_none() && owner.is_none() && !is_draft(name) {
        return None;
    }
    let is_alone = owner.is_some_and(|owner| !is_there(dir, &owner));
    let is_due = |last_activity: Millis| is_alone || is_draft(name) || last_activity < cutoff;
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
    if !is_file || !is_trusted(&stat) || !is_due(last_activity(&stat)) {
        return None;
    }
    if owner.is_some() {
        // Nobody locks it, and one that its writer left half written cannot be opened.
        rustix::fs::unlinkat(dir, name, AtFlags::empty()).ok()?;
        return Some(false);
    }
    // A draft whose lock is free belongs to nobody alive; a record may have been touched a moment ago.
    let found = record::locked(record::open(dir, name), dir, name, record::lock_now);
    let found = found.ok()??;
    if !is_due(found.last_activity()) {
        return None;
    }
    if let Some(id) = &id {
        spare::discard(dir, id);
    }
    rustix::fs::unlinkat(dir, name, AtFlags::empty()).ok()?;
    Some(id.is_some())
}

/// Whether there is a record, or might be.
fn is_there(dir: BorrowedFd<'_>, id: &SessionId) -> bool {
    let found = rustix::fs::statat(dir, id.as_str(), AtFlags::SYMLINK_NOFOLLOW);
    !matches!(found, Err(Errno::NOENT))
}
