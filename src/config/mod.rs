//! Every option: its default, its unit and what it may be; checked once and turned into types.
//!
//! Opens nothing and reads no environment: it is given the options and the working directory. An option that it does
//! not know is left alone, since an application written for the original may carry any.

mod connection;
mod cookie;
mod locking;
mod others;
mod proxy;
mod secret;
mod setting;
mod storage;

use std::path::{Path, PathBuf};

use crate::clock::Millis;
use crate::cookie::CookieOptions;
use crate::driver::Durability;
use crate::error::{Error, Result};

pub use connection::{
    Address, Connection, Engine, Password, Redis, Server, Tls, Topology, implied_driver,
};
pub use locking::Locking;
pub use proxy::TrustProxy;
pub use secret::Secrets;
pub use setting::Setting;
pub use storage::{Database, TableName};

use setting::Options;

/// Idle timeout of sessions whose cookie lives until the browser closes by `lifetime: 0`: a day.
const BROWSER_SESSION_IDLE: Millis = Millis(24 * 60 * 60 * 1000);
/// How long browsers keep a cookie at most: 400 days. Spec: RFC 6265bis §5.5.
const LONGEST_COOKIE: Millis = Millis(400 * 24 * 60 * 60 * 1000);
/// Longest touch interval that is chosen for a driver: a minute.
const LONGEST_DEFAULT_TOUCH: Millis = Millis(60_000);
/// Deepest nesting that `maxDepth` allows. V8's `JSON.stringify` gives up at about 4170 levels.
const DEEPEST: u64 = 4000;

/// What a `NodeSession` was asked to be.
#[derive(Debug)]
pub struct Config {
    /// Option `driver`: the name of the driver, as given. Default: what `connection` asks for, or `file`.
    ///
    /// Whether there is such a driver is known at the first request only, when all handlers are registered.
    pub driver: String,
    /// Option `files`: the folder of session files, absolute. Default: `sessions` in the working directory.
    pub files: PathBuf,
    /// Options `connection` and `table`: what the drivers `database` and `redis` need. The error is one for whoever asks for
    /// such a driver; `parse` itself fails with it when `driver` names one.
    pub database: Result<Database>,
    /// Options `cookie`, `path`, `domain`, `httpOnly`, `secure`, `sameSite`, `partitioned`, `priority`, and from
    /// `lifetime` and `expireOnClose` the cookie's age.
    pub cookie: CookieOptions,
    /// Option `secret`: the first signs and seals, all verify and unseal. Never empty.
    pub secrets: Secrets,
    /// Options `trustProxy` and `trustProxyFn`: whom to believe about https. Default: nobody.
    pub trust_proxy: TrustProxy,
    /// Option `lottery`: how often the end of a request starts a sweep. Default: 2 in 100.
    pub lottery: Lottery,
    /// Option `encrypt`: whether payloads are sealed. Default: no.
    pub encrypt: bool,
    /// Option `legacyPayloads`: whether payloads that the original encrypted are read. Default: yes.
    pub legacy_payloads: bool,
    /// Option `maxDepth`: deepest nesting of a session's attributes. Units: levels, 1 to 4000. Default: 1000.
    pub max_depth: usize,
    /// Option `maxBytes`: largest stored payload. Units: bytes, at least 1024. Default: 1 048 576.
    pub max_bytes: usize,
    /// Option `maxSessions`: most sessions the memory driver keeps, at least 1. Default: 1 000 000.
    pub max_sessions: usize,
    /// Option `durability`: what a saved session survives. Default: the end of the process.
    pub durability: Durability,
    /// Option `strictSave`: whether a failed save turns the response into a 500. Default: no.
    pub strict_save: bool,
    /// Option `onCorrupt`: whether a record that cannot be used is an error of the request. Default: no, a new session.
    pub fail_on_corrupt: bool,
    /// Option `rolling`: whether every response carries the cookie, or only one that recorded activity. Default: yes.
    pub rolling: bool,
    /// Option `readTimeout`: longest time in which a session is loaded. Units: milliseconds, 1 to 2³¹ − 1. Default: 2000.
    pub read_timeout: Millis,
    /// Option `saveTimeout`: longest time in which a session is saved, its wait for earlier saves included. Units:
    /// milliseconds, 1 to 2³¹ − 1. Default: 2000.
    pub save_timeout: Millis,
    /// Options `lock`, `lockLease` and `lockWait`: whether the requests of one session take turns. Default: no.
    pub locking: Locking,
    lifetime: Millis,
    touch_interval: Option<Millis>,
}

