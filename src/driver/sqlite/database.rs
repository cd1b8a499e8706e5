//! The database: which file it is, how it is made and opened, and whether it is still the one at its path.
//!
//! Knows the table's name and place, not what is done with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::{Failure, Outcome};
use super::table::{self, Table, quote};
use crate::driver::{Bounds, Durability, no_table};

/// How often the calling thread makes sure, when it only reads, that its connection's file is still the one at the path.
const IDENTITY_CHECK: Duration = Duration::from_secs(1);

/// Kibibytes of pages that each connection may keep. The negative sign is SQLite's, for "not a number of pages".
const CACHE_KIB: i64 = -8 * 1024;

/// What a connection is opened to.
#[derive(Debug)]
pub(super) struct Database {
    /// `None` means a database in memory, which is its connection's alone.
    file: Option<PathBuf>,
    schema: String,
    table: String,
    /// Whether the table is made where it is missing.
    pub(super) makes_table: bool,
    bounds: Bounds,
    durability: Durability,
}

/// An open connection to the table, and which file it is open to.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) table: Table,
    file: Option<Identity>,
    pub(super) checked: Instant,
}

/// What tells a file from another that was put in its place: device and inode. Absent where the system has no such thing.
type Identity = (u64, u64);

impl Database {
    pub(super) fn new(file: &Path, table: &str, bounds: Bounds, durability: Durability) -> Self {
        let in_memory = file.as_os_str() == ":memory:";
        // An absolute path outlives a change of the working directory, and is never taken for a `file:` URI.
        let absolute = || std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let (schema, table) = table.split_once('.').unwrap_or(("main", table));
        Self {
            file: (!in_memory).then(absolute),
            schema: schema.to_owned(),
            table: table.to_owned(),
            makes_table: true,
            bounds,
            durability,
        }
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.file.is_none()
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// The table's name, for messages.
    pub(super) fn table_name(&self) -> &str {
        &self.table
    }

    /// Opens a connection, making folder, file and table where they are missing.
    ///
    /// `patience` is how long each step waits for other connections; it is also the connection's from then on.
    pub(super) fn open(&self, patience: Duration) -> Outcome<Open> {
        let before = self.make_missing()?;
        let connection = match &self.file {
            None => Connection::open_in_memory()?,
            Some(file) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(file, flags)?
            }
        };
        if self.identity() != before {
            return Err(Failure::Exchanged);
        }
        connection.busy_timeout(patience)?;
        configure(&connection, self.durability)?;
        self.prepare_table(&connection)?;
        let (schema, table) = (quote(&self.schema), quote(&self.table));
        let leases = format!("{schema}.{}", quote(&format!("{}_locks", self.table)));
        Ok(Open {
            table: Table::new(connection, (&schema, &table), &leases, self.bounds),
            file: before,
            checked: Instant::now(),
        })
    }

    /// Makes the table once more, for somebody has dropped it since the connection was opened.
    pub(super) fn make_table(&self, open: &Open) -> Outcome<()> {
        self.prepare_table(open.table.connection())
    }

    fn prepare_table(&self, connection: &Connection) -> Outcome<()> {
        if self.makes_table || table::is_there(connection, &self.schema, &self.table)? {
            return table::create_if_missing(connection, &self.schema, &self.table);
        }
        Err(no_table(quote(&self.table)).into())
    }

    /// Whether the file at the path is no longer the one that is open.
    ///
    /// SQLite itself would go on writing to a file that has no name any more, to nobody's use. Asks the system about one
    /// path, which takes a microsecond or two. While the system cannot tell (an I/O error, a folder that may not be
    /// entered), it is taken to be where it was: what was written is written, and doing it again would find it done.
    pub(super) fn has_moved(&self, open: &Open) -> bool {
        self.look().is_ok_and(|found| found != open.file)
    }

    /// Bytes in the write-ahead log's file; 0 when there is none.
    pub(super) fn log_bytes(&self) -> u64 {
        let Some(file) = &self.file else { return 0 };
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        fs::metadata(log).map_or(0, |log| log.len())
    }

    fn make_missing(&self) -> Outcome<Option<Identity>> {
        if let (Some(file), None) = (&self.file, self.identity()) {
            make_file(file).map_err(Failure::Io)?;
        }
        Ok(self.identity())
    }

    fn identity(&self) -> Option<Identity> {
        self.look().unwrap_or(None)
    }

    /// Which file is at the path; `None` for none.
    #[cfg(unix)]
    fn look(&self) -> io::Result<Option<Identity>> {
        use std::os::unix::fs::MetadataExt;
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match fs::metadata(file) {
            Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(error),
            },
        }
    }

    #[cfg(not(unix))]
    fn look(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }
}

impl Open {
    /// Whether both are open to the same file.
    pub(super) fn has_file_of(&self, other: &Open) -> bool {
        self.file == other.file
    }

    /// Whether it is time to look again whether the file has moved; if so, the next look is a second away.
    pub(super) fn is_check_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.checked) >= IDENTITY_CHECK;
        if due {
            self.checked = now;
        }
        due
    }
}

fn configure(connection: &Connection, durability: Durability) -> Outcome<()> {
    // Without this a column that is missing would read as the text of its own name.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Process => "NORMAL",
        Durability::Disk => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A mapped file that another process cuts short, or a failing disk, would end this process by a signal.
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(())
}

/// Held while a database file is made. Closing a file drops every lock that this process holds on it, so nobody may have
/// opened it as a database before its maker has closed it.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes an empty file that only its owner may use (SQLite gives `-wal` and `-shm` the same mode), and its folder.
fn make_file(file: &Path) -> io::Result<()> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = file.parent() {
        private_folder().create(folder)?;
    }
    match private_file().open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn private_folder() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
