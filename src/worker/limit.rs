//! Limits: times of which hardly one comes to its end, kept in lists by their lengths.
//!
//! A timer of the runtime's own for each costs more than most of what it limits. Of one length the first that began ends first, so
//! that all of a list need one timer, which looks at it when the oldest that is left may be over.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{lock, pool};
use crate::clock;
use crate::error::Result;

/// Longer than any process lives; what is longer ends by then.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The end of a time, for whoever has begun it to wait for. To be polled on any thread.
pub struct Limit {
    list: Arc<List>,
    number: u64,
    until: Instant,
}

/// The limits of one length that one thread has begun.
struct List {
    length: Duration,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    /// In the order in which they began, hence in which they end.
    begun: VecDeque<Time>,
    /// The number of the first of them.
    first: u64,
    /// A timer is going to look at the list.
    is_watched: bool,
}

struct Time {
    until: Instant,
    state: State,
}

enum State {
    /// It goes on, and wakes who waits for its end.
    Going(Option<Waker>),
    Over,
    /// Nobody wants to know any more.
    GivenUp,
}

thread_local! {
    static LISTS: RefCell<Vec<Arc<List>>> = const { RefCell::new(Vec::new()) };
}

impl Limit {
    /// A time of this length, beginning now.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_INTERNAL` when the system gives no thread to measure it.
    pub fn new(length: Duration) -> Result<Self> {
        let pool = pool()?;
        let list = List::of(length.min(FOREVER));
        let until = clock::instant() + list.length;
        let (number, is_watched) = lock(&list.times).begin(until);
        if !is_watched {
            pool.spawn(watch(list.clone()));
        }
        Ok(Limit {
            list,
            number,
            until,
        })
    }

    /// When it ends.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Ready when it is over.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut times = lock(&self.list.times);
        match times.state(self.number) {
            Some(State::Going(waker)) => {
                if !waker
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(context.waker()))
                {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        lock(&self.list.times).give_up(self.number);
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({:?})", self.list.length)
    }
}

impl List {
    /// This thread's list for a length. Lists that nobody needs any more go when another one is made.
    fn of(length: Duration) -> Arc<Self> {
        LISTS.with_borrow_mut(|lists| {
            if let Some(list) = lists.iter().find(|list| list.length == length) {
                return list.clone();
            }
            lists.retain(|list| Arc::strong_count(list) > 1);
            let times = Mutex::default();
            let list = Arc::new(List { length, times });
            lists.push(list.clone());
            list
        })
    }
}

impl Times {
    /// Notes a time; gives its number, and whether the list was watched already, which it is now.
    fn begin(&mut self, until: Instant) -> (u64, bool) {
        let number = self.first + self.begun.len() as u64;
        let state = State::Going(None);
        self.begun.push_back(Time { until, state });
        (number, std::mem::replace(&mut self.is_watched, true))
    }

    fn state(&mut self, number: u64) -> Option<&mut State> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.begun.get_mut(place).map(|time| &mut time.state)
    }

    fn give_up(&mut self, number: u64) {
        if let Some(state) = self.state(number) {
            *state = State::GivenUp;
        }
        while let Some(Time {
            state: State::GivenUp,
            ..
        }) = self.begun.front()
        {
            self.begun.pop_front();
            self.first += 1;
        }
    }

    /// Ends those whose time is over; gives who waits for them, and the end of the next.
    fn end(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut awake = Vec::new();
        for time in &mut self.begun {
            match &mut time.state {
                State::Going(_) if time.until > now => return (awake, Some(time.until)),
                State::Going(waker) => {
                    awake.extend(waker.take());
                    time.state = State::Over;
                }
                State::Over | State::GivenUp => {}
            }
        }
        self.is_watched = false;
        (awake, None)
    }
}

/// Looks at a list whenever one of its times may be over, until it has none.
async fn watch(list: Arc<List>) {
    loop {
        let (awake, next) = lock(&list.times).end(Instant::now());
        awake.into_iter().for_each(Waker::wake);
        let Some(next) = next else {
            return;
        };
        tokio::time::sleep_until(next.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::task::Wake;
    use std::thread;

    use super::*;

    struct Bell(Sender<()>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.send(()).ok();
        }
    }

    fn poll(limit: &mut Limit, waker: &Waker) -> Poll<()> {
        limit.poll(&mut Context::from_waker(waker))
    }

    /// How many times of a length there are on this thread.
    fn begun(length: Duration) -> usize {
        lock(&List::of(length).times).begun.len()
    }

    #[test]
    fn whoever_waits_is_woken_when_a_limit_is_over_and_not_before() {
        let (ring, rung) = channel();
        let waker = Waker::from(Arc::new(Bell(ring)));
        let length = Duration::from_millis(30);
        let mut limits = [(); 3].map(|()| Limit::new(length).unwrap());
        for limit in &mut limits {
            assert!(poll(limit, &waker).is_pending());
        }
        for _ in &limits {
            rung.recv().unwrap();
        }
        assert!(limits[2].until() <= Instant::now());
        for limit in &mut limits {
            assert!(poll(limit, &waker).is_ready());
        }
        drop(limits);
        assert_eq!(begun(length), 0);
    }

    #[test]
    fn a_limit_that_is_given_up_wakes_nobody_and_leaves_nothing_behind() {
        let (ring, rung) = channel();
        let waker = Waker::from(Arc::new(Bell(ring)));
        let length = Duration::from_millis(40);
        let [mut first, second, mut third] = [(); 3].map(|()| Limit::new(length).unwrap());
        assert!(poll(&mut first, Waker::noop()).is_pending());
        assert!(poll(&mut third, &waker).is_pending());
        drop(second);
        assert_eq!(begun(length), 3);
        drop(first);
        assert_eq!(begun(length), 1);
        rung.recv().unwrap();
        assert!(poll(&mut third, &waker).is_ready());
        drop(third);
        assert_eq!((begun(length), rung.try_recv().is_ok()), (0, false));
    }

    #[test]
    fn what_was_given_up_behind_one_that_goes_on_does_not_hold_up_the_next() {
        let length = Duration::from_millis(50);
        let [mut first, second] = [(); 2].map(|()| Limit::new(length).unwrap());
        drop(second);
        let (ring, rung) = channel();
        let waker = Waker::from(Arc::new(Bell(ring)));
        let mut third = Limit::new(length).unwrap();
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut third, &waker).is_pending());
        drop(first);
        rung.recv().unwrap();
        assert!(poll(&mut third, &waker).is_ready());
    }

    #[test]
    fn lists_that_nobody_needs_any_more_go() {
        let lists = thread::spawn(|| {
            let (ring, rung) = channel();
            let waker = Waker::from(Arc::new(Bell(ring)));
            let mut limit = Limit::new(Duration::from_millis(1)).unwrap();
            if poll(&mut limit, &waker).is_pending() {
                rung.recv().unwrap();
            }
            let earlier = Arc::downgrade(&limit.list);
            drop(limit);
            while earlier.strong_count() > 1 {
                thread::yield_now();
            }
            let _other = Limit::new(Duration::from_secs(60)).unwrap();
            LISTS.with_borrow(Vec::len)
        });
        assert_eq!(lists.join().unwrap(), 1);
    }

    #[test]
    fn no_length_is_too_long() {
        let mut limit = Limit::new(Duration::MAX).unwrap();
        assert!(poll(&mut limit, Waker::noop()).is_pending());
    }
}
