//! The file driver: one file per session, named by the id, in one folder.
//!
//! ```text
//! sessions/                                  0700
//!   6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx   0600   the payload, UTF-8, nothing else; mtime = atime = last activity
//!   .node-session-6nZA4-UavYvomaz5oBUyBpQ9d2…  0600   the session's spare: the payload before that, or the next one
//!   .node-session-0f3a…                        0600   a payload on its way to its name
//!   .locks/                                    0700   leases, in lock mode only; see `leases`
//! ```
//!
//! Knows nothing of what a payload means. Its promises hold between the processes of one host, on a local file system.
//!
//! - A payload is written to another file than the record's, which then changes places with it, or takes its name, in one
//!   step: whoever opens a record reads the whole of one payload, without a lock. The file that made room is written over
//!   when the same session is saved again; how a reader that is still at it notices, `spare` tells.
//! - Whoever changes or removes a record first locks its file (`flock`), then makes sure that the name still means that
//!   file. Two sessions never share a lock, none has a file of its own, and a dead process holds nothing.
//!
//! Compat: `lib/handler/FileSessionHandler.js`. Its files are read as they are; its gc judges by atime and spares names
//! that begin with a dot, hence the two times and the dot.

mod behind;
mod draft;
mod fault;
mod folder;
mod in_place;
mod leases;
mod record;
mod scan;
mod spare;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::clock::Millis;
use crate::driver::pace::Pace;
use crate::driver::{
    Acquired, Answer, Bounds, Created, Cursor, Driver, Durability, Owner, Page, Record, Removed,
    Replaced, Sweep, Touched,
};
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;
use crate::worker::Lane;
use behind::Behind;
use fault::{Fault, Step, Verb};
use folder::Folder;
use in_place::NoWait;

/// How often, and how far apart, an operation is tried again while the process or the system is out of descriptors.
const STARVED_TRIES: u32 = 10;
const STARVED_PAUSE: Duration = Duration::from_millis(20);

/// Sessions as files in one folder.
#[derive(Debug)]
pub struct FileDriver {
    disk: Arc<Disk>,
}

/// What the driver shares with the worker threads.
#[derive(Debug)]
struct Disk {
    folder: Arc<Folder>,
    behind: Arc<Behind>,
    bounds: Bounds,
    durability: Durability,
    nowait: NoWait,
    /// Whether files can change places here: not known to be impossible.
    has_spares: AtomicBool,
    reads: Pace,
    writes: Pace,
    /// Where the sweep under way has got to.
    cursor: Mutex<Option<sweep::Cursor>>,
    scans: scan::Scans,
    lane: Lane,
}

impl Disk {
    /// How quick this kind of operation has been of late.
    fn pace(&self, verb: Verb) -> &Pace {
        match verb {
            Verb::Read => &self.reads,
            Verb::Write | Verb::Remove | Verb::Sweep | Verb::List | Verb::Lock => &self.writes,
        }
    }

    /// Does `work` on a worker thread, and notes how quick it was.
    fn operate<T>(&self, verb: Verb, work: impl Fn(&Disk) -> Step<T>) -> Step<T> {
        let started = Instant::now();
        let outcome = work(self);
        // What failed says little about the disk: it may have waited for a lock.
        if outcome.is_ok() {
            self.pace(verb).took_elsewhere(started.elapsed());
        }
        outcome
    }
}

impl FileDriver {
    /// A driver that keeps its records in `directory`.
    ///
    /// Touches nothing on disk: the folder is made, with its parents, when something is first stored in it, and again
    /// when it has been removed.
    pub fn new(directory: &Path, bounds: Bounds, durability: Durability) -> Self {
        let (folder, lane) = (Arc::new(Folder::new(directory)), Lane::default());
        let disk = Disk {
            behind: Arc::new(Behind::new(&folder, &lane)),
            folder,
            bounds,
            durability,
            nowait: NoWait::default(),
            has_spares: AtomicBool::new(cfg!(target_os = "linux")),
            reads: Pace::default(),
            writes: Pace::default(),
            cursor: Mutex::new(None),
            scans: scan::Scans::default(),
            lane,
        };
        Self {
            disk: Arc::new(disk),
        }
    }

