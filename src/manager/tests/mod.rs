//! Managers over a storage that a test can let hang, with a clock that it winds by hand.

mod deadline;
mod guarded;
mod visiting;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::config::Setting;
use crate::driver::memory::Memory;
use crate::driver::{
    Acquired, Answer, Created, Cursor, Owner, Page, Record, Removed, Replaced, Sweep, Touched,
    Visited,
};
use crate::session::fake::FakeLive;
use crate::session::{Live, Moment, Plan};

/// How a storage behaves towards calls that are yet to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It answers at once.
    Well,
    /// It never answers.
    Hung,
    /// It says by itself that it took too long.
    Late,
}

/// A memory driver that can be made to hang.
#[derive(Debug)]
struct Moody {
    memory: Memory,
    mood: Cell<Mood>,
    /// The calls that were made of it.
    calls: RefCell<Vec<&'static str>>,
    /// What is late is one record only.
    locks_records: Cell<bool>,
    /// A visit is recorded by the load, as on Redis.
    records_visits: Cell<bool>,
}

impl Moody {
    fn new() -> Self {
        let bounds = Bounds {
            idle_timeout: Millis(300_000),
            max_payload: 1 << 20,
            read_patience: Millis(1_900),
            write_patience: Millis(1_900),
        };
        Moody {
            memory: Memory::new(bounds, 100),
            mood: Cell::new(Mood::Well),
            calls: RefCell::default(),
            locks_records: Cell::new(false),
            records_visits: Cell::new(false),
        }
    }

    fn answer<T: Unpin + 'static>(
        &self,
        call: &'static str,
        work: impl FnOnce() -> Answer<T>,
    ) -> Answer<T> {
        self.calls.borrow_mut().push(call);
        match self.mood.get() {
            Mood::Well => work(),
            Mood::Hung => Answer::later(pending()),
            Mood::Late => Answer::later(ready(Err(Error::new(Code::Timeout, "busy")))),
        }
    }
}

impl Driver for Moody {
    fn load(&self, id: &SessionId, now: Millis) -> Answer<Option<Record>> {
        self.answer("load", || self.memory.load(id, now))
    }

    fn visit(&self, id: &SessionId, now: Millis, _interval: Millis) -> Answer<Option<Visited>> {
        let is_recorded = self.records_visits.get();
        match self.load(id, now) {
            Answer::Ready(Some(loaded)) => {
                if is_recorded {
                    at_once(self.memory.touch(id, now)).ok();
                }
                let visited = |record| Visited {
                    record,
                    is_recorded,
                };
                Answer::now(loaded.map(|record| record.map(visited)))
            }
            later => Answer::later(async move {
                let visited = |record| Visited {
                    record,
                    is_recorded: false,
                };
                Ok(later.await?.map(visited))
            }),
        }
    }

    fn create(&self, id: &SessionId, payload: &Arc<str>, now: Millis) -> Answer<Created> {
        self.answer("create", || self.memory.create(id, payload, now))
    }

    fn replace(
        &self,
        id: &SessionId,
        expected: &Arc<str>,
        payload: &Arc<str>,
        now: Millis,
    ) -> Answer<Replaced> {
        let replace = || self.memory.replace(id, expected, payload, now);
        self.answer("replace", replace)
    }

    fn remove(&self, id: &SessionId, expected: &Arc<str>) -> Answer<Removed> {
        self.answer("remove", || self.memory.remove(id, expected))
    }

    fn touch(&self, id: &SessionId, now: Millis) -> Answer<Touched> {
        self.answer("touch", || self.memory.touch(id, now))
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        self.answer("destroy", || self.memory.destroy(id))
    }

    fn sweep(&self, _cutoff: Millis, _limit: usize) -> Answer<Sweep> {
        let swept = Sweep {
            removed: 1,
            done: true,
        };
        self.answer("sweep", || Answer::now(Ok(swept)))
    }

