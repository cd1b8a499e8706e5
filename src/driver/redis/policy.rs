//! Whether the server may throw sessions away when its memory is full: looked at once, to be told to the application.
//!
//! Only reads one setting. A server that does not tell it is not asked again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::Fault;
use super::link::Live;
use super::resp::{Command, Value};
use super::value::text_of;

/// What is known of the policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    is_asked: AtomicBool,
    /// What is to be told, until it is.
    warning: Mutex<Option<String>>,
}

impl Policy {
    /// Asks the server behind a new connection, beside what else is asked of it.
    pub(super) fn look_at(&self, live: Arc<Live>) {
        if self.0.is_asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let known = self.0.clone();
        tokio::spawn(async move {
            // Unlike `CONFIG GET`, hosted servers allow this.
            let told = live.wire.ask(&Command::of(&["INFO", "memory"])).await;
            match told.map(|told| policy_in(&told)) {
                Ok(Some(policy)) => known.note(&policy),
                Ok(None) | Err(Fault::Said(_)) => {}
                // The connection broke: the next one tells.
                Err(_) => known.is_asked.store(false, Ordering::Relaxed),
            }
        });
    }

    /// The warning, once.
    pub(super) fn take_warning(&self) -> Option<String> {
        let mut warning = self
            .0
            .warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        warning.take()
    }
}

impl Known {
    fn note(&self, policy: &str) {
        if policy == "noeviction" {
            return;
        }
        let text = format!(
            "Redis may throw sessions away before they end, which logs visitors out: its `maxmemory-policy` is `{policy}`; with \
             `noeviction` it keeps them"
        );
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// The value of the line `maxmemory_policy:…`.
fn policy_in(told: &Value) -> Option<String> {
    let policy = text_of(told)?
        .lines()
        .find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
    Some(policy.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_evicts_is_told_once() {
        let policy = Policy::default();
        let told = "# Memory\r\nused_memory:1\r\nmaxmemory_policy:allkeys-lru\r\n";
        let found = policy_in(&Value::Text(told.into())).unwrap();
        policy.0.note(&found);
        assert!(policy.take_warning().unwrap().contains("`allkeys-lru`"));
        assert_eq!(policy.take_warning(), None);
        policy.0.note("noeviction");
        assert_eq!(policy.take_warning(), None);
    }
}
