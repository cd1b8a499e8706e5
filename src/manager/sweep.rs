//! Sweeping: removing idle records, now and then, off the request's path.

use super::{Backing, Manager, Stats};
use crate::clock::Millis;
use crate::error::Result;

/// Records that one step of a sweep removes at most.
const SWEEP_STEP: usize = 1_000;
/// Shortest time between two sweeps, however often the lottery is hit. Units: milliseconds.
const SWEEP_PAUSE: Millis = Millis(1_000);

impl Manager {
    /// Draws the lottery at the end of a request: whether a sweep should begin now.
    ///
    /// A handler is asked whenever the lottery is hit: how often it really sweeps is its own matter.
    pub fn draw_lottery(&self, is_handler: bool) -> bool {
        let lottery = self.config.lottery;
        if lottery.hits == 0 || self.is_sweeping.get() {
            return false;
        }
        // Xorshift: which request sweeps is no secret, and the system's random source costs more than the draw is worth.
        let mut drawn = self.luck.get();
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        self.luck.set(drawn);
        let is_hit = (drawn >> 32) as u32 % lottery.draws < lottery.hits;
        let has_rested = || self.swept_at.get() + SWEEP_PAUSE <= self.clock.now();
        is_hit && (is_handler || has_rested())
    }

    /// Removes idle records, step by step. Only one sweep of a manager runs at a time.
    pub async fn sweep(&self, backing: &Backing) -> Result<()> {
        let idle = self.config.idle_timeout() + backing.touch_interval;
        self.sweep_idle(backing, idle).await
    }

    /// Removes records that have been idle for longer than `max_age`.
    pub async fn sweep_idle(&self, backing: &Backing, max_age: Millis) -> Result<()> {
        if self.is_sweeping.replace(true) {
            return Ok(());
        }
        let cutoff = self.clock.now() - max_age;
        let outcome = loop {
            match backing.driver.sweep(cutoff, SWEEP_STEP).await {
                Ok(step) => {
                    Stats::add(&self.stats.swept, step.removed as u64);
                    if step.done {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.is_sweeping.set(false);
        self.swept_at.set(self.clock.now());
        outcome
    }
}

/// Where a manager's luck begins; never zero, which xorshift does not leave.
pub(super) fn seed() -> u64 {
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random) | 1
}
