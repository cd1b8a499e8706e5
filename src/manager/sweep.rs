//! Sweeping: removing idle records, now and then, off the request's path.

use super::{Backing, Manager, Stats};
use crate::clock::Millis;
use crate::error::Result;

/// Records that one step of a sweep removes at most.
const SWEEP_STEP: usize = 1_000;
/// Shortest time between two sweeps, however often the lottery is hit. Units: milliseconds.
const SWEEP_PAUSE: Millis = Millis(1_000);
/// A step that takes longer has met a storage that hangs; another sweep may try again.
pub(super) const STEP_LIMIT: Millis = Millis(30_000);

impl Manager {
    /// Draws the lottery at the end of a request: whether a sweep should begin now.
    ///
    /// A handler is asked whenever the lottery is hit: how often it really sweeps is its own matter.
    pub fn draw_lottery(&self, is_handler: bool) -> bool {
        let lottery = self.config.lottery;
        if lottery.hits == 0 || self.is_sweeping.get() {
            return false;
        }
        let is_hit = self.draw() % lottery.draws < lottery.hits;
        let has_rested = || self.swept_at.get() + SWEEP_PAUSE <= self.clock.now();
        is_hit && (is_handler || has_rested())
    }

    /// A number that nobody should rely on not to guess.
    pub(super) fn draw(&self) -> u32 {
        // Xorshift: which request sweeps is no secret, and the system's random source costs more than the draw is worth.
        let mut drawn = self.luck.get();
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        self.luck.set(drawn);
        (drawn >> 32) as u32
    }

    /// Removes idle records, step by step, where the storage does not do so itself. Only one sweep of a manager runs at a time.
    pub async fn sweep(&self, backing: &Backing) -> Result<()> {
        if backing.driver.expires_by_itself() {
            return Ok(());
        }
        let idle = self.config.idle_timeout() + backing.touch_interval;
        self.sweep_idle(backing, idle).await
    }

    /// Removes records that have been idle for longer than `max_age`.
    pub async fn sweep_idle(&self, backing: &Backing, max_age: Millis) -> Result<()> {
        if self.is_sweeping.replace(true) {
            return Ok(());
        }
        let _sweeping = Sweeping(self);
        let cutoff = self.clock.now() - max_age;
        loop {
            let step = backing.driver.sweep(cutoff, SWEEP_STEP);
            let step = self.within(STEP_LIMIT, "cannot sweep", step).await??;
            Stats::add(&self.stats.swept, step.removed as u64);
            if step.done {
                return Ok(());
            }
        }
    }
}

/// A sweep that is under way; over when it is dropped, however it ended.
struct Sweeping<'m>(&'m Manager);

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.is_sweeping.set(false);
        self.0.swept_at.set(self.0.clock.now());
    }
}

/// Where a manager's luck begins; never zero, which xorshift does not leave.
pub(super) fn seed() -> u64 {
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random) | 1
}
