//! The SQLite driver: sessions in one table of a database file, shared by the processes of a host.
//!
//! An operation runs on the calling thread while the database is free, and on a worker thread when another connection
//! holds it, when the disk has become slow, or when the commit has to reach the disk. Writes that come close to each other are
//! committed together (`batch`). Nothing here is SQL: see `table`.

mod batch;
mod database;
mod failure;
mod fresh;
mod leases;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use self::batch::Writes;
use self::database::{Database, Open};
use self::failure::{Failure, Outcome};
use self::table::{Table, too_large};
use super::{
    Acquired, Answer, Bounds, Created, Cursor, Driver, Durability, Owner, Page, Record, Removed,
    Replaced, Sweep, Touched,
};
use crate::clock::Millis;
use crate::config::TableName;
use crate::driver::pace::Pace;
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;
use crate::worker::{self, Lane};

/// How long a checkpoint waits for other connections.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(1_900);
/// Pause between two tries of what SQLite does not wait for by itself, such as entering the write-ahead mode.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Pages of the write-ahead log, by estimate, after which they are copied into the database: 16 MiB.
const CHECKPOINT_PAGES: usize = 4_096;
/// Pages of the log with which writers are stopped for a moment, because they have not let it end by themselves.
const MOST_PAGES: usize = 2 * CHECKPOINT_PAGES;
/// Bytes in a page, SQLite's default.
const PAGE_BYTES: usize = 4_096;
/// Pages that a write touches besides its payload: one of the table and one of each index.
const PAGES_PER_WRITE: usize = 3;
/// Bytes of write-ahead log that a sweep leaves on the disk.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Sessions in a table of an SQLite database.
///
/// Shape: see the schema in `table`. The file is made with mode 0600, its folder with 0700; a table that is missing is
/// made, one that node-session filled is used as it is. Opening happens at the first use, on a worker thread, and again
/// at the next call when it failed.
///
/// A table that somebody drops while it is in use is made again by the next call, and is empty.
///
/// A database file that is removed or replaced while it is open is noticed by the next write, which looks before and
/// after: it is acknowledged only if the file was still at its path once the write was in it, and is done again in the
/// new file otherwise. So no acknowledged write is lost, except with a file that is removed later. Reads look once a
/// second, and until then may give what the old file held. Not noticed: a file that is overwritten where it is, a `-wal`
/// that is removed alone, and anything where files have no inodes (Windows removes no open file). An old `-wal` left
/// beside a new file can damage it: stop the processes before putting another database in place.
///
/// Other SQLite libraries in the same process must not have the file open: closing it there drops the locks held here
/// (<https://sqlite.org/howtocorrupt.html>, 2.2.1).
///
/// # Errors
///
/// `ERR_SESSION_READ` and `ERR_SESSION_WRITE` carry SQLite's own text and the name of its code; a database that stays
/// busy for as long as [`Bounds`] say is `ERR_SESSION_TIMEOUT`. A record whose `lastActivity` is no number counts as idle.
///
/// Compat: `lib/handler/DatabaseSessionHandler.js`.
pub struct Sqlite {
    shared: Arc<Shared>,
}

/// What the calling thread and the workers share.
struct Shared {
    database: Database,
    /// The calling thread's connection. It never waits; a worker opens it.
    in_place: Slot,
    /// The workers' connection. It waits for others, one operation at a time. In memory it is the same as `in_place`.
    worker: Slot,
    reads: Pace,
    writes: Pace,
    /// Pages written since the last checkpoint, by estimate.
    pages: AtomicUsize,
    checkpointing: AtomicBool,
    waiting: Writes,
    lane: Lane,
}

/// A connection once it is open. Its lock is held across I/O: SQLite's connections work for one thread at a time.
type Slot = Arc<Mutex<Option<Open>>>;

/// What an operation does to the database, which decides where it runs and what its failure is called.
#[derive(Clone, Copy)]
enum Access {
    Read,
    /// Writes about that many bytes.
    Write(usize),
}

impl Access {
    fn writes(self) -> bool {
        matches!(self, Access::Write(_))
    }

    /// How long an operation may wait for other connections, from the moment it was asked for.
    fn patience(self, bounds: Bounds) -> Duration {
        match self {
            Access::Read => bounds.read_patience.duration(),
            Access::Write(_) => bounds.write_patience.duration(),
        }
    }
}

impl Sqlite {
    /// A driver for `table` in the database file `filename`; `:memory:` is a database that ends with the driver.
    ///
    /// Shape: `table` is a name or `schema.name`, of any characters; it is always quoted.
    pub fn new(filename: &Path, table: &str, bounds: Bounds, durability: Durability) -> Self {
        Self::with(Database::new(filename, table, bounds, durability))
    }

