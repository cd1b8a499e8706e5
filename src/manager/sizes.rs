//! How much an engine holds: for tests that it holds no more after a million requests than before.

use super::Manager;

impl Manager {
    /// What a manager holds, each with its name.
    pub fn sizes(&self) -> [(&'static str, usize); 8] {
        [
            ("underWay", self.under_way.get()),
            ("turns", self.turns.len()),
            ("locks", self.queues.len()),
            ("creating", self.creating.len()),
            ("ended", self.ended.len()),
            ("parsed", self.parsed.len()),
            ("inTrouble", self.breaker.len()),
            ("handled", self.activity.size()),
        ]
    }
}
