//! What has happened since a manager was made, as plain counts.

use std::cell::Cell;

/// Counts of events; each only ever grows.
#[derive(Debug, Default)]
pub struct Stats {
    /// Records created.
    pub created: Cell<u64>,
    /// Records removed by `regenerate(true)` and the like.
    pub destroyed: Cell<u64>,
    /// Saves that met a record changed by another request, and were done again on top of it.
    pub conflicts: Cell<u64>,
    /// Saves whose record was gone.
    pub gone: Cell<u64>,
    /// Records that could not be used.
    pub corrupt: Cell<u64>,
    /// Loads that failed.
    pub read_errors: Cell<u64>,
    /// Saves that failed.
    pub write_errors: Cell<u64>,
    /// Idle records removed by sweeps.
    pub swept: Cell<u64>,
}

impl Stats {
    /// Adds one.
    pub fn count(counter: &Cell<u64>) {
        Stats::add(counter, 1);
    }

    /// Adds some.
    pub fn add(counter: &Cell<u64>, some: u64) {
        counter.set(counter.get().saturating_add(some));
    }

    /// Every count with the name that JavaScript knows it by.
    pub fn list(&self) -> [(&'static str, u64); 8] {
        [
            ("created", self.created.get()),
            ("destroyed", self.destroyed.get()),
            ("conflicts", self.conflicts.get()),
            ("gone", self.gone.get()),
            ("corrupt", self.corrupt.get()),
            ("readErrors", self.read_errors.get()),
            ("writeErrors", self.write_errors.get()),
            ("swept", self.swept.get()),
        ]
    }
}
