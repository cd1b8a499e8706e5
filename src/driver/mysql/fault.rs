//! What can go wrong with a server, sorted by what has to follow: another try, a new connection, a table, or an error.
//!
//! Texts of the server are told only where they are known to quote no value. Asks nothing.

use mysql_async::{DriverError, Error, IoError, ServerError};

use crate::driver::no_table;
use crate::driver::remote::{Failure, Reason};
use crate::error::io_name;

/// Why a statement gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) reason: Reason,
}

/// What has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no connection: nothing was asked.
    Unreached,
    /// The same, although the server was waited for.
    Away,
    /// The connection is of no use any more.
    Broken,
    /// Another transaction came in between: the same again.
    Again,
    /// Another transaction holds the row or the table: the same again, for a while.
    Locked,
    /// The table is missing.
    NoTable,
    /// The table is missing and is not to be made; its name is the message.
    Absent,
    /// A row of that key is there.
    Duplicate,
    /// The server has no connection to spare.
    Crowded,
    /// The server takes no writes; another one may.
    ReadOnly,
    /// A column of the table cannot hold the value.
    Narrow,
    /// An error.
    Plain,
}

impl Fault {
    /// A refusal of our own.
    pub(super) fn refused(message: impl Into<String>, code: &str) -> Self {
        let (message, code) = (message.into(), Some(code.to_owned()));
        let reason = Reason { message, code };
        Self {
            kind: Kind::Plain,
            reason,
        }
    }
}

impl Fault {
    /// Whether what was refused is the statement itself, whatever its values, so far as that is known: none of the errors that
    /// are expected.
    pub(super) fn is_of_the_statement(&self) -> bool {
        let code = self.reason.code.as_deref().unwrap_or_default();
        code == "ER_PARSE_ERROR" || code.parse::<u16>().is_ok()
    }

    /// What went wrong while a connection was made.
    pub(super) fn unreached(mut self) -> Self {
        if self.kind == Kind::Broken {
            self.kind = Kind::Unreached;
        }
        self
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            Kind::Unreached => Failure::Unreached(fault.reason),
            Kind::Away => Failure::Late(fault.reason),
            Kind::Broken => Failure::Broken(fault.reason),
            Kind::Absent => Failure::Unusable(no_table(fault.reason.message)),
            _ => Failure::Refused(fault.reason),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (kind, message, code) = match &error {
            Error::Server(said) => return Self::of_server(said),
            Error::Io(IoError::Io(error)) => (Kind::Broken, error.to_string(), io_name(error)),
            Error::Io(other) => (Kind::Plain, other.to_string(), None),
            Error::Driver(
                error @ (DriverError::ConnectionClosed
                | DriverError::PacketOutOfOrder
                | DriverError::UnexpectedPacket { .. }),
            ) => (Kind::Broken, error.to_string(), None),
            Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
                return Self::refused(unknown_plugin(name), "ER_NOT_SUPPORTED_AUTH_MODE");
            }
            Error::Driver(error) => (Kind::Plain, error.to_string(), None),
            Error::Url(_) | Error::Other(_) => {
                (Kind::Plain, "an error of the protocol".into(), None)
            }
        };
        let code = code.map(str::to_owned);
        let reason = Reason { message, code };
        Self { kind, reason }
    }
}

/// MySQL hides which users it knows: whom it does not know, it may ask in a way that none of its users has.
fn unknown_plugin(name: &str) -> String {
    format!(
        "the server asks for `{name}`, which is not supported; it may ask so of a user that it does not know"
    )
}

impl Fault {
    fn of_server(said: &ServerError) -> Self {
        let known = KNOWN.iter().find(|(number, ..)| *number == said.code);
        let (kind, message, code) = match known {
            Some((_, name, kind, Text::Discreet)) => (*kind, said.message.clone(), *name),
            Some((_, name, kind, Text::Quotes(instead))) => (*kind, (*instead).into(), *name),
            None => {
                let message = format!("the server's error {} ({})", said.code, said.state);
                (Kind::Plain, message, "")
            }
        };
        let code = match code {
            "" => said.code.to_string(),
            name => name.to_owned(),
        };
        Self {
            kind,
            reason: Reason {
                message,
                code: Some(code),
            },
        }
    }
}

