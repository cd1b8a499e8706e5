//! Writes that are committed together: those of one turn of the event loop, and those that come while a worker is committing.
//!
//! To commit costs several times what a write costs, and hundreds of times where the disk has to be waited for. Each write still
//! succeeds or fails by itself: what goes wrong with all of them is tried with each alone.

use std::cell::RefCell;
use std::fmt;
use std::mem::{forget, replace, take};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{self, Receiver, Sender};

use super::failure::{Failure, Outcome};
use super::table::Table;
use super::{Access, PAGE_BYTES, Shared};
use crate::error::{Code, Error, Result};
use crate::panics::caught;
use crate::worker::Batch;

/// A write is committed at once, by itself, when none came before it for so long.
const SOON: Duration = Duration::from_millis(1);
/// Waits for others in vain that are borne in a row: under load, too, one comes now and then.
const BORNE: u32 = 3;
/// Writes that are committed by themselves after that, the first time and at most.
const ALONE: u32 = 8;
const MOST_ALONE: u32 = 1_000;
/// Most writes that may wait for a commit.
const MOST_WAITING: usize = 10_000;
/// Bytes of payload and pages after which no more writes go into one commit: a millisecond's worth or two.
const MOST_TOGETHER: usize = 512 << 10;

/// The writes that wait for a commit.
#[derive(Default)]
pub(super) struct Writes(Mutex<List>);

#[derive(Default)]
struct List {
    waiting: Vec<Box<dyn Write>>,
    /// A worker is committing, and will take what waits.
    is_committing: bool,
    /// Every write waits for others.
    waits_always: bool,
    /// When the last write came.
    last: Option<Instant>,
    /// Waits in vain since the last one that was not, as many as are borne.
    in_vain: u32,
    /// Writes that are still to be committed by themselves, and how many they were to be.
    alone: u32,
    were_alone: u32,
}

/// A write, whatever it gives.
trait Write: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Bytes that it writes, by estimate: writes into one transaction share pages, but each has one of its own, of the table or of
    /// an index.
    fn bytes(&self) -> usize;
    /// Until when it may wait for other connections.
    fn deadline(&self) -> Instant;
    /// Runs it, once more if it has run already, unless it is too late. Fails with what concerns those that run together with it,
    /// too.
    fn run(&mut self, table: &Table) -> Outcome<()>;
    /// Tells whoever waits what came of it; `refused` makes an error of its own failure.
    fn tell(self: Box<Self>, committed: Result<()>, refused: &dyn Fn(Failure) -> Error);
}

struct Member<T, O> {
    operation: O,
    bytes: usize,
    deadline: Instant,
    outcome: Option<Outcome<T>>,
    reply: Sender<Result<T>>,
}

