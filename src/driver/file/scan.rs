//! Listing the session files: names only, a bounded step at a time.
//!
//! A folder can be read on only through the descriptor with which its reading began, so each listing keeps one, and a page
//! names listing and number. The last page that was given is kept, so that it can be asked for again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
use rustix::fs::{Dir, FileType};

use super::Disk;
use super::fault::{Fault, Step};
use crate::driver::{Cursor, Page};
use crate::session_id::SessionId;

/// Names looked at in one step, so that a folder full of something else does not keep a thread for long.
const NAMES_PER_STEP: usize = 10_000;
/// Listings that are kept; one more takes the place of the one that was used the longest ago. Each has a descriptor.
const MOST_SCANS: usize = 16;

/// The listings under way, by their numbers.
pub(super) struct Scans {
    known: Mutex<Known>,
}

struct Known {
    latest: u64,
    scans: LruCache<u64, Arc<Mutex<Scan>>>,
}

impl Default for Scans {
    fn default() -> Self {
        let known = Known {
            latest: 0,
            scans: LruCache::new(MOST_SCANS),
        };
        Scans {
            known: Mutex::new(known),
        }
    }
}

impl std::fmt::Debug for Scans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scans({})", lock(&self.known).scans.len())
    }
}

impl Scans {
    fn begin(&self, names: Dir) -> (u64, Arc<Mutex<Scan>>) {
        let scan = Arc::new(Mutex::new(Scan::of(names)));
        let mut known = lock(&self.known);
        known.latest += 1;
        let number = known.latest;
        known.scans.insert(number, scan.clone());
        (number, scan)
    }

    fn find(&self, number: u64) -> Option<Arc<Mutex<Scan>>> {
        lock(&self.known).scans.get(&number).cloned()
    }
}

/// A listing.
struct Scan {
    /// Closed at its end.
    names: Option<Dir>,
    /// Pages given so far.
    given: u64,
    /// The last of them.
    ids: Vec<SessionId>,
}

impl Scan {
    fn of(names: Dir) -> Self {
        Scan {
            names: Some(names),
            given: 0,
            ids: Vec::new(),
        }
    }

    /// Reads on until there are `limit` ids. After an error there is no going on: what was read before it is lost.
    fn read(&mut self, limit: usize) -> Step<()> {
        let given = std::mem::replace(&mut self.given, u64::MAX);
        self.ids.clear();
        for _ in 0..NAMES_PER_STEP {
            let Some(names) = &mut self.names else { break };
            let Some(entry) = names.read() else {
                self.names = None;
                break;
            };
            let entry = entry?;
            // Some file systems do not say what it is; what is no file is then found out by whoever loads it.
            let may_be_file =
                matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            let id = entry.file_name().to_str().ok().and_then(SessionId::parse);
            self.ids.extend(id.filter(|_| may_be_file));
            if self.ids.len() >= limit {
                break;
            }
        }
        self.given = given.saturating_add(1);
        Ok(())
    }
}

/// One page of a listing.
pub(super) fn page(disk: &Disk, after: Option<&Cursor>, limit: usize) -> Step<Page> {
    let Some(cursor) = after else {
        let Some(folder) = disk.folder.existing()? else {
            return Ok(Page::default());
        };
        let (number, scan) = disk.scans.begin(Dir::read_from(&folder)?);
        return give(number, &mut lock(&scan), 0, limit);
    };
    let numbers = cursor.split_once('.');
    let parsed = numbers.and_then(|(scan, page)| Some((scan.parse().ok()?, page.parse().ok()?)));
    let (number, page) = parsed.ok_or(Fault::Lost)?;
    let scan = disk.scans.find(number).ok_or(Fault::Lost)?;
    let mut scan = lock(&scan);
    give(number, &mut scan, page, limit)
}

/// The page after the first so many.
fn give(number: u64, scan: &mut Scan, before: u64, limit: usize) -> Step<Page> {
    if scan.given == before {
        scan.read(limit.max(1))?;
    } else if scan.given != before.wrapping_add(1) {
        return Err(Fault::Lost);
    }
    let next = scan
        .names
        .is_some()
        .then(|| Arc::from(format!("{number}.{}", scan.given)));
    Ok(Page {
        ids: scan.ids.clone(),
        next,
    })
}

/// Held while a page is read, by whoever wants the same listing; the map for a look.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
