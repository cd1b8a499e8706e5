//! Who gets a session's lease, and when: with a clock that is wound by hand, poll by poll.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};

use super::*;
use crate::clock::Clock;
use crate::config::{Config, Setting};

const TIMES: Locking = Locking {
    is_on: true,
    lease: Millis(10_000),
    wait: Millis(3_000),
};

fn id() -> SessionId {
    SessionId::parse(&"a".repeat(40)).unwrap()
}

/// A manager over memory, and its clock.
struct House {
    manager: Manager,
    clock: Rc<Cell<Millis>>,
}

/// A request: its lock, and its wait for it.
struct Request<'h> {
    backing: Backing,
    waiting: Option<Pin<Box<dyn Future<Output = Result<()>> + 'h>>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl House {
    fn new() -> Self {
        let text = |text: &str| Setting::Text(text.to_owned());
        let options = [
            ("driver".to_owned(), text("memory")),
            ("secret".to_owned(), text(&"s".repeat(32))),
        ];
        let (config, _) = Config::parse(&options, Path::new("/")).unwrap();
        let clock = Rc::new(Cell::new(Millis(1_000_000)));
        let manager = Manager::new(config, Clock::Manual(clock.clone())).unwrap();
        House { manager, clock }
    }

    fn pass(&self, millis: i64) {
        self.clock.set(self.clock.get() + Millis(millis));
    }

    /// A request that has begun to wait for the lock, or got it.
    fn request(&self) -> Request<'_> {
        let mut backing = self.manager.built_in().unwrap();
        backing.lock = Some(Lock::new(TIMES));
        let asking = backing.clone();
        let waiting = async move {
            let lock = asking.lock.as_ref().expect("it is locked");
            self.manager.acquire(id(), lock, &asking.driver).await
        };
        Request {
            backing,
            waiting: Some(Box::pin(waiting)),
            wakes: Arc::default(),
        }
    }

    fn release(&self, request: &Request<'_>) {
        assert_eq!(now(self.manager.unlock(request.lock())), Ok(()));
    }

    fn confirm(&self, request: &Request<'_>) -> Result<()> {
        now(self.manager.confirm_lease(&request.backing))
    }

    fn secure(&self, request: &Request<'_>) -> Result<()> {
        now(self.manager.secure_lease(&request.backing))
    }

    /// What the driver says to somebody in another process, who asks for the lease.
    fn ask_from_elsewhere(&self, owner: Owner) -> Acquired {
        let driver = self.manager.built_in().unwrap().driver;
        now(driver.acquire(&id(), owner, TIMES.lease, self.clock.get())).unwrap()
    }

    fn is_quiet(&self) -> bool {
        format!("{:?}", self.manager.queues) == "Queues(0 sessions)"
    }
}

impl Request<'_> {
    fn lock(&self) -> &Lock {
        self.backing.lock.as_ref().unwrap()
    }

    /// What has become of its wait; `None` while it goes on.
    fn poll(&mut self) -> Option<Result<()>> {
        let waker = Waker::from(self.wakes.clone());
        let waiting = self.waiting.as_mut().expect("it waits");
        match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(result) => {
                self.waiting = None;
                Some(result)
            }
        }
    }

    fn was_woken(&self) -> bool {
        self.wakes.0.swap(0, Ordering::SeqCst) > 0
    }
}

/// What a future gives that does not have to wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn code(result: Option<Result<()>>) -> Option<Code> {
    result?.err().map(|error| error.code())
}

#[test]
fn a_free_session_is_locked_on_the_spot_and_leaves_nothing_behind() {
    let house = House::new();
    let mut request = house.request();
    assert_eq!(request.poll(), Some(Ok(())));
    assert!(!house.is_quiet());
    house.release(&request);
    assert!(house.is_quiet());
}

#[test]
fn requests_get_the_lock_in_the_order_in_which_they_came() {
    let house = House::new();
    let mut requests: Vec<_> = (0..5).map(|_| house.request()).collect();
    assert_eq!(requests[0].poll(), Some(Ok(())));
    for request in &mut requests[1..] {
        assert_eq!(request.poll(), None);
    }
    for n in 1..5 {
        house.release(&requests[n - 1]);
        assert!(requests[n].was_woken());
        for later in (n + 1..5).rev() {
            assert_eq!(requests[later].poll(), None, "request {later} before {n}");
        }
        assert_eq!(requests[n].poll(), Some(Ok(())));
    }
}