    /// The error for a payload that is too large to be stored, if it is.
    fn oversize(&self, payload: &str) -> Option<Error> {
        let most = self.disk.bounds.max_payload;
        let message = || format!("cannot write a session of more than {most} bytes");
        (payload.len() > most).then(|| Error::new(Code::TooLarge, message()))
    }

    /// Does `work` on a worker thread.
    fn elsewhere<T: Send + 'static>(
        &self,
        verb: Verb,
        work: impl Fn(&Disk) -> Step<T> + Clone + Send + 'static,
    ) -> Answer<T> {
        Answer::later(patiently(Arc::clone(&self.disk), verb, work))
    }
}

impl Driver for FileDriver {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        let id = *id;
        match in_place::load(&self.disk, &id, now) {
            Some(result) => Answer::now(result),
            None => self.elsewhere(Verb::Read, move |disk| record::load(disk, &id, now)),
        }
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        if let Some(error) = self.oversize(payload) {
            return Answer::now(Err(error));
        }
        if let Some(result) = in_place::create(&self.disk, id, payload, now) {
            return Answer::now(result);
        }
        let (id, payload) = (*id, Arc::clone(payload));
        self.elsewhere(Verb::Write, move |disk| {
            write::create(disk, &id, &payload, now)
        })
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        if let Some(error) = self.oversize(payload) {
            return Answer::now(Err(error));
        }
        if let Some(result) = in_place::replace(&self.disk, id, expected, payload, now) {
            return Answer::now(result);
        }
        let (id, expected, payload) = (*id, Arc::clone(expected), Arc::clone(payload));
        self.elsewhere(Verb::Write, move |disk| {
            write::replace(disk, &id, &expected, &payload, now)
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        let (id, expected) = (*id, Arc::clone(expected));
        self.elsewhere(Verb::Remove, move |disk| {
            write::remove(disk, &id, &expected)
        })
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        let id = *id;
        match in_place::touch(&self.disk, &id, now) {
            Some(result) => Answer::now(result),
            None => self.elsewhere(Verb::Write, move |disk| write::touch(disk, &id, now)),
        }
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        let id = *id;
        self.elsewhere(Verb::Remove, move |disk| write::destroy(disk, &id))
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        self.elsewhere(Verb::Sweep, move |disk| sweep::step(disk, cutoff, limit))
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        let after = after.cloned();
        self.elsewhere(Verb::List, move |disk| {
            scan::page(disk, after.as_ref(), limit)
        })
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        let id = *id;
        self.elsewhere(Verb::Lock, move |disk| {
            leases::acquire(disk, &id, owner, lease, now)
        })
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        let id = *id;
        self.elsewhere(Verb::Lock, move |disk| leases::release(disk, &id, owner))
    }

    fn shares_leases(&self) -> bool {
        true
    }

    /// What stays locked is one session's file.
    fn times_out_as_a_whole(&self) -> bool {
        false
    }
}

/// Does `work` on a worker thread, again and again while what stops it may pass.
///
/// Between two tries the thread is free for others: a record locked by a stalled process holds up nobody else.
async fn patiently<T: Send + 'static>(
    disk: Arc<Disk>,
    verb: Verb,
    work: impl Fn(&Disk) -> Step<T> + Clone + Send + 'static,
) -> Result<T> {
    let patience = match verb {
        Verb::Read | Verb::List => disk.bounds.read_patience,
        _ => disk.bounds.write_patience,
    };
    let deadline = Instant::now() + patience.duration();
    let (mut starved, mut vanished) = (0, false);
    loop {
        let (there, work) = (Arc::clone(&disk), work.clone());
        let work = move || Ok(there.operate(verb, work));
        match disk.lane.blocking(work).await? {
            Ok(value) => return Ok(value),
            Err(Fault::Busy) if Instant::now() < deadline => {}
            // The folder, or a payload on its way, was removed under our hands.
            Err(Fault::System(Errno::NOENT)) if !vanished => vanished = true,
            Err(Fault::System(Errno::MFILE | Errno::NFILE)) if starved < STARVED_TRIES => {
                starved += 1;
                let pause = || {
                    std::thread::sleep(STARVED_PAUSE);
                    Ok(())
                };
                disk.lane.blocking(pause).await?;
            }
            Err(fault) => return Err(fault.explain(verb, disk.folder.path())),
        }
    }
}
