//! What can stop an operation on a session file, and how it is told.
//!
//! Does no I/O. The messages name the folder, never a file: a file's name is a session id.

use std::path::Path;

use rustix::io::Errno;

use crate::driver::foreign_cursor;
use crate::error::{Code, Error};

/// What an operation on the disk gives.
pub(super) type Step<T> = Result<T, Fault>;

/// What stopped an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another thread or process is changing the record.
    Busy,
    /// A system call failed.
    System(Errno),
    /// A symbolic link, a folder, a pipe, a socket or a device has the record's name.
    NotAFile,
    /// The record's file belongs to another user.
    Foreign,
    /// The record's file is larger than a payload may be.
    TooLarge,
    /// The record's file is not UTF-8.
    NotText,
    /// A listing is asked to go on whose reading of the folder has been given up.
    Lost,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Write,
    Remove,
    Sweep,
    List,
    Lock,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Fault::System(errno)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        // An error that is not the system's is a write that makes no progress.
        Fault::System(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl Fault {
    /// The error that users see.
    pub(super) fn explain(self, verb: Verb, folder: &Path) -> Error {
        let folder = folder.display();
        let code = match verb {
            Verb::Read | Verb::List => Code::Read,
            Verb::Write | Verb::Remove | Verb::Sweep | Verb::Lock => Code::Write,
        };
        let doing = match verb {
            Verb::Read => format!("cannot read a session file in `{folder}`"),
            Verb::Write => format!("cannot write a session file in `{folder}`"),
            Verb::Remove => format!("cannot remove a session file in `{folder}`"),
            Verb::Sweep => format!("cannot sweep the session folder `{folder}`"),
            Verb::List => format!("cannot list the session folder `{folder}`"),
            Verb::Lock => format!("cannot lock a session in `{folder}`"),
        };
        match self {
            Fault::System(errno) => Error::new(code, doing).because_io(&errno.into()),
            Fault::Busy => Error::new(Code::Timeout, format!("{doing}: it stays locked")),
            Fault::Foreign => Error::new(code, format!("{doing}: it belongs to another user")),
            Fault::NotAFile => {
                Error::new(Code::Corrupt, format!("{doing}: it is not a regular file"))
            }
            Fault::TooLarge => Error::new(Code::TooLarge, format!("{doing}: it is too large")),
            Fault::Lost => foreign_cursor(),
            Fault::NotText => Error::new(Code::Corrupt, format!("{doing}: it is not UTF-8 text")),
        }
    }
}