#[test]
fn one_that_comes_between_a_release_and_the_next_waits_behind_it() {
    let house = House::new();
    let (mut one, mut two) = (house.request(), house.request());
    assert_eq!(one.poll(), Some(Ok(())));
    assert_eq!(two.poll(), None);
    house.release(&one);
    let mut three = house.request();
    assert_eq!(three.poll(), None);
    assert_eq!(two.poll(), Some(Ok(())));
    assert_eq!(three.poll(), None);
}

#[test]
fn a_wait_ends_after_lock_wait_wherever_in_the_queue() {
    let house = House::new();
    let (mut one, mut two, mut three) = (house.request(), house.request(), house.request());
    assert_eq!(one.poll(), Some(Ok(())));
    assert_eq!((two.poll(), three.poll()), (None, None));
    house.pass(2_999);
    assert_eq!((two.poll(), three.poll()), (None, None));
    house.pass(1);
    assert_eq!(code(three.poll()), Some(Code::LockTimeout));
    assert_eq!(code(two.poll()), Some(Code::LockTimeout));
    house.release(&one);
    assert!(house.is_quiet());
}

#[test]
fn a_lease_that_ran_out_goes_to_the_next_and_is_lost() {
    let house = House::new();
    let mut late = house.request();
    assert_eq!(late.poll(), Some(Ok(())));
    house.pass(8_000);
    let mut next = house.request();
    assert_eq!(next.poll(), None);
    house.pass(1_999);
    assert_eq!(next.poll(), None);
    house.pass(1);
    assert_eq!(next.poll(), Some(Ok(())));
    assert_eq!(code(Some(house.confirm(&late))), Some(Code::LockLost));
    assert_eq!(code(Some(house.secure(&late))), Some(Code::LockLost));
    house.release(&late);
    assert_eq!(house.confirm(&next), Ok(()));
}

#[test]
fn a_lease_stays_lost_when_whoever_took_it_is_done() {
    let house = House::new();
    let mut late = house.request();
    assert_eq!(late.poll(), Some(Ok(())));
    house.pass(10_000);
    let mut next = house.request();
    assert_eq!(next.poll(), Some(Ok(())));
    house.release(&next);
    assert_eq!(code(Some(house.confirm(&late))), Some(Code::LockLost));
    assert_eq!(code(Some(house.confirm(&late))), Some(Code::LockLost));
    drop(late);
    let mut third = house.request();
    assert_eq!(third.poll(), Some(Ok(())));
}

#[test]
fn a_lease_that_ran_out_but_that_nobody_took_lasts_for_a_save() {
    let house = House::new();
    let mut late = house.request();
    assert_eq!(late.poll(), Some(Ok(())));
    house.pass(60_000);
    assert_eq!(house.secure(&late), Ok(()));
    let elsewhere = Owner::generate().unwrap();
    house.pass(1_999);
    assert!(matches!(
        house.ask_from_elsewhere(elsewhere),
        Acquired::Held(_)
    ));
    house.pass(1);
    assert_eq!(house.ask_from_elsewhere(elsewhere), Acquired::Granted);
    assert_eq!(code(Some(house.secure(&late))), Some(Code::LockLost));
}

#[test]
fn a_save_within_the_lease_does_not_prolong_it() {
    let house = House::new();
    let mut request = house.request();
    assert_eq!(request.poll(), Some(Ok(())));
    house.pass(8_000);
    assert_eq!(house.secure(&request), Ok(()));
    house.pass(2_000);
    let elsewhere = Owner::generate().unwrap();
    assert_eq!(house.ask_from_elsewhere(elsewhere), Acquired::Granted);
}

#[test]
fn a_request_that_gives_up_leaves_its_place_to_the_next() {
    let house = House::new();
    let (mut one, mut two, mut three) = (house.request(), house.request(), house.request());
    assert_eq!(one.poll(), Some(Ok(())));
    assert_eq!((two.poll(), three.poll()), (None, None));
    two.lock().give_up();
    assert!(two.was_woken());
    assert_eq!(code(two.poll()), Some(Code::LockTimeout));
    assert!(three.was_woken());
    assert_eq!(three.poll(), None);
    house.release(&one);
    assert_eq!(three.poll(), Some(Ok(())));
}

