//! What the tests of drivers over SQL servers have in common: which server, tables of their own, and answers that are waited
//! for.
//!
//! Speaks to no server: each driver's tests have a client of their own.

use std::future::Future;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::Millis;
use crate::config::{Config, Connection, Setting, TableName};
use crate::driver::{Answer, Bounds, Driver};
use crate::error::Result;
use crate::session_id::SessionId;

pub(crate) const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(1_000),
    max_payload: 64 * 1024,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};
pub(crate) const NOW: Millis = Millis(1_795_383_066_943);

/// The address that an environment variable has, or the usual one, if a server answers there. Where none does, only CI fails.
pub(crate) fn answering(
    variable: &str,
    usual: &str,
    answers: impl FnOnce(&str) -> bool,
) -> Option<String> {
    let address = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let answers = answers(&address);
    assert!(
        answers || std::env::var_os("CI").is_none(),
        "no server answers at {variable}"
    );
    answers.then_some(address)
}

/// What a URL means.
pub(crate) fn connection(address: &str) -> Connection {
    let text = |text: &str| Setting::Text(text.to_owned());
    let given = [
        ("secret", text(&"s".repeat(40))),
        ("driver", text("database")),
        ("connection", text(address)),
    ];
    let given: Vec<_> = given.map(|(name, value)| (name.to_owned(), value)).into();
    let (config, _) = Config::parse(&given, Path::new("/")).unwrap();
    config.database.unwrap().connection
}

/// The name of a table that nobody else has.
pub(crate) fn fresh_table(prefix: &str) -> TableName {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    TableName::parse(&format!("{prefix}rust_{}_{number}", process::id())).unwrap()
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

pub(crate) fn wait<T: Unpin>(answer: Answer<T>) -> Result<T> {
    run(answer)
}

pub(crate) fn id(fill: char) -> SessionId {
    SessionId::parse(&fill.to_string().repeat(40)).unwrap()
}

pub(crate) fn text(payload: &str) -> Arc<str> {
    Arc::from(payload)
}

pub(crate) fn loaded(driver: &dyn Driver, id: SessionId) -> Option<String> {
    let record = wait(driver.load(&id, NOW)).unwrap();
    record.map(|record| record.payload.to_string())
}