impl<T, O> Write for Member<T, O>
where
    T: Send,
    O: Fn(&Table) -> Outcome<T> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn bytes(&self) -> usize {
        self.bytes + PAGE_BYTES
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn run(&mut self, table: &Table) -> Outcome<()> {
        // What is told to have failed must not be stored later, though those beside it may still wait.
        if !self.is_wanted() || self.deadline < Instant::now() {
            self.outcome = Some(Err(Failure::Late));
            return Ok(());
        }
        match (self.operation)(table) {
            Err(failure) if failure.is_for_all() || !table.is_in_transaction() => Err(failure),
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn tell(self: Box<Self>, committed: Result<()>, refused: &dyn Fn(Failure) -> Error) {
        let own = self.outcome.unwrap_or(Err(Failure::Late));
        let result = committed.and_then(|()| own.map_err(refused));
        self.reply.send(result).ok();
    }
}

/// Writes that run in one transaction.
pub(super) struct Group(RefCell<Vec<Box<dyn Write>>>);

impl Group {
    pub(super) fn run(&self, table: &Table) -> Outcome<()> {
        /// Unless all is committed, what was noted as written was not.
        struct Forgetting<'t>(&'t Table);
        impl Drop for Forgetting<'_> {
            fn drop(&mut self) {
                self.0.forget();
            }
        }
        let forgetting = Forgetting(table);
        self.run_together(table)?;
        forget(forgetting);
        Ok(())
    }

    fn run_together(&self, table: &Table) -> Outcome<()> {
        let mut writes = self.0.borrow_mut();
        if let [write] = &mut writes[..] {
            return write.run(table);
        }
        let together = table.begin()?;
        for write in writes.iter_mut() {
            write.run(table)?;
        }
        Ok(together.commit()?)
    }

    fn access(&self) -> Access {
        let writes = self.0.borrow();
        Access::Write(writes.iter().map(|write| write.bytes()).sum())
    }

    fn deadline(&self) -> Instant {
        let writes = self.0.borrow();
        let last = writes.iter().map(|write| write.deadline()).max();
        last.unwrap_or_else(Instant::now)
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Writes {
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None yet. With `waits_always` each waits for others, because to commit takes long.
    pub(super) fn new(waits_always: bool) -> Self {
        Writes(Mutex::new(List {
            waits_always,
            ..List::default()
        }))
    }

    /// Whether a write had better wait for others: not when none came for a while, nor when those before it have waited in vain.
    pub(super) fn have_company(&self) -> bool {
        let now = Instant::now();
        let mut list = self.list();
        let last = list.last.replace(now);
        let is_soon = last.is_some_and(|last| now.saturating_duration_since(last) < SOON);
        let is_alone = list.alone > 0;
        list.alone = list.alone.saturating_sub(1);
        list.waits_always || (is_soon && !is_alone)
    }

    /// Notes how many have waited for each other.
    fn have_met(&self, count: usize) {
        let mut list = self.list();
        if count > 1 {
            (list.in_vain, list.were_alone) = (0, 0);
        } else if list.in_vain < BORNE {
            list.in_vain += 1;
        } else {
            list.were_alone = (2 * list.were_alone).clamp(ALONE, MOST_ALONE);
            list.alone = list.were_alone;
        }
    }

    /// Has a write wait for the next commit; gives its reply.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_TIMEOUT` when too many wait already.
    pub(super) fn add<T, O>(
        &self,
        bytes: usize,
        deadline: Instant,
        operation: O,
    ) -> Result<Receiver<Result<T>>>
    where
        T: Send + 'static,
        O: Fn(&Table) -> Outcome<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let mut list = self.list();
        if list.waiting.len() >= MOST_WAITING {
            list.waiting.retain(|write| write.is_wanted());
        }
        if list.waiting.len() >= MOST_WAITING {
            return Err(Error::new(Code::Timeout, "the storage has too much to do"));
        }
        list.waiting.push(Box::new(Member {
            operation,
            bytes,
            deadline,
            outcome: None,
            reply,
        }));
        Ok(answer)
    }

    /// Of those that somebody still waits for the first ones, as many as go into one commit.
    pub(super) fn take(&self) -> Option<Group> {
        let mut list = self.list();
        list.waiting.retain(|write| write.is_wanted());
        let mut bytes = 0;
        let sizes = list.waiting.iter().map(|write| write.bytes());
        let fit = sizes.take_while(|size| {
            let is_first = bytes == 0;
            bytes += size;
            is_first || bytes <= MOST_TOGETHER
        });
        let count = fit.count();
        let later = list.waiting.split_off(count);
        let writes = replace(&mut list.waiting, later);
        (!writes.is_empty()).then(|| Group(RefCell::new(writes)))
    }

    /// The same for the worker that commits; when nothing waits, it commits no longer.
    fn take_or_end(&self) -> Option<Group> {
        let group = self.take();
        if group.is_none() {
            let mut list = self.list();
            list.is_committing = !list.waiting.is_empty();
            if list.is_committing {
                drop(list);
                return self.take_or_end();
            }
        }
        group
    }

    /// Puts writes back that are yet to be committed, before all others.
    fn put_back(&self, group: Group) {
        let mut list = self.list();
        let later = take(&mut list.waiting);
        list.waiting = group.0.into_inner();
        list.waiting.extend(later);
    }
}

/// Notes that a worker commits no longer, however it ended.
struct Committing<'w>(&'w Writes);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.list().is_committing = false;
    }
}

impl Shared {
    /// Commits, on a worker, what waits and what comes meanwhile.
    fn commit_waiting(self: &Arc<Self>) {
        let committing = Committing(&self.waiting);
        while let Some(group) = self.waiting.take_or_end() {
            self.commit(group);
        }
        forget(committing);
    }

    /// Commits writes on a worker: together, or else each by itself.
    fn commit(self: &Arc<Self>, group: Group) {
        let run = || self.run_patiently(group.deadline(), group.access(), |table| group.run(table));
        let committed = caught(run)
            .unwrap_or_else(|panicked| Err(panicked.error("a storage operation panicked")));
        if committed.is_ok() || group.len() == 1 {
            return self.tell(group, &committed);
        }
        for write in group.0.into_inner() {
            self.commit(Group(RefCell::new(vec![write])));
        }
    }

    fn tell(&self, group: Group, committed: &Result<()>) {
        let refused = |failure: Failure| self.refused(Access::Write(0), failure);
        for write in group.0.into_inner() {
            write.tell(committed.clone(), &refused);
        }
    }
}

impl Batch for Shared {
    fn here(self: Arc<Self>) {
        let Some(group) = self.waiting.take() else {
            return;
        };
        self.waiting.have_met(group.len());
        let access = group.access();
        let run = || match self.may_run_in_place(access) {
            true => self.run_in_place(access, |table| group.run(table)),
            false => None,
        };
        match caught(run) {
            Ok(Some(Ok(()))) => self.tell(group, &Ok(())),
            Ok(Some(refused)) if group.len() == 1 => self.tell(group, &refused),
            _ => self.waiting.put_back(group),
        }
        self.elsewhere();
    }

    fn elsewhere(self: Arc<Self>) {
        {
            let mut list = self.waiting.list();
            if list.is_committing || list.waiting.is_empty() {
                return;
            }
            list.is_committing = true;
        }
        let committing = Committing(&self.waiting);
        let shared = self.clone();
        if self.lane.unheard(move || shared.commit_waiting()) {
            forget(committing);
        } else {
            self.waiting.list().waiting.clear();
        }
    }
}

/// What a write gives; its reply is dropped only when no thread could be had for it.
pub(super) async fn answer<T>(reply: Receiver<Result<T>>) -> Result<T> {
    let dropped = |_| Err(Error::new(Code::Internal, "a write was given up"));
    reply.await.unwrap_or_else(dropped)
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writes({} waiting)", self.list().waiting.len())
    }
}
