//! Leases of lock mode: who may change a session for a while, and the leases that are kept in this process.
//!
//! Knows no storage and reads no clock. Who waits for a lease, and for how long, is the manager's matter.

use std::collections::HashMap;
use std::fmt;

use crate::clock::Millis;
use crate::error::{Code, Error, Result};
use crate::session_id::SessionId;

/// Leases in memory before those that ran out are looked for.
const FEW: usize = 1_024;

/// One request, as the holder of a lease. No two are equal, in whatever process they were made.
///
/// Shape: 128 random bits; as text 32 digits of `0-9 a-f`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner(u128);

impl Owner {
    /// A new owner.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_INTERNAL` when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|_| Error::new(Code::Internal, "the system gives no random bytes"))?;
        Ok(Owner(u128::from_ne_bytes(random)))
    }

    /// The owner that a text of [`Owner::to_string`] stands for.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_whole = text.len() == 32 && text.bytes().all(ok);
        let number = is_whole.then(|| u128::from_str_radix(text, 16));
        number?.ok().map(Owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(…)")
    }
}

/// What became of `acquire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The lease was free, or another's had run out: it is the owner's now.
    Granted,
    /// The lease was the owner's already, and nobody else has had it since; it runs anew.
    Kept,
    /// Another owner has the lease, which runs out at that instant unless it is released before.
    Held(Millis),
}

/// A lease that was granted. It is held up to the millisecond before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) owner: Owner,
    pub(super) until: Millis,
}

impl Lease {
    /// What becomes of `owner`'s wish at `now`, where this lease is the latest one of its session.
    pub(super) fn acquired(self, owner: Owner, now: Millis) -> Acquired {
        match self.until {
            _ if self.owner == owner => Acquired::Kept,
            until if until > now => Acquired::Held(until),
            _ => Acquired::Granted,
        }
    }
}

/// The leases of a storage whose records nobody else can reach.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<SessionId, Lease>,
    /// How many there were left when those that ran out were removed last.
    left: usize,
}

impl Leases {
    /// How many are kept, those included that ran out lately.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// See [`Driver::acquire`](super::Driver::acquire).
    pub(super) fn acquire(
        &mut self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Acquired {
        let latest = self.held.get(id);
        let acquired = latest.map_or(Acquired::Granted, |latest| latest.acquired(owner, now));
        if !matches!(acquired, Acquired::Held(_)) {
            self.forget_old(now);
            let until = now + lease;
            self.held.insert(*id, Lease { owner, until });
        }
        acquired
    }

    /// See [`Driver::release`](super::Driver::release).
    pub(super) fn release(&mut self, id: &SessionId, owner: Owner) {
        if self.held.get(id).is_some_and(|lease| lease.owner == owner) {
            self.held.remove(id);
        }
    }

    /// Removes leases that ran out, when there have come to be twice as many as were left the last time.
    fn forget_old(&mut self, now: Millis) {
        if self.held.len() >= FEW.max(2 * self.left) {
            self.held.retain(|_, lease| lease.until > now);
            self.left = self.held.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId::parse(&format!("{number:0>40}")).unwrap()
    }

    #[test]
    fn an_owner_is_read_back_from_its_text_and_from_no_other() {
        let owner = Owner::generate().unwrap();
        let text = owner.to_string();
        assert!(Owner::parse(&text) == Some(owner));
        for other in ["", &text[1..], &format!("{text}0"), &"G".repeat(32)] {
            assert!(Owner::parse(other).is_none());
        }
        assert_eq!(Owner::parse("+0000000000000000000000000000001"), None);
    }

    #[test]
    fn leases_that_ran_out_do_not_pile_up() {
        let mut leases = Leases::default();
        for n in 0..100 * FEW {
            let owner = Owner(n as u128);
            leases.acquire(&id(n), owner, Millis(10), Millis(n as i64));
        }
        assert!(leases.held.len() <= 2 * FEW, "{} leases", leases.held.len());
    }
}
