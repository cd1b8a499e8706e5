//! A driver behind the circuit breaker: what is asked of a storage that did not answer lately is refused at once.
//!
//! Knows nothing of what is stored. An answer that is at hand passes through as it is.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::breaker::{Asks, Breaker, Call, Line};
use crate::clock::Millis;
use crate::driver::{
    Acquired, Answer, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced, Sweep,
    Touched, Visited,
};
use crate::error::{Code, Error, Result};
use crate::panics::caught;
use crate::session_id::SessionId;

/// A driver and the circuits that lead to it.
#[derive(Debug)]
pub(super) struct Guarded {
    /// The driver itself.
    pub(super) driver: Rc<dyn Driver>,
    /// Shared by all drivers of a manager.
    pub(super) breaker: Rc<Breaker>,
    /// What the breaker knows this one by.
    pub(super) number: u32,
    /// A call that is given up after this long was not answered; one that began later was not given the time.
    pub(super) patience: Millis,
}

impl Guarded {
    fn ask<T: Unpin + 'static>(
        &self,
        asks: Asks,
        call: impl FnOnce(&dyn Driver) -> Answer<T>,
    ) -> Answer<T> {
        let line = (self.number, asks);
        let Some(admitted) = self.breaker.admit(line) else {
            return Answer::now(Err(refused(asks)));
        };
        match caught(|| call(&*self.driver)) {
            Err(panicked) => {
                self.breaker.withdrawn(line, admitted);
                Answer::now(Err(panicked.error("the storage driver panicked")))
            }
            // What could be answered on the spot was.
            Ok(Answer::Ready(result)) => {
                self.breaker.answered(line);
                Answer::Ready(result)
            }
            Ok(Answer::Later(answer)) => Answer::later(Watched {
                answer,
                breaker: self.breaker.clone(),
                line,
                call: admitted,
                means_all: self.driver.times_out_as_a_whole(),
                begun: self.breaker.now(),
                patience: self.patience,
                is_done: false,
            }),
        }
    }
}

fn refused(asks: Asks) -> Error {
    let doing = match asks {
        Asks::Read => "cannot read the session",
        Asks::Write => "cannot write the session",
        Asks::Sweep => "cannot sweep",
    };
    let message = format!("{doing}: the storage did not answer lately");
    Error::new(Code::Timeout, message)
}

/// An answer on its way. Dropped before it has come, it tells the breaker that the storage was silent.
struct Watched<T> {
    answer: Pin<Box<dyn Future<Output = Result<T>>>>,
    breaker: Rc<Breaker>,
    line: Line,
    call: Call,
    /// A time-out that the driver reports is the storage's, and no answer.
    means_all: bool,
    begun: Millis,
    patience: Millis,
    is_done: bool,
}

impl<T> Future for Watched<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let polled = self.answer.as_mut().poll(context);
        if let Poll::Ready(result) = &polled {
            self.is_done = true;
            match result {
                Err(error) if self.means_all && error.code() == Code::Timeout => {
                    self.breaker.unanswered(self.line, self.call);
                }
                _ => self.breaker.answered(self.line),
            }
        }
        polled
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        match self.begun + self.patience <= self.breaker.now() {
            true => self.breaker.unanswered(self.line, self.call),
            false => self.breaker.withdrawn(self.line, self.call),
        }
    }
}

impl Driver for Guarded {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        self.ask(Asks::Read, |driver| driver.load(id, now))
    }

    fn visit(&self, id: &SessionId, now: Millis, interval: Millis) -> Answer<Option<Visited>> {
        self.ask(Asks::Read, |driver| driver.visit(id, now, interval))
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        self.ask(Asks::Write, |driver| driver.create(id, payload, now))
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        self.ask(Asks::Write, |driver| {
            driver.replace(id, expected, payload, now)
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        self.ask(Asks::Write, |driver| driver.remove(id, expected))
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        self.ask(Asks::Write, |driver| driver.touch(id, now))
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        self.ask(Asks::Write, |driver| driver.destroy(id))
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        self.ask(Asks::Sweep, |driver| driver.sweep(cutoff, limit))
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        self.ask(Asks::Write, |driver| driver.acquire(id, owner, lease, now))
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        self.ask(Asks::Write, |driver| driver.release(id, owner))
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        self.ask(Asks::Read, |driver| driver.scan(after, limit))
    }

    fn expires_by_itself(&self) -> bool {
        self.driver.expires_by_itself()
    }

    fn shares_leases(&self) -> bool {
        self.driver.shares_leases()
    }

    fn has_connections(&self) -> bool {
        self.driver.has_connections()
    }

    fn take_warning(&self) -> Option<String> {
        self.driver.take_warning()
    }

    fn times_out_as_a_whole(&self) -> bool {
        self.driver.times_out_as_a_whole()
    }
}
