//! Leases of lock mode: a row each in a table beside the session table, changed only if it is still as it was seen.
//!
//! No transaction is held open: whoever comes second finds another row, or none, and looks again.

use mysql_async::Value;

use super::fault::{Fault, Kind};
use super::{MySql, rows, text};
use crate::clock::Millis;
use crate::driver::lease::Lease;
use crate::driver::remote::Outcome;
use crate::driver::{Acquired, Owner};
use crate::session_id::SessionId;

impl MySql {
    pub(super) async fn acquire_lease(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Outcome<Acquired> {
        let this = text(id.as_str());
        let [own, until]: [Value; 2] = [text(&owner.to_string()), (now + lease).0.into()];
        loop {
            let Some((holder, end)) = self.latest(id).await? else {
                let values = [this.clone(), own.clone(), until.clone()];
                match self
                    .ask_made(&self.locks.make, &self.locks.grant, &values)
                    .await
                {
                    Err(fault) if fault.kind == Kind::Duplicate => continue,
                    Err(fault) => return Err(fault.into()),
                    Ok(_) => return Ok(Acquired::Granted),
                }
            };
            // An owner that is none of ours holds nothing.
            let latest = Owner::parse(&holder).map(|owner| Lease {
                owner,
                until: Millis(end),
            });
            let acquired = latest.map_or(Acquired::Granted, |latest| latest.acquired(owner, now));
            if let Acquired::Held(_) = acquired {
                return Ok(acquired);
            }
            let values = [
                own.clone(),
                until.clone(),
                this.clone(),
                text(&holder),
                end.into(),
            ];
            if self.ask(&self.locks.regrant, &values).await?.found > 0 {
                return Ok(acquired);
            }
        }
    }

    pub(super) async fn release_lease(&self, id: &SessionId, owner: Owner) -> Outcome<()> {
        let values = [text(id.as_str()), text(&owner.to_string())];
        if_there(self.ask(&self.locks.release, &values).await.map(|_| ()))?;
        Ok(())
    }

    /// Removes leases that ended before `cutoff`.
    pub(super) async fn sweep_leases(&self, cutoff: Millis, limit: usize) -> Outcome<()> {
        let values = [cutoff.0.into(), rows(limit)];
        if_there(self.ask(&self.locks.sweep, &values).await.map(|_| ()))?;
        Ok(())
    }

    /// The owner and the end of the latest lease.
    async fn latest(&self, id: &SessionId) -> Result<Option<(String, i64)>, Fault> {
        let values = [text(id.as_str())];
        let reply = self.ask_made(&self.locks.make, &self.locks.lease, &values);
        let row = reply.await?.rows.into_iter().next();
        Ok(row.and_then(|mut row| Some((row.take_opt(0)?.ok()?, row.take_opt(1)?.ok()?))))
    }
}

/// Where there is no table of leases, there are none.
fn if_there(done: Result<(), Fault>) -> Result<(), Fault> {
    match done {
        Err(fault) if fault.kind != Kind::NoTable => Err(fault),
        _ => Ok(()),
    }
}
