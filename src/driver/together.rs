//! Calls that come at the same time, asked as one: a server answers many in one trip for hardly more than one costs.
//!
//! Knows neither what is asked nor whom. The first of those that come in one turn of the pool's thread asks for them all. Nobody waits
//! for a later turn: that made nothing cheaper (ARCHITECTURE.md).

pub(super) mod calls;

use std::future::{Future, poll_fn};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use self::calls::Question;
use super::remote::{Failure, Outcome, Reason};

/// Most calls that are asked as one. Larger groups save little more, and let the first wait for the last.
pub(super) const MOST: usize = 32;
/// Most bytes of a payload's column that is read along with others, which wait for it.
pub(super) const MOST_ALONG: i64 = 128 * 1024;
/// After a group has broken its connection each call is made by itself for so long: it may have been what one of them asks.
const ALONE: Duration = Duration::from_secs(1);

/// Calls of one kind: their questions, and the answers.
pub(super) struct Together<Q, A> {
    groups: Mutex<Groups<Q, A>>,
    /// How many of so many are asked as one.
    part: fn(usize) -> usize,
}

/// Those that are coming together in this turn, by their numbers; only the last takes more.
struct Groups<Q, A> {
    coming: Vec<(u64, Vec<Asked<Q, A>>)>,
    next: u64,
    /// When a group broke its connection.
    broken: Option<Instant>,
}

struct Asked<Q, A> {
    question: Q,
    reply: oneshot::Sender<Outcome<Option<A>>>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        let groups = Groups {
            coming: Vec::new(),
            next: 0,
            broken: None,
        };
        Self {
            groups: Mutex::new(groups),
            part: |calls| calls,
        }
    }
}

impl<Q: Question, A> Together<Q, A> {
    /// Asks as one as many calls as are a power of two, so that there are few questions of different lengths.
    #[cfg(feature = "mysql")]
    pub(super) fn in_powers_of_two() -> Self {
        Self {
            part: |calls| 1 << calls.max(1).ilog2(),
            ..Self::default()
        }
    }

    /// Asks along with those that come in the same turn. `all` is given their questions, two or more, and has an answer, or
    /// none, for each in turn.
    ///
    /// `None` means that the call has to be made by itself: nobody else came, or there was no answer for it. Where a question
    /// was asked and its answer never came, that is a [`Failure::Broken`].
    pub(super) async fn ask<F>(&self, question: Q, all: impl Fn(Vec<Q>) -> F) -> Outcome<Option<A>>
    where
        F: Future<Output = Outcome<Vec<Option<A>>>>,
    {
        let (reply, answer) = oneshot::channel();
        let leads = {
            let mut groups = self.groups();
            if groups.are_distrusted() {
                return Ok(None);
            }
            groups.join(Asked { question, reply })
        };
        if let Some(number) = leads {
            let lead = Lead(self, number);
            turn_ends().await;
            let mut group = lead.end();
            let mut parts = Vec::new();
            while !group.is_empty() {
                let rest = group.split_off((self.part)(group.len()));
                parts.push(self.ask_part(std::mem::replace(&mut group, rest), &all));
            }
            join_all(parts).await;
        }
        answer.await.unwrap_or_else(|_| Err(left_alone()))
    }

    async fn ask_part<F>(&self, part: Vec<Asked<Q, A>>, all: &impl Fn(Vec<Q>) -> F)
    where
        F: Future<Output = Outcome<Vec<Option<A>>>>,
    {
        let apart = part.into_iter().map(|asked| (asked.question, asked.reply));
        let (questions, replies): (Vec<_>, Vec<_>) = apart.unzip();
        let answers = match questions.len() {
            1 => Ok(vec![None]),
            _ => all(questions).await,
        };
        if let Err(Failure::Broken(_)) = &answers {
            self.groups().broken = Some(Instant::now());
        }
        // Those that were given up hear nothing.
        match answers {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    reply.send(Ok(answer)).ok();
                }
            }
            Err(failure) => {
                for reply in replies {
                    reply.send(Err(failure.clone())).ok();
                }
            }
        }
    }

    /// Held for a few lines at a time.
    fn groups(&self) -> MutexGuard<'_, Groups<Q, A>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Question, A> Groups<Q, A> {
    fn are_distrusted(&mut self) -> bool {
        if self.broken.is_some_and(|broken| broken.elapsed() >= ALONE) {
            self.broken = None;
        }
        self.broken.is_some()
    }

    /// Adds a call to the last group, or to a new one, whose number it is given then: it leads that.
    fn join(&mut self, asked: Asked<Q, A>) -> Option<u64> {
        if let Some((_, group)) = self.coming.last_mut() {
            let clashes = |other: &Asked<Q, A>| other.question.clashes(&asked.question);
            if group.len() < MOST && !group.iter().any(clashes) {
                group.push(asked);
                return None;
            }
        }
        let number = self.next;
        self.next += 1;
        self.coming.push((number, vec![asked]));
        Some(number)
    }

    fn take(&mut self, number: u64) -> Vec<Asked<Q, A>> {
        let at = self.coming.iter().position(|(other, _)| *other == number);
        at.map_or_else(Vec::new, |at| self.coming.remove(at).1)
    }
}

fn left_alone() -> Failure {
    Failure::Broken(Reason {
        message: "the call that asked for several sessions was given up".to_owned(),
        code: None,
    })
}

