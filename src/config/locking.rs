//! Lock mode: options `lock`, `lockLease` and `lockWait`, of a NodeSession and of one call of `startSession`.

use super::setting::{Options, Setting};
use crate::clock::Millis;
use crate::error::{Code, Error, Result};

/// The options that a call of `startSession` may carry.
const OF_A_CALL: [&str; 3] = ["lock", "lockLease", "lockWait"];
/// Longest time: what one of JavaScript's timers could measure.
const LONGEST: u64 = (1 << 31) - 1;

/// Whether requests lock their sessions, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locking {
    /// Option `lock`: whether the requests of one session take turns. Default: no.
    pub is_on: bool,
    /// Option `lockLease`: how long a request has its session to itself, from the moment it got the lock. Units:
    /// milliseconds, 1 to 2³¹ − 1. Default: 10 000.
    pub lease: Millis,
    /// Option `lockWait`: how long a request waits for the lock. Units: milliseconds, 1 to 2³¹ − 1. Default: 10 000.
    pub wait: Millis,
}

impl Locking {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        Ok(Locking {
            is_on: options.switch("lock", false)?,
            lease: time(options, "lockLease", Millis(10_000))?,
            wait: time(options, "lockWait", Millis(10_000))?,
        })
    }

    /// The same, with what one call of `startSession` wants instead.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` for an option that a call cannot have, and for a value that it may not be.
    pub fn of_call(&self, options: &[(String, Setting)]) -> Result<Self> {
        let is_known = |name: &String| OF_A_CALL.contains(&name.as_str());
        if let Some((name, _)) = options.iter().find(|(name, _)| !is_known(name)) {
            let message = format!(
                "startSession has no option `{name}`; it has `lock`, `lockLease` and `lockWait`"
            );
            return Err(Error::new(Code::Config, message));
        }
        let options = Options::new(options);
        Ok(Locking {
            is_on: options.switch("lock", self.is_on)?,
            lease: time(&options, "lockLease", self.lease)?,
            wait: time(&options, "lockWait", self.wait)?,
        })
    }
}

fn time(options: &Options, name: &str, default: Millis) -> Result<Millis> {
    let default = usize::try_from(default.0).unwrap_or(usize::MAX);
    let given = options.count(name, default, 1..=LONGEST)?;
    Ok(Millis(i64::try_from(given).unwrap_or(i64::MAX)))
}