    fn scan(&self, after: Option<&Cursor>, limit: usize) -> Answer<Page> {
        self.answer("scan", || self.memory.scan(after, limit))
    }

    fn acquire(
        &self,
        id: &SessionId,
        owner: Owner,
        lease: Millis,
        now: Millis,
    ) -> Answer<Acquired> {
        self.answer("acquire", || self.memory.acquire(id, owner, lease, now))
    }

    fn release(&self, id: &SessionId, owner: Owner) -> Answer<()> {
        self.answer("release", || self.memory.release(id, owner))
    }

    fn shares_leases(&self) -> bool {
        self.memory.shares_leases()
    }

    fn times_out_as_a_whole(&self) -> bool {
        !self.locks_records.get()
    }
}

/// A manager over a moody storage.
struct Fixture {
    manager: Manager,
    driver: Rc<Moody>,
    backing: Backing,
    time: Rc<Cell<Millis>>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Saves what `plan` says.
    async fn save(&self, session: &Session, plan: Plan) -> Result<Saved> {
        let mut saving = plan.into();
        self.manager.save(session, &mut saving, &self.backing).await
    }

    fn with(options: &[(&str, f64)]) -> Self {
        let secret = Setting::Text("Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD".to_owned());
        let mut given = vec![("secret".to_owned(), secret)];
        let number = |(name, value): &(&str, f64)| ((*name).to_owned(), Setting::Number(*value));
        given.extend(options.iter().map(number));
        let (config, _) = Config::parse(&given, Path::new("/srv/app")).unwrap();
        let time = Rc::new(Cell::new(Millis(1_795_000_000_000)));
        let manager = Manager::new(config, Clock::Manual(time.clone())).unwrap();
        let driver = Rc::new(Moody::new());
        let backing = Backing {
            driver: manager.guarded(driver.clone(), 0),
            codec: manager.form.clone(),
            touch_interval: Millis(0),
            is_handler: false,
            lock: None,
        };
        Fixture {
            manager,
            driver,
            backing,
            time,
        }
    }

    fn wind(&self, millis: i64) {
        self.time.set(self.time.get() + Millis(millis));
    }

    /// A new session with a value in it, and what has to be stored of it.
    fn changed(&self) -> (Session, Plan) {
        let session = Session::new(SessionId::generate().unwrap(), false);
        session.stage.set(Stage::Open);
        let plan = self.change(&session, "1");
        (session, plan)
    }

    /// Puts another value into a session; gives what has to be stored of it.
    fn change(&self, session: &Session, json: &str) -> Plan {
        let live = FakeLive::default();
        let value = live.parse(json).unwrap();
        session.attributes.set(&live, "n", &value).unwrap();
        self.manager.plan(session, &live, Moment::ByHand).unwrap()
    }

    /// The text stored for a session.
    fn stored(&self, session: &Session) -> Option<Arc<str>> {
        let Answer::Ready(Some(record)) = self.driver.memory.load(&session.id(), self.time.get())
        else {
            panic!("the memory driver answers at once");
        };
        record.unwrap().map(|record| record.payload)
    }
}

/// An operation that a test polls by hand.
struct Running<'f, T>(Pin<Box<dyn Future<Output = T> + 'f>>);

impl<'f, T> Running<'f, T> {
    fn begin(work: impl Future<Output = T> + 'f) -> Self {
        let mut running = Running(Box::pin(work));
        assert!(running.poll().is_pending(), "it has to wait");
        running
    }

    fn poll(&mut self) -> Poll<T> {
        let mut context = Context::from_waker(Waker::noop());
        self.0.as_mut().poll(&mut context)
    }

    /// The outcome, which is there by now.
    fn outcome(mut self) -> T {
        match self.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("it still waits"),
        }
    }
}

/// The outcome of what is at hand.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    Running(Box::pin(work)).outcome()
}

fn code_of<T: std::fmt::Debug>(outcome: Result<T>) -> Code {
    outcome.unwrap_err().code()
}
