//! Sweeping: removing idle records, now and then, off the request's path.

use std::cell::Cell;

use super::{Backing, Manager, Stats};
use crate::clock::Millis;
use crate::error::Result;

/// Records that one step of a sweep removes at most: a millisecond's worth. For that long the thread that does it may
/// have the only core there is, and a database its lock for writers.
const SWEEP_STEP: usize = 25;
/// Shortest time between two sweeps, however often the lottery is hit. Units: milliseconds.
const SHORTEST_REST: Millis = Millis(1_000);
/// So many times as long as the last sweep took, if that had many steps, no other begins: a folder is read name by name, and
/// a million of them take seconds. Sweeps that followed each other would cost a server of files as much as its requests.
const RESTS_PER_SWEEP: i64 = 50;
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
        let has_rested = || self.rests_until.get() <= self.clock.now();
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
        let sweeping = Sweeping {
            manager: self,
            began: self.clock.now(),
            steps: Cell::new(0),
        };
        let cutoff = self.clock.now() - max_age;
        loop {
            let step = backing.driver.sweep(cutoff, SWEEP_STEP);
            let step = self.within(STEP_LIMIT, "cannot sweep", step).await??;
            sweeping.steps.set(sweeping.steps.get() + 1);
            Stats::add(&self.stats.swept, step.removed as u64);
            if step.done {
                return Ok(());
            }
        }
    }
}

/// A sweep that is under way; over when it is dropped, however it ended.
struct Sweeping<'m> {
    manager: &'m Manager,
    began: Millis,
    /// Those that have ended.
    steps: Cell<u32>,
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        let Manager { clock, config, .. } = self.manager;
        let now = clock.now();
        // What one step does is little, however long it had to wait for its turn.
        let rest = match self.steps.get() {
            0 | 1 => SHORTEST_REST,
            _ => rest_after(now - self.began, config.idle_timeout()),
        };
        self.manager.is_sweeping.set(false);
        self.manager.rests_until.set(now + rest);
    }
}

/// How long to rest after a sweep of many steps that took so long: no longer than a session lives, so that idle records are there
/// for about twice that at most; that also bounds what a storage that hung, or a clock that was set, makes of it.
fn rest_after(took: Millis, idle_timeout: Millis) -> Millis {
    let rest = Millis(took.0.saturating_mul(RESTS_PER_SWEEP));
    rest.min(idle_timeout).max(SHORTEST_REST)
}

/// Where a manager's luck begins; never zero, which xorshift does not leave.
pub(super) fn seed() -> u64 {
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_followed_by_a_rest_that_grows_with_it_but_not_beyond_the_life_of_a_session() {
        let rest = |took, idle_timeout| rest_after(Millis(took), Millis(idle_timeout)).0;
        assert_eq!(rest(0, 300_000), 1_000);
        assert_eq!(rest(20, 300_000), 1_000);
        assert_eq!(rest(4_000, 300_000), 200_000);
        assert_eq!(rest(30_000, 300_000), 300_000);
        assert_eq!(rest(i64::MAX, 300_000), 300_000);
        assert_eq!(rest(4_000, 10), 1_000);
    }
}