    /// The same for a checked name; where its table has to exist, none is made.
    pub fn over(
        filename: &Path,
        table: &TableName,
        bounds: Bounds,
        durability: Durability,
    ) -> Self {
        let mut database = Database::new(filename, &table.to_string(), bounds, durability);
        database.makes_table = !table.has_to_exist();
        Self::with(database)
    }

    fn with(database: Database) -> Self {
        let in_place = Slot::default();
        let worker = if database.is_in_memory() {
            in_place.clone()
        } else {
            Slot::default()
        };
        // What has to reach the disk takes long to commit.
        let waiting = Writes::new(database.durability() == Durability::Disk);
        let shared = Shared {
            database,
            in_place,
            worker,
            reads: Pace::default(),
            writes: Pace::default(),
            pages: AtomicUsize::new(0),
            checkpointing: AtomicBool::new(false),
            waiting,
            lane: Lane::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Runs an operation here if that cannot block, and on a worker otherwise.
    fn run<T: Send + 'static>(
        &self,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T> + Send + 'static,
    ) -> Answer<T> {
        if self.shared.may_run_in_place(access)
            && let Some(result) = self.shared.run_in_place(access, &operation)
        {
            return Answer::now(result);
        }
        self.run_on_worker(access, operation)
    }

    fn run_on_worker<T: Send + 'static>(
        &self,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T> + Send + 'static,
    ) -> Answer<T> {
        let deadline = Instant::now() + access.patience(self.shared.database.bounds());
        let shared = Arc::clone(&self.shared);
        let work = move || shared.run_patiently(deadline, access, operation);
        Answer::later(self.shared.lane.blocking(work))
    }

    /// Runs an operation that writes a payload of so many bytes: by itself, or with others where they come often.
    fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        operation: impl Fn(&Table) -> Outcome<T> + Send + 'static,
    ) -> Answer<T> {
        let (shared, access) = (&self.shared, Access::Write(bytes));
        if !worker::gathers() || !shared.waiting.have_company() {
            return self.run(access, operation);
        }
        let deadline = Instant::now() + access.patience(shared.database.bounds());
        match shared.waiting.add(bytes, deadline, operation) {
            Ok(reply) => {
                worker::gather(shared.clone());
                Answer::later(batch::answer(reply))
            }
            Err(full) => Answer::now(Err(full)),
        }
    }

    fn fits(&self, payload: &str) -> Result<()> {
        let fits = payload.len() <= self.shared.database.bounds().max_payload;
        fits.then_some(()).ok_or_else(too_large)
    }
}

impl Shared {
    fn may_run_in_place(&self, access: Access) -> bool {
        let waits_for_disk = match (access, self.database.durability()) {
            (Access::Read, _) | (_, Durability::Process) => false,
            (Access::Write(_), Durability::Disk) => true,
        };
        !waits_for_disk && self.pace(access).allows_in_place()
    }

    /// `None` when there is no connection yet or the database is busy: a worker has to do it.
    fn run_in_place<T>(
        self: &Arc<Self>,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T>,
    ) -> Option<Result<T>> {
        let mut slot = try_lock(&self.in_place)?;
        let started = Instant::now();
        let open = slot.as_mut()?;
        let check = access.writes() || open.is_check_due(started);
        if check && self.database.has_moved(open) {
            *slot = None;
            return None;
        }
        let outcome = self.operate(open, access, operation);
        self.pace(access).took_in_place(started.elapsed());
        match outcome {
            Err(failure) if failure.is_busy() || failure.lacks_table() => None,
            outcome => Some(self.conclude(&mut slot, access, outcome)),
        }
    }

    /// Runs an operation on the workers' connection, again and again while the database is busy.
    fn run_patiently<T>(
        self: &Arc<Self>,
        deadline: Instant,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T>,
    ) -> Result<T> {
        let mut slot = lock(&self.worker);
        loop {
            let outcome = self.attempt(&mut slot, deadline, access, &operation);
            match outcome {
                Err(failure) if failure.is_busy() && Instant::now() < deadline => {
                    thread::sleep(RETRY_PAUSE);
                }
                outcome => return self.conclude(&mut slot, access, outcome),
            }
        }
    }