#[test]
fn a_request_that_is_dropped_leaves_its_place_to_the_next() {
    let house = House::new();
    let (mut one, mut two, mut three) = (house.request(), house.request(), house.request());
    assert_eq!(one.poll(), Some(Ok(())));
    assert_eq!((two.poll(), three.poll()), (None, None));
    house.release(&one);
    drop(two);
    assert!(three.was_woken());
    assert_eq!(three.poll(), Some(Ok(())));
}

#[test]
fn who_gave_up_before_it_asked_holds_nothing() {
    let house = House::new();
    let mut request = house.request();
    request.lock().give_up();
    assert_eq!(code(request.poll()), Some(Code::LockTimeout));
    assert_eq!(house.request().poll(), Some(Ok(())));
}

#[test]
fn a_lease_of_another_process_is_asked_for_again_and_again() {
    let house = House::new();
    let elsewhere = Owner::generate().unwrap();
    assert_eq!(house.ask_from_elsewhere(elsewhere), Acquired::Granted);
    let mut request = house.request();
    assert_eq!(request.poll(), None);
    let driver = house.manager.built_in().unwrap().driver;
    now(driver.release(&id(), elsewhere)).unwrap();
    house.pass(2 * PAUSES.1);
    assert_eq!(request.poll(), Some(Ok(())));
}

#[test]
fn a_session_is_locked_once_however_often_it_is_loaded() {
    let house = House::new();
    let mut request = house.request();
    assert_eq!(request.poll(), Some(Ok(())));
    let lock = request.backing.lock.as_ref().unwrap();
    let again = house.manager.acquire(id(), lock, &request.backing.driver);
    assert_eq!(now(again), Ok(()));
    house.release(&request);
    assert_eq!(house.request().poll(), Some(Ok(())));
}

#[test]
fn without_a_lock_nothing_is_confirmed() {
    let house = House::new();
    let backing = house.manager.built_in().unwrap();
    assert_eq!(now(house.manager.secure_lease(&backing)), Ok(()));
    assert_eq!(now(house.manager.confirm_lease(&backing)), Ok(()));
    assert!(house.is_quiet());
}

#[test]
fn after_a_long_stint_others_get_a_chance_once() {
    let queues: Rc<Queues> = Rc::default();
    let place = Queues::enter(&queues, id(), &Lock::new(TIMES)).unwrap();
    let owner = Owner::generate().unwrap();
    for began in [0, 200] {
        queues.granted(&id(), owner, Millis(1_000), Millis(began));
        queues.granted(&id(), owner, Millis(1_000), Millis(began + 50));
        assert!(!place.stint_is_over(Millis(began + 99), STINT));
        assert!(place.stint_is_over(Millis(began + 100), STINT));
        assert!(!place.stint_is_over(Millis(began + 100), STINT));
    }
}

#[test]
fn one_request_more_than_may_wait_is_told_at_once() {
    let house = House::new();
    let mut holder = house.request();
    assert_eq!(holder.poll(), Some(Ok(())));
    let mut waiting: Vec<_> = (0..10_000).map(|_| house.request()).collect();
    assert!(waiting.iter_mut().all(|request| request.poll().is_none()));
    assert_eq!(code(house.request().poll()), Some(Code::LockTimeout));
    waiting.pop();
    assert_eq!(house.request().poll(), None);
}

#[test]
fn a_turn_that_comes_at_the_last_moment_is_taken() {
    let house = House::new();
    let (mut one, mut two) = (house.request(), house.request());
    assert_eq!(one.poll(), Some(Ok(())));
    assert_eq!(two.poll(), None);
    house.pass(2_999);
    house.release(&one);
    house.pass(500);
    assert_eq!(two.poll(), Some(Ok(())));
}

#[test]
fn a_lease_that_another_process_does_not_give_up_is_not_asked_for_for_ever() {
    let house = House::new();
    let elsewhere = Owner::generate().unwrap();
    assert_eq!(house.ask_from_elsewhere(elsewhere), Acquired::Granted);
    let mut request = house.request();
    for _ in 0..3_000 {
        assert_eq!(request.poll(), None);
        house.pass(1);
    }
    assert_eq!(code(request.poll()), Some(Code::LockTimeout));
}