/// The first of a group, until it asks. When it is given up before, the others make their calls by themselves.
struct Lead<'t, Q: Question, A>(&'t Together<Q, A>, u64);

impl<Q: Question, A> Lead<'_, Q, A> {
    /// Ends the group, and gives it.
    fn end(self) -> Vec<Asked<Q, A>> {
        self.0.groups().take(self.1)
    }
}

impl<Q: Question, A> Drop for Lead<'_, Q, A> {
    fn drop(&mut self) {
        let given_up = self.0.groups().take(self.1);
        for asked in given_up {
            asked.reply.send(Ok(None)).ok();
        }
    }
}

/// Lets what else is ready go first.
async fn turn_ends() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use futures_util::FutureExt as _;

    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    type Numbers = Together<usize, usize>;

    impl Question for usize {
        fn clashes(&self, _: &Self) -> bool {
            false
        }
    }

    #[test]
    fn those_that_come_in_one_turn_are_asked_as_one_and_each_has_its_answer() {
        let (numbers, asked) = (Numbers::default(), RefCell::new(Vec::new()));
        let all = |questions: Vec<usize>| {
            asked.borrow_mut().push(questions.len());
            let answer = |n: &usize| (*n != 7).then_some(10 * n);
            async move { Ok(questions.iter().map(answer).collect()) }
        };
        let calls = (1..=MOST + 5).map(|n| numbers.ask(n, all));
        let answers = block_on(join_all(calls));
        for (n, answer) in (1..).zip(answers) {
            assert_eq!(answer, Ok((n != 7).then_some(10 * n)));
        }
        assert_eq!(*asked.borrow(), [MOST, 5]);
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn those_that_are_asked_as_one_can_be_as_many_as_a_power_of_two() {
        let (numbers, asked) = (Numbers::in_powers_of_two(), RefCell::new(Vec::new()));
        let all = |questions: Vec<usize>| {
            asked.borrow_mut().push(questions.len());
            async move { Ok(questions.into_iter().map(Some).collect()) }
        };
        let calls = 2 * MOST + 7;
        let answers = block_on(join_all((0..calls).map(|n| numbers.ask(n, all))));
        assert_eq!(*asked.borrow(), [MOST, MOST, 4, 2]);
        let is_alone = |n: &usize| n + 1 == calls;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok(Some(n).filter(|n| !is_alone(n))));
        }
    }

    #[test]
    fn one_that_comes_alone_is_left_to_itself() {
        let numbers = Numbers::default();
        let all = |_| async { unreachable!("nobody else came") };
        for _ in 0..2 {
            assert_eq!(block_on(numbers.ask(1, all)), Ok(None));
        }
    }

    #[test]
    fn a_failure_is_everybodys() {
        let numbers = Numbers::default();
        let late = || {
            Failure::Late(Reason {
                message: "late".to_owned(),
                code: None,
            })
        };
        let all = |_| async { Err(late()) };
        let answers = block_on(join_all([numbers.ask(1, all), numbers.ask(2, all)]));
        assert_eq!(answers, [Err(late()), Err(late())]);
    }

    #[test]
    fn a_call_that_clashes_with_another_is_in_no_group_with_it() {
        let (records, asked) = (
            Together::<Record, usize>::default(),
            RefCell::new(Vec::new()),
        );
        let all = |records: Vec<Record>| {
            asked.borrow_mut().push(records.len());
            async move { Ok(records.iter().map(|record| Some(record.0)).collect()) }
        };
        let calls = [1, 2, 3, 2, 4].map(|n| records.ask(Record(n), all));
        let answers = block_on(join_all(calls));
        assert_eq!(answers, [1, 2, 3, 2, 4].map(|n| Ok(Some(n))));
        assert_eq!(*asked.borrow(), [3, 2]);
    }

    /// A call for a record, which clashes with another for the same.
    struct Record(usize);

    impl Question for Record {
        fn clashes(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    #[test]
    fn after_a_group_has_broken_its_connection_each_call_is_made_by_itself() {
        let numbers = Numbers::default();
        let breaks = |_| async { Err(left_alone()) };
        let answers = block_on(join_all([numbers.ask(1, breaks), numbers.ask(2, breaks)]));
        assert_eq!(answers, [Err(left_alone()), Err(left_alone())]);
        let answers = block_on(join_all([numbers.ask(1, breaks), numbers.ask(2, breaks)]));
        assert_eq!(answers, [Ok(None), Ok(None)]);
    }

    #[test]
    fn when_the_first_is_given_up_the_others_learn_of_it_and_the_next_are_a_group_of_their_own() {
        for begins_asking in [false, true] {
            let numbers = Numbers::default();
            let hangs = |_| std::future::pending();
            let mut first = Box::pin(numbers.ask(1, hangs));
            let mut second = pin!(numbers.ask(2, hangs));
            let mut context = Context::from_waker(Waker::noop());
            assert!(first.poll_unpin(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            if begins_asking {
                assert!(first.poll_unpin(&mut context).is_pending());
            }
            drop(first);
            let told = match begins_asking {
                true => Err(left_alone()),
                false => Ok(None),
            };
            assert_eq!(block_on(second), told);
            let all =
                |questions: Vec<usize>| async { Ok(questions.into_iter().map(Some).collect()) };
            let answers = block_on(join_all([numbers.ask(3, all), numbers.ask(4, all)]));
            assert_eq!(answers, [Ok(Some(3)), Ok(Some(4))]);
        }
    }
}
