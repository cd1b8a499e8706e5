//! What can go wrong with a database, sorted by what has to follow: another try, a new connection, or an error.
//!
//! SQLite's own texts name tables and columns, never values, so they may be shown as the cause.

use std::io;

use rusqlite::ErrorCode;

use crate::error::{Code, Error};

/// Why an operation on a connection gave no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// The system said so, before SQLite was asked.
    Io(io::Error),
    /// The file was exchanged while it was being opened or written.
    Exchanged,
    /// The time for the operation was over before it began.
    Late,
    /// The record itself is at fault; the database is well.
    Record(Error),
}

/// What an operation on a connection gives.
pub(super) type Outcome<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Record(error)
    }
}

impl Failure {
    /// Whether somebody else is using the database, so that another try may do better.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Failure::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
            Failure::Exchanged | Failure::Late => true,
            Failure::Io(_) | Failure::Record(_) => false,
        }
    }

    /// Whether a table is missing, so that another try may do better once it is made.
    ///
    /// SQLite has no code for it, only the text.
    pub(super) fn lacks_table(&self) -> bool {
        matches!(self, Failure::Sqlite(error) if describe(error).0.starts_with("no such table: "))
    }

    /// Whether other operations on the connection would fail as well.
    pub(super) fn is_for_all(&self) -> bool {
        self.is_busy() || self.lacks_table() || self.breaks_connection()
    }

    /// Whether the connection may be at fault, so that the next call should open another.
    pub(super) fn breaks_connection(&self) -> bool {
        match self {
            Failure::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::ApiMisuse
                )
            ),
            _ => false,
        }
    }

    /// The error that the driver's caller sees; `code` and `message` say what the caller wanted.
    pub(super) fn into_error(self, code: Code, message: String) -> Error {
        let code = if self.is_busy() { Code::Timeout } else { code };
        let error = Error::new(code, message);
        match self {
            Failure::Sqlite(cause) => {
                let (message, name) = describe(&cause);
                error.because(message, name.map(str::to_owned))
            }
            Failure::Io(cause) => error.because_io(&cause),
            Failure::Exchanged => error.because("the database file was being exchanged", None),
            Failure::Late => error.because("other operations on the database took too long", None),
            Failure::Record(record) => record,
        }
    }
}

/// What SQLite said, without the statement, and its name for it.
fn describe(error: &rusqlite::Error) -> (String, Option<&'static str>) {
    match error {
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            (msg.clone(), name(error.extended_code))
        }
        other => {
            let code = other.sqlite_error().map(|error| error.extended_code);
            (other.to_string(), code.and_then(name))
        }
    }
}

/// SQLite's own name for a result code, by its low byte.
///
/// Spec: <https://sqlite.org/rescode.html>.
fn name(code: i32) -> Option<&'static str> {
    const NAMES: [&str; 27] = [
        "SQLITE_OK",
        "SQLITE_ERROR",
        "SQLITE_INTERNAL",
        "SQLITE_PERM",
        "SQLITE_ABORT",
        "SQLITE_BUSY",
        "SQLITE_LOCKED",
        "SQLITE_NOMEM",
        "SQLITE_READONLY",
        "SQLITE_INTERRUPT",
        "SQLITE_IOERR",
        "SQLITE_CORRUPT",
        "SQLITE_NOTFOUND",
        "SQLITE_FULL",
        "SQLITE_CANTOPEN",
        "SQLITE_PROTOCOL",
        "SQLITE_EMPTY",
        "SQLITE_SCHEMA",
        "SQLITE_TOOBIG",
        "SQLITE_CONSTRAINT",
        "SQLITE_MISMATCH",
        "SQLITE_MISUSE",
        "SQLITE_NOLFS",
        "SQLITE_AUTH",
        "SQLITE_FORMAT",
        "SQLITE_RANGE",
        "SQLITE_NOTADB",
    ];
    NAMES.get(usize::try_from(code & 0xff).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> Failure {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into()
    }

    #[test]
    fn a_full_disk_keeps_sqlites_name_for_it() {
        let error = sqlite(rusqlite::ffi::SQLITE_FULL).into_error(Code::Write, "m".into());
        assert_eq!(error.code(), Code::Write);
        assert_eq!(error.cause().unwrap().code.as_deref(), Some("SQLITE_FULL"));
    }

    #[test]
    fn a_database_that_stays_busy_is_a_timeout() {
        for code in [
            rusqlite::ffi::SQLITE_BUSY,
            rusqlite::ffi::SQLITE_BUSY_SNAPSHOT,
        ] {
            let error = sqlite(code).into_error(Code::Write, "m".into());
            assert_eq!(error.code(), Code::Timeout);
            assert_eq!(error.cause().unwrap().code.as_deref(), Some("SQLITE_BUSY"));
        }
    }
}
