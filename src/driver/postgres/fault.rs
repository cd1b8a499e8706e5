//! What can go wrong with PostgreSQL, sorted by what has to follow: another connection, another try, or an error.
//!
//! Of what the server says only the first line is told, and none that may quote a value.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error as PgError;
use tokio_postgres::error::{DbError, SqlState};

use crate::driver::remote::{Failure, Reason};
use crate::error::Error;

/// Why an operation gave no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection could be made.
    Unreached(Reason),
    /// The same, although the server was waited for.
    Away(Reason),
    /// The server has no place for another connection.
    Full(Reason),
    /// The connection ended while it was used.
    Lost(Reason),
    /// The server gave the statement up after its time.
    Late,
    /// The table is not there.
    Missing(Reason),
    /// What was prepared or found out about the table does not hold any more.
    Stale(Reason),
    /// Another transaction was in the way; nothing was done.
    Clash(Reason),
    /// The server takes no writes, at least on this connection.
    ReadOnly(Reason),
    /// The server refused.
    Refused(Reason),
    /// The record is at fault.
    Unusable(Error),
}

impl Fault {
    /// What went wrong while a connection was made.
    pub(super) fn of_connecting(error: &PgError) -> Self {
        match Fault::from(error) {
            Fault::Lost(reason) => Fault::Unreached(reason),
            other => other,
        }
    }

    /// What it is for a call that has waited for the server.
    pub(super) fn in_spite_of_waiting(self) -> Self {
        match self {
            Fault::Unreached(reason) => Fault::Away(reason),
            other => other,
        }
    }

    /// Whether the server itself says that it starts or stops.
    pub(super) fn is_between(&self) -> bool {
        let between = [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN];
        let is_one = |code: &String| between.iter().any(|state| state.code() == code);
        matches!(self, Fault::Unreached(reason) if reason.code.as_ref().is_some_and(is_one))
    }

    /// Whether the server has heard and answered, so that the connection can be used again.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        !matches!(
            self,
            Fault::Unreached(_)
                | Fault::Away(_)
                | Fault::Full(_)
                | Fault::Lost(_)
                | Fault::ReadOnly(_)
        )
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Unusable(error)
    }
}

impl From<PgError> for Fault {
    fn from(error: PgError) -> Self {
        Fault::from(&error)
    }
}

impl From<&PgError> for Fault {
    fn from(error: &PgError) -> Self {
        if let Some(said) = error.as_db_error() {
            return of_server(said);
        }
        let cause = error.source();
        let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
        match (cause, io) {
            (_, Some(io))
                if io
                    .get_ref()
                    .is_some_and(|cause| cause.is::<rustls::Error>()) =>
            {
                Fault::Refused(plain(format!("{error}: {io}")))
            }
            (_, Some(io)) => Fault::Lost(Reason::of_io(io)),
            // The connection is closed, or what came from it is no PostgreSQL.
            (None, None) => Fault::Lost(plain(error.to_string())),
            (Some(cause), None) => Fault::Refused(plain(format!("{error}: {cause}"))),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreached(reason) => Failure::Unreached(reason),
            Fault::Away(reason) => Failure::Late(reason),
            Fault::Lost(reason) => Failure::Broken(reason),
            // An answer, and no silence: another transaction may hold this one row.
            Fault::Late => Failure::Refused(Reason {
                message: "the statement took longer than it may".to_owned(),
                code: Some(SqlState::QUERY_CANCELED.code().to_owned()),
            }),
            Fault::Full(reason)
            | Fault::Missing(reason)
            | Fault::Stale(reason)
            | Fault::Clash(reason)
            | Fault::ReadOnly(reason)
            | Fault::Refused(reason) => Failure::Refused(reason),
            Fault::Unusable(error) => Failure::Unusable(error),
        }
    }
}

/// Whether the statement was given up after its time.
pub(super) fn is_late(reason: &Reason) -> bool {
    reason.code.as_deref() == Some(SqlState::QUERY_CANCELED.code())
}

/// Whether what was refused is the statement itself, whatever its values.
pub(super) fn is_of_the_statement(reason: &Reason) -> bool {
    let code = reason.code.as_deref().unwrap_or_default();
    // What may not be done may be so for one row only.
    let is_forbidden = code == SqlState::INSUFFICIENT_PRIVILEGE.code();
    !is_forbidden && (code.starts_with("42") || code.starts_with("0A"))
}

fn plain(message: String) -> Reason {
    Reason {
        message,
        code: None,
    }
}

/// Spec: PostgreSQL's manual, appendix A, "PostgreSQL Error Codes".
fn of_server(said: &DbError) -> Fault {
    let code = said.code().code();
    let reason = Reason {
        message: sentence(said),
        code: Some(code.to_owned()),
    };
    match said.code() {
        &SqlState::TOO_MANY_CONNECTIONS => Fault::Full(reason),
        &SqlState::ADMIN_SHUTDOWN
        | &SqlState::CRASH_SHUTDOWN
        | &SqlState::CANNOT_CONNECT_NOW
        | &SqlState::IDLE_SESSION_TIMEOUT
        | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Fault::Lost(reason),
        &SqlState::QUERY_CANCELED => Fault::Late,
        &SqlState::UNDEFINED_TABLE => Fault::Missing(reason),
        // A plan whose table was altered, and a statement that a pooler between here and there does not know.
        &SqlState::FEATURE_NOT_SUPPORTED
        | &SqlState::INVALID_SQL_STATEMENT_NAME
        | &SqlState::UNDEFINED_COLUMN
        | &SqlState::UNDEFINED_FUNCTION
        | &SqlState::DATATYPE_MISMATCH => Fault::Stale(reason),
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            Fault::Clash(reason)
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Fault::ReadOnly(reason),
        _ if code.starts_with("08") => Fault::Lost(reason),
        _ => Fault::Refused(reason),
    }
}

/// What the server said, without the detail and the hint: those quote rows. Messages about values, and those that an
/// application's own triggers raise, may quote them too.
fn sentence(said: &DbError) -> String {
    let code = said.code().code();
    let quotes_values = code.starts_with("22") || code.starts_with("P0");
    match said.code() {
        &SqlState::STRING_DATA_RIGHT_TRUNCATION => said.message().to_owned(),
        _ if quotes_values => "the database refused a value".to_owned(),
        _ => said.message().to_owned(),
    }
}