    fn attempt<T>(
        &self,
        slot: &mut Option<Open>,
        deadline: Instant,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T>,
    ) -> Outcome<T> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Late);
        }
        slot.take_if(|open| self.database.has_moved(open));
        let open = match slot {
            Some(open) => open,
            None => slot.insert(self.database.open(left)?),
        };
        self.open_in_place(open);
        open.table.set_patience(left)?;
        let started = Instant::now();
        let mut outcome = self.operate(open, access, &operation);
        if matches!(&outcome, Err(failure) if failure.lacks_table()) {
            self.database.make_table(open)?;
            outcome = self.operate(open, access, &operation);
        }
        self.pace(access).took_elsewhere(started.elapsed());
        outcome
    }

    /// Runs an operation on a connection. What it wrote to a file that has left its path meanwhile is not written.
    fn operate<T>(
        &self,
        open: &Open,
        access: Access,
        operation: impl Fn(&Table) -> Outcome<T>,
    ) -> Outcome<T> {
        let outcome = operation(&open.table);
        if access.writes() && self.database.has_moved(open) {
            return Err(Failure::Exchanged);
        }
        outcome
    }

    fn pace(&self, access: Access) -> &Pace {
        match access {
            Access::Read => &self.reads,
            Access::Write(_) => &self.writes,
        }
    }

    /// Opens the calling thread's connection to the file that the `worker`'s is open to, unless it is so already or that
    /// thread is using it. It goes on without one when that fails.
    fn open_in_place(&self, worker: &Open) {
        if let Some(mut slot) = try_lock(&self.in_place)
            && !slot.as_ref().is_some_and(|open| open.has_file_of(worker))
        {
            *slot = self.database.open(Duration::ZERO).ok();
        }
    }

    /// Turns an outcome into what the caller sees, and does what has to follow it.
    fn conclude<T>(
        self: &Arc<Self>,
        slot: &mut Option<Open>,
        access: Access,
        outcome: Outcome<T>,
    ) -> Result<T> {
        let failure = match outcome {
            Ok(value) => {
                if let Access::Write(bytes) = access {
                    self.count_pages(PAGES_PER_WRITE + bytes / PAGE_BYTES);
                }
                return Ok(value);
            }
            Err(failure) => failure,
        };
        if failure.breaks_connection() {
            *slot = None;
        }
        Err(self.refused(access, failure))
    }

    /// The error that a failure is.
    fn refused(&self, access: Access, failure: Failure) -> Error {
        let (code, verb) = match access {
            Access::Read => (Code::Read, "read"),
            Access::Write(_) => (Code::Write, "write"),
        };
        let message = format!(
            "cannot {verb} session table `{}`",
            self.database.table_name()
        );
        failure.into_error(code, message)
    }

    /// Has a worker copy the write-ahead log into the database after every so many pages, one worker at a time.
    fn count_pages(self: &Arc<Self>, pages: usize) {
        let total = self.pages.fetch_add(pages, Ordering::Relaxed) + pages;
        if total < CHECKPOINT_PAGES || self.checkpointing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.pages.store(0, Ordering::Relaxed);
        let shared = Arc::clone(self);
        // Nobody waits for it: one that fails leaves the log longer, and the next one copies more.
        self.lane.unheard(move || {
            let deadline = Instant::now() + CHECKPOINT_PATIENCE;
            let copy = |table: &Table| table.checkpoint(MOST_PAGES);
            shared.run_patiently(deadline, Access::Read, copy).ok();
            // The first write to a log that begins anew waits for the disk: not on the calling thread.
            shared.writes.keep_away();
            shared.checkpointing.store(false, Ordering::Release);
        });
    }
}

impl Driver for Sqlite {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        let id = *id;
        self.run(Access::Read, move |table| table.load(&id, now))
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        if let Err(error) = self.fits(payload) {
            return Answer::now(Err(error));
        }
        let (id, payload) = (*id, Arc::clone(payload));
        self.write(payload.len(), move |table| table.create(&id, &payload, now))
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        if let Err(error) = self.fits(payload) {
            return Answer::now(Err(error));
        }
        let (id, expected, payload) = (*id, Arc::clone(expected), Arc::clone(payload));
        self.write(payload.len(), move |table| {
            table.replace(&id, &expected, &payload, now)
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        let (id, expected) = (*id, Arc::clone(expected));
        self.run(Access::Write(0), move |table| table.remove(&id, &expected))
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        let id = *id;
        self.run(Access::Write(0), move |table| table.touch(&id, now))
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        let id = *id;
        self.run(Access::Write(0), move |table| table.destroy(&id))
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        let shared = Arc::clone(&self.shared);
        self.run_on_worker(Access::Write(0), move |table| {
            let sweep = table.sweep(cutoff, limit)?;
            shared.count_pages(PAGES_PER_WRITE * sweep.removed);
            if sweep.done && shared.database.log_bytes() > LOG_BYTES {
                // The records are gone already; a log that stays long is tried again by the next sweep.
                table.truncate_log().ok();
            }
            Ok(sweep)
        })
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        let after = after.cloned();
        self.run_on_worker(Access::Read, move |table| table.scan(after.as_ref(), limit))
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        let id = *id;
        self.run(Access::Write(0), move |table| {
            table.acquire(&id, owner, lease, now)
        })
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        let id = *id;
        self.run(Access::Write(0), move |table| table.release(&id, owner))
    }

    fn shares_leases(&self) -> bool {
        !self.shared.database.is_in_memory()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("database", &self.shared.database)
            .finish_non_exhaustive()
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Open>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock(slot: &Slot) -> Option<MutexGuard<'_, Option<Open>>> {
    match slot.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