/// Odds that the end of a request starts a sweep: `hits` in `draws`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lottery {
    /// Draws that hit; 0 never does.
    pub hits: u32,
    /// All draws, at least 1.
    pub draws: u32,
}

/// How often a driver records activity where `touchInterval` does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchDefault {
    /// At every request, because that is nearly free: expiry is exact.
    EveryRequest,
    /// Once in a tenth of the idle timeout, but at least once a minute.
    Seldom,
}

impl Config {
    /// Checks `options`; gives the configuration and the warnings that it calls for.
    ///
    /// `undefined` is the same as an option that is not there. Relative paths start at `working_directory`, which is
    /// absolute. Warnings are whole sentences for `process.emitWarning` and hold no secret.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG`, naming the option and what it may be; for a missing secret and for addresses in
    /// `trustProxy` in the original's words.
    ///
    /// Compat: the constructor of `NodeSession` in `index.js`.
    pub fn parse(
        options: &[(String, Setting)],
        working_directory: &Path,
    ) -> Result<(Config, Vec<String>)> {
        let options = Options::new(options);
        let mut warnings = Vec::new();
        let trust_proxy = TrustProxy::parse(&options)?;
        let secrets = Secrets::parse(&options, &mut warnings)?;
        let driver = storage::driver(&options)?;
        let files = storage::files(&options, working_directory)?;
        let database = Database::parse(&options, &driver, &files, working_directory);
        if storage::engine_of(&driver).is_some() {
            database.as_ref().map_err(Error::clone)?;
        }
        let lifetime = lifetime(&options)?;
        let config = Config {
            driver,
            files,
            database,
            cookie: cookie::parse(&options, lifetime)?,
            secrets,
            trust_proxy,
            lottery: lottery(&options)?,
            encrypt: options.truth("encrypt", false)?,
            legacy_payloads: options.switch("legacyPayloads", true)?,
            max_depth: options.count("maxDepth", 1000, 1..=DEEPEST)?,
            max_bytes: options.count("maxBytes", 1 << 20, 1024..=u64::MAX)?,
            max_sessions: options.count("maxSessions", 1_000_000, 1..=u64::MAX)?,
            durability: durability(&options)?,
            strict_save: options.switch("strictSave", false)?,
            fail_on_corrupt: fail_on_corrupt(&options)?,
            rolling: options.switch("rolling", true)?,
            read_timeout: timeout(&options, "readTimeout")?,
            save_timeout: timeout(&options, "saveTimeout")?,
            locking: Locking::parse(&options)?,
            lifetime,
            touch_interval: touch_interval(&options)?,
        };
        warnings.extend(age_warning(&config.cookie));
        warnings.extend(others::warning(&options));
        Ok((config, warnings))
    }

    /// Option `lifetime` as given; see [`Config::idle_timeout`].
    pub fn lifetime(&self) -> Millis {
        self.lifetime
    }

    /// Longest silence after which a session still exists.
    ///
    /// Units: milliseconds, from the session's last request. Option `lifetime`, default 300 000 (five minutes); 24
    /// hours where that is 0, which makes a cookie that lives until the browser closes.
    pub fn idle_timeout(&self) -> Millis {
        match self.lifetime {
            Millis(0) => BROWSER_SESSION_IDLE,
            lifetime => lifetime,
        }
    }

