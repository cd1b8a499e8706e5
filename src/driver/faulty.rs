//! A driver around another one, whose operations panic where a test says so. Only with the cargo feature `faults`.
//!
//! Each operation has two places: `replace` before the storage is asked, and `replace done` when it has answered.

use std::rc::Rc;
use std::sync::Arc;

use super::{
    Acquired, Answer, Created, Cursor, Driver, Owner, Page, Record, Removed, Replaced, Sweep,
    Touched, Visited,
};
use crate::clock::Millis;
use crate::panics::point;
use crate::session_id::SessionId;

/// The driver that is asked.
#[derive(Debug)]
pub struct Faulty(pub Rc<dyn Driver>);

fn between<T: Unpin + 'static>(
    before: &'static str,
    after: &'static str,
    ask: impl FnOnce() -> Answer<T>,
) -> Answer<T> {
    point(before);
    match ask() {
        Answer::Ready(result) => {
            point(after);
            Answer::Ready(result)
        }
        Answer::Later(reply) => Answer::later(async move {
            let result = reply.await;
            point(after);
            result
        }),
    }
}

impl Driver for Faulty {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        between("load", "load done", || self.0.load(id, now))
    }

    fn visit(&self, id: &SessionId, now: Millis, interval: Millis) -> Answer<Option<Visited>> {
        between("load", "load done", || self.0.visit(id, now, interval))
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        between("create", "create done", || self.0.create(id, payload, now))
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        between("replace", "replace done", || {
            self.0.replace(id, expected, payload, now)
        })
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        between("remove", "remove done", || self.0.remove(id, expected))
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        between("touch", "touch done", || self.0.touch(id, now))
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        between("destroy", "destroy done", || self.0.destroy(id))
    }

    fn sweep(&self, cutoff: Millis, limit: usize) -> Answer<Sweep> {
        between("sweep", "sweep done", || self.0.sweep(cutoff, limit))
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        between("acquire", "acquire done", || {
            self.0.acquire(id, owner, lease, now)
        })
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        between("release", "release done", || self.0.release(id, owner))
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        between("scan", "scan done", || self.0.scan(after, limit))
    }

    fn expires_by_itself(&self) -> bool {
        self.0.expires_by_itself()
    }

    fn shares_leases(&self) -> bool {
        self.0.shares_leases()
    }

    fn has_connections(&self) -> bool {
        self.0.has_connections()
    }

    fn take_warning(&self) -> Option<String> {
        self.0.take_warning()
    }

    fn times_out_as_a_whole(&self) -> bool {
        self.0.times_out_as_a_whole()
    }
}