/// What is told of an error.
#[derive(Clone, Copy, Debug)]
enum Text {
    /// The server's own text, which names users, hosts, tables and columns, but no values.
    Discreet,
    /// The server's text quotes values: this one stands for it.
    Quotes(&'static str),
}

use self::Text::{Discreet, Quotes};

/// The errors that are known by number. Of any other, only the number and the SQLSTATE are told.
///
/// Spec: <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html> and
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
const KNOWN: &[(u16, &str, Kind, Text)] = &[
    (1020, "ER_CHECKREAD", Kind::Again, Discreet),
    (1021, "ER_DISK_FULL", Kind::Plain, Discreet),
    (1030, "ER_GET_ERRNO", Kind::Plain, Discreet),
    (1037, "ER_OUTOFMEMORY", Kind::Plain, Discreet),
    (1038, "ER_OUT_OF_SORTMEMORY", Kind::Plain, Discreet),
    (1040, "ER_CON_COUNT_ERROR", Kind::Crowded, Discreet),
    (1041, "ER_OUT_OF_RESOURCES", Kind::Plain, Discreet),
    (1044, "ER_DBACCESS_DENIED_ERROR", Kind::Plain, Discreet),
    (1045, "ER_ACCESS_DENIED_ERROR", Kind::Plain, Discreet),
    // Galera says so while a node has no part in its cluster.
    (1047, "ER_UNKNOWN_COM_ERROR", Kind::Broken, Discreet),
    (1049, "ER_BAD_DB_ERROR", Kind::Plain, Discreet),
    (1053, "ER_SERVER_SHUTDOWN", Kind::Broken, Discreet),
    (1054, "ER_BAD_FIELD_ERROR", Kind::Plain, Discreet),
    (1059, "ER_TOO_LONG_IDENT", Kind::Plain, Discreet),
    (1062, "ER_DUP_ENTRY", Kind::Duplicate, Quotes(DUPLICATE)),
    (1064, "ER_PARSE_ERROR", Kind::Plain, Discreet),
    (1114, "ER_RECORD_FILE_FULL", Kind::Plain, Discreet),
    (1129, "ER_HOST_IS_BLOCKED", Kind::Plain, Discreet),
    (1130, "ER_HOST_NOT_PRIVILEGED", Kind::Plain, Discreet),
    (1142, "ER_TABLEACCESS_DENIED_ERROR", Kind::Plain, Discreet),
    (1143, "ER_COLUMNACCESS_DENIED_ERROR", Kind::Plain, Discreet),
    (1146, "ER_NO_SUCH_TABLE", Kind::NoTable, Discreet),
    (1152, "ER_ABORTING_CONNECTION", Kind::Broken, Discreet),
    (1153, "ER_NET_PACKET_TOO_LARGE", Kind::Plain, Discreet),
    (1156, "ER_NET_PACKETS_OUT_OF_ORDER", Kind::Broken, Discreet),
    (1158, "ER_NET_READ_ERROR", Kind::Broken, Discreet),
    (1159, "ER_NET_READ_INTERRUPTED", Kind::Broken, Discreet),
    (1160, "ER_NET_ERROR_ON_WRITE", Kind::Broken, Discreet),
    (1161, "ER_NET_WRITE_INTERRUPTED", Kind::Broken, Discreet),
    (1184, "ER_NEW_ABORTING_CONNECTION", Kind::Broken, Discreet),
    (
        1203,
        "ER_TOO_MANY_USER_CONNECTIONS",
        Kind::Crowded,
        Discreet,
    ),
    (1205, "ER_LOCK_WAIT_TIMEOUT", Kind::Locked, Discreet),
    (1213, "ER_LOCK_DEADLOCK", Kind::Again, Discreet),
    (1226, "ER_USER_LIMIT_REACHED", Kind::Crowded, Discreet),
    (
        1227,
        "ER_SPECIFIC_ACCESS_DENIED_ERROR",
        Kind::Plain,
        Discreet,
    ),
    (1243, "ER_UNKNOWN_STMT_HANDLER", Kind::Broken, Discreet),
    (1251, "ER_NOT_SUPPORTED_AUTH_MODE", Kind::Plain, Discreet),
    (1264, "ER_WARN_DATA_OUT_OF_RANGE", Kind::Narrow, Discreet),
    (1267, "ER_CANT_AGGREGATE_2COLLATIONS", Kind::Plain, Discreet),
    (
        1290,
        "ER_OPTION_PREVENTS_STATEMENT",
        Kind::ReadOnly,
        Discreet,
    ),
    (1292, "ER_TRUNCATED_WRONG_VALUE", Kind::Plain, Quotes(UNFIT)),
    (1317, "ER_QUERY_INTERRUPTED", Kind::Broken, Discreet),
    (1364, "ER_NO_DEFAULT_FOR_FIELD", Kind::Plain, Discreet),
    (
        1366,
        "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD",
        Kind::Narrow,
        Quotes(UNFIT),
    ),
    (1406, "ER_DATA_TOO_LONG", Kind::Narrow, Discreet),
    (1412, "ER_TABLE_DEF_CHANGED", Kind::Again, Discreet),
    (
        1461,
        "ER_MAX_PREPARED_STMT_COUNT_REACHED",
        Kind::Plain,
        Discreet,
    ),
    (
        1586,
        "ER_DUP_ENTRY_WITH_KEY_NAME",
        Kind::Duplicate,
        Quotes(DUPLICATE),
    ),
    (1615, "ER_NEED_REPREPARE", Kind::Again, Discreet),
    (
        1665,
        "ER_BINLOG_STMT_MODE_AND_ROW_ENGINE",
        Kind::Plain,
        Discreet,
    ),
    (
        1792,
        "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
        Kind::ReadOnly,
        Discreet,
    ),
    (1836, "ER_READ_ONLY_MODE", Kind::ReadOnly, Discreet),
    (1927, "ER_CONNECTION_KILLED", Kind::Broken, Discreet),
    (1969, "ER_STATEMENT_TIMEOUT", Kind::Plain, Discreet),
    (3024, "ER_QUERY_TIMEOUT", Kind::Plain, Discreet),
    (3159, "ER_SECURE_TRANSPORT_REQUIRED", Kind::Plain, Discreet),
    (3168, "ER_SERVER_ISNT_AVAILABLE", Kind::Broken, Discreet),
    (3169, "ER_SESSION_WAS_KILLED", Kind::Broken, Discreet),
    (
        3988,
        "ER_IMPOSSIBLE_STRING_CONVERSION",
        Kind::Narrow,
        Quotes(UNFIT),
    ),
    (
        4031,
        "ER_CLIENT_INTERACTION_TIMEOUT",
        Kind::Broken,
        Discreet,
    ),
    (
        4151,
        "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
        Kind::Plain,
        Discreet,
    ),
];

const DUPLICATE: &str = "a row of the same key is there";
const UNFIT: &str = "a column cannot hold the value";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, message: &str) -> Fault {
        let (message, state) = (message.to_owned(), "HY000".to_owned());
        let error = ServerError {
            code,
            message,
            state,
        };
        Fault::from(Error::Server(error))
    }

    #[test]
    fn what_a_text_quotes_of_a_session_is_not_told() {
        let id = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
        for (code, name) in [
            (1062, "ER_DUP_ENTRY"),
            (1292, "ER_TRUNCATED_WRONG_VALUE"),
            (1366, "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD"),
            (1644, "1644"),
            (65_000, "65000"),
        ] {
            let fault = said(code, &format!("an entry '{id}' for key 'PRIMARY'"));
            assert!(!format!("{fault:?}").contains(id), "{code}");
            assert_eq!(fault.reason.code.as_deref(), Some(name));
        }
    }

    #[test]
    fn the_servers_own_text_is_told_where_it_quotes_none() {
        let text = "Access denied for user 'bob'@'localhost' (using password: YES)";
        let fault = said(1045, text);
        assert_eq!(fault.reason.message, text);
        let code = fault.reason.code.as_deref();
        assert_eq!(code, Some("ER_ACCESS_DENIED_ERROR"));
    }

    #[test]
    fn the_errors_are_in_order_and_each_is_named_once() {
        let numbers: Vec<_> = KNOWN.iter().map(|(number, ..)| number).collect();
        assert!(numbers.is_sorted());
        for (index, (_, name, ..)) in KNOWN.iter().enumerate() {
            assert!(
                KNOWN[index + 1..]
                    .iter()
                    .all(|(_, other, ..)| other != name)
            );
        }
    }
}