    /// How long a driver may leave activity unrecorded.
    ///
    /// Units: milliseconds, from the activity recorded last. Option `touchInterval`; where that is not set, what the
    /// driver prefers. Without `rolling` no driver prefers every request, as each record of activity sends a cookie.
    pub fn touch_interval(&self, default: TouchDefault) -> Millis {
        let preferred = match default {
            TouchDefault::EveryRequest if self.rolling => Millis(0),
            _ => Millis(self.idle_timeout().0 / 10).min(LONGEST_DEFAULT_TOUCH),
        };
        self.touch_interval.unwrap_or(preferred)
    }
}

/// Option `lifetime`, in milliseconds; part of a millisecond counts as a whole one.
fn lifetime(options: &Options) -> Result<Millis> {
    let allowed = "a number of milliseconds, 0 or more";
    match options.get("lifetime") {
        Setting::Undefined => Ok(Millis(300_000)),
        given => duration(given).ok_or_else(|| Error::config("lifetime", allowed)),
    }
}

fn age_warning(cookie: &CookieOptions) -> Option<String> {
    let sentence = "option `lifetime` is longer than the 400 days that browsers keep a cookie";
    (cookie.max_age > Some(LONGEST_COOKIE)).then(|| sentence.to_owned())
}

fn fail_on_corrupt(options: &Options) -> Result<bool> {
    match options.get("onCorrupt") {
        Setting::Undefined | Setting::Null => Ok(false),
        Setting::Text(text) if text == "fresh" => Ok(false),
        Setting::Text(text) if text == "error" => Ok(true),
        _ => Err(Error::config("onCorrupt", "'fresh' or 'error'")),
    }
}

/// A time limit that one of JavaScript's timers could measure.
fn timeout(options: &Options, name: &str) -> Result<Millis> {
    let limit = options.count(name, 2_000, 1..=(1 << 31) - 1)?;
    Ok(Millis(i64::try_from(limit).unwrap_or(i64::MAX)))
}

fn touch_interval(options: &Options) -> Result<Option<Millis>> {
    let allowed = "a number of milliseconds, 0 or more";
    match options.get("touchInterval") {
        Setting::Undefined | Setting::Null => Ok(None),
        given => match duration(given) {
            Some(interval) => Ok(Some(interval)),
            None => Err(Error::config("touchInterval", allowed)),
        },
    }
}

fn duration(given: &Setting) -> Option<Millis> {
    let millis = given.number().filter(|millis| *millis >= 0.0)?;
    Some(Millis(millis.ceil() as i64))
}

/// Option `lottery`.
///
/// Compat: lists are merged with the default item by item, and `false` never hits.
fn lottery(options: &Options) -> Result<Lottery> {
    let refused = || {
        let allowed =
            "a list of two whole numbers, [hits, draws], with at least one draw, or false";
        Error::config("lottery", allowed)
    };
    let whole = |item: Option<&Setting>, default: u32| match item {
        None | Some(Setting::Undefined) => Some(default),
        Some(given) => u32::try_from(given.whole()?).ok(),
    };
    let merged = |items: &[Setting]| {
        let hits = whole(items.first(), 2)?;
        let draws = whole(items.get(1), 100).filter(|draws| *draws > 0)?;
        Some(Lottery { hits, draws })
    };
    match options.get("lottery") {
        Setting::Undefined => merged(&[]),
        Setting::List(items) => merged(items),
        Setting::Bool(false) => Some(Lottery { hits: 0, draws: 1 }),
        _ => None,
    }
    .ok_or_else(refused)
}

fn durability(options: &Options) -> Result<Durability> {
    match options.get("durability") {
        Setting::Undefined | Setting::Null => Ok(Durability::Process),
        Setting::Text(text) if text == "process" => Ok(Durability::Process),
        Setting::Text(text) if text == "disk" => Ok(Durability::Disk),
        _ => Err(Error::config("durability", "'process' or 'disk'")),
    }
}

#[cfg(test)]
mod tests;
