//! The one error type, and the stable codes that JavaScript sees as `err.code`.
//!
//! Messages name an operation and its object. They never hold a session id, a secret or a payload.

use std::fmt;

/// Why something failed, as a stable word.
///
/// Shape: `ERR_SESSION_` and a noun, in upper case. `index.d.ts` mirrors this list and a test compares the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// An option is missing or not one of the allowed values.
    Config,
    /// The storage could not be read.
    Read,
    /// The storage could not be written.
    Write,
    /// The storage did not answer in time.
    Timeout,
    /// The record was destroyed or renamed while the request ran; nothing was written.
    Gone,
    /// A stored payload is not the text of a session.
    Corrupt,
    /// A stored payload does not authenticate under any secret of the keyring.
    Decrypt,
    /// A payload is larger than `maxBytes`.
    TooLarge,
    /// Attributes are nested deeper than `maxDepth`.
    Depth,
    /// A value cannot be turned into JSON.
    Serialize,
    /// A session's lock was not free in time, or nobody waited for it any more.
    LockTimeout,
    /// A lock ran out and another request had the session since; nothing was written.
    LockLost,
    /// A CSRF token is missing or wrong.
    Csrf,
    /// A fault of this package.
    Internal,
}

impl Code {
    /// Every code, in the order in which `index.d.ts` lists them.
    pub const ALL: [Code; 14] = [
        Code::Config,
        Code::Read,
        Code::Write,
        Code::Timeout,
        Code::Gone,
        Code::Corrupt,
        Code::Decrypt,
        Code::TooLarge,
        Code::Depth,
        Code::Serialize,
        Code::LockTimeout,
        Code::LockLost,
        Code::Csrf,
        Code::Internal,
    ];

    /// The text of `err.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Config => "ERR_SESSION_CONFIG",
            Code::Read => "ERR_SESSION_READ",
            Code::Write => "ERR_SESSION_WRITE",
            Code::Timeout => "ERR_SESSION_TIMEOUT",
            Code::Gone => "ERR_SESSION_GONE",
            Code::Corrupt => "ERR_SESSION_CORRUPT",
            Code::Decrypt => "ERR_SESSION_DECRYPT",
            Code::TooLarge => "ERR_SESSION_TOO_LARGE",
            Code::Depth => "ERR_SESSION_DEPTH",
            Code::Serialize => "ERR_SESSION_SERIALIZE",
            Code::LockTimeout => "ERR_SESSION_LOCK_TIMEOUT",
            Code::LockLost => "ERR_SESSION_LOCK_LOST",
            Code::Csrf => "ERR_SESSION_CSRF",
            Code::Internal => "ERR_SESSION_INTERNAL",
        }
    }
}

/// What went wrong further down: the text and, for a system call, its name (`ENOSPC`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What the storage or the system said.
    pub message: String,
    /// The system's or the database's own short name for it, when there is one.
    pub code: Option<String>,
}

/// A failed operation of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: String,
    cause: Option<Cause>,
}

/// What the engine's operations give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a further cause. `message` names the operation and its object, without a full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            cause: None,
        }
    }

    /// An option that cannot be used. `allowed` ends the sentence "`option` must be …".
    pub fn config(option: &str, allowed: impl fmt::Display) -> Self {
        Self::new(Code::Config, format!("option `{option}` must be {allowed}"))
    }

    /// The same error with what caused it.
    pub fn because(mut self, message: impl fmt::Display, code: Option<String>) -> Self {
        self.cause = Some(Cause {
            message: message.to_string(),
            code,
        });
        self
    }

    /// The same error, caused by a failed system call.
    pub fn because_io(self, error: &std::io::Error) -> Self {
        self.because(error, io_name(error).map(str::to_owned))
    }

    /// The stable word for programs.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What went wrong further down.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The system's name for what went wrong, such as `ENOSPC`, where it has one.
pub fn io_name(error: &std::io::Error) -> Option<&'static str> {
    error.raw_os_error().and_then(errno_name)
}

/// The system's name for an error number, for those that storage on disk or beyond a network can meet.
#[cfg(unix)]
fn errno_name(number: i32) -> Option<&'static str> {
    use rustix::io::Errno;
    let named = [
        (Errno::NOSPC, "ENOSPC"),
        (Errno::ACCESS, "EACCES"),
        (Errno::PERM, "EPERM"),
        (Errno::ROFS, "EROFS"),
        (Errno::MFILE, "EMFILE"),
        (Errno::NFILE, "ENFILE"),
        (Errno::IO, "EIO"),
        (Errno::NOENT, "ENOENT"),
        (Errno::EXIST, "EEXIST"),
        (Errno::DQUOT, "EDQUOT"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::LOOP, "ELOOP"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::CONNABORTED, "ECONNABORTED"),
        (Errno::PIPE, "EPIPE"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NETUNREACH, "ENETUNREACH"),
    ];
    named
        .iter()
        .find(|(errno, _)| errno.raw_os_error() == number)
        .map(|(_, name)| *name)
}

#[cfg(not(unix))]
fn errno_name(_number: i32) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_system_call_keeps_the_systems_name_for_it() {
        let full = std::io::Error::from_raw_os_error(28);
        let error = Error::new(Code::Write, "cannot write session file").because_io(&full);
        assert_eq!(error.cause().unwrap().code.as_deref(), Some("ENOSPC"));
        assert_eq!(error.to_string(), "cannot write session file");
    }

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(names.iter().all(|name| name.starts_with("ERR_SESSION_")));
    }
}
