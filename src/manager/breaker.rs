//! The circuit breaker: a storage that did not answer several times in a row is left alone for a while.
//!
//! Knows nothing of drivers. A circuit is closed while calls go through, open while they are refused, and half open while
//! one call, the probe, tries whether the storage is well again. Only circuits in trouble are remembered.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::clock::{Clock, Millis};

/// Calls in a row without an answer that open a circuit.
const UNANSWERED_IN_A_ROW: u32 = 5;
/// How long a circuit is open at first.
const FIRST_PAUSE: Millis = Millis(50);
/// How long it is open at most, after pauses that have doubled: a storage that is back is found out within a second.
const LONGEST_PAUSE: Millis = Millis(1_000);
/// Most circuits that are remembered. A handler made for each request has one of its own, if it hangs.
const MOST_IN_TROUBLE: usize = 1_000;

/// What a storage is asked for. Each has a circuit of its own: a database that is locked for writing can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asks {
    Read,
    Write,
    Sweep,
}

/// One storage, asked for one kind of thing. Handlers have numbers of their own; 0 is the built-in driver.
pub(super) type Line = (u32, Asks);

/// What a call that was let through is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// One of many.
    Usual,
    /// The one on which it depends whether the circuit closes.
    Probe,
}

#[derive(Clone, Copy, Debug)]
enum Circuit {
    /// Closed, with so many calls in a row without an answer.
    Closed(u32),
    /// Open `until` an instant, after a `pause` of that length.
    Open { until: Millis, pause: Millis },
    /// Half open: a probe is on its way, after a `pause` of that length.
    Probing { pause: Millis },
}

/// The circuits of one manager.
#[derive(Debug)]
pub(super) struct Breaker {
    clock: Clock,
    in_trouble: RefCell<HashMap<Line, Circuit>>,
}

impl Breaker {
    /// Circuits that are remembered.
    pub(super) fn len(&self) -> usize {
        self.in_trouble.borrow().len()
    }

    /// A breaker whose circuits are all closed.
    pub(super) fn new(clock: Clock) -> Self {
        Breaker {
            clock,
            in_trouble: RefCell::default(),
        }
    }

    /// Whether a call may be made now, and as what.
    pub(super) fn admit(&self, line: Line) -> Option<Call> {
        let mut circuits = self.in_trouble.borrow_mut();
        if circuits.is_empty() {
            return Some(Call::Usual);
        }
        match circuits.get_mut(&line) {
            None | Some(Circuit::Closed(_)) => Some(Call::Usual),
            Some(Circuit::Probing { .. }) => None,
            Some(Circuit::Open { until, .. }) if self.clock.now() < *until => None,
            Some(open @ Circuit::Open { .. }) => {
                *open = Circuit::Probing {
                    pause: open.pause(),
                };
                Some(Call::Probe)
            }
        }
    }

    /// A call was answered, be it by an error: the storage is there.
    pub(super) fn answered(&self, line: Line) {
        let mut circuits = self.in_trouble.borrow_mut();
        if !circuits.is_empty() {
            circuits.remove(&line);
        }
    }

    /// A call was not answered in its time.
    pub(super) fn unanswered(&self, line: Line, call: Call) {
        let mut circuits = self.in_trouble.borrow_mut();
        let circuit = circuits.get(&line).copied().unwrap_or(Circuit::Closed(0));
        let next = match (circuit, call) {
            (Circuit::Closed(earlier), _) if earlier + 1 < UNANSWERED_IN_A_ROW => {
                Circuit::Closed(earlier + 1)
            }
            (Circuit::Closed(_), _) => self.open(FIRST_PAUSE),
            (Circuit::Probing { pause }, Call::Probe) => {
                self.open(Millis(pause.0 * 2).min(LONGEST_PAUSE))
            }
            // What was asked before the circuit opened tells nothing new.
            (Circuit::Open { .. } | Circuit::Probing { .. }, _) => return,
        };
        if circuits.len() >= MOST_IN_TROUBLE && !circuits.contains_key(&line) {
            circuits.retain(|_, circuit| !matches!(circuit, Circuit::Closed(_)));
        }
        if circuits.len() < MOST_IN_TROUBLE || circuits.contains_key(&line) {
            circuits.insert(line, next);
        }
    }

    /// A call was given up so early that its silence means nothing. If it was the probe, the next call is.
    pub(super) fn withdrawn(&self, line: Line, call: Call) {
        if call == Call::Usual {
            return;
        }
        if let Some(circuit @ Circuit::Probing { .. }) = self.in_trouble.borrow_mut().get_mut(&line)
        {
            let (until, pause) = (self.clock.now(), circuit.pause());
            *circuit = Circuit::Open { until, pause };
        }
    }

    /// The present instant, by the clock that measures pauses.
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// An open circuit. Of its pause the second half is left to chance, so that processes do not probe in step.
    fn open(&self, pause: Millis) -> Circuit {
        let mut random = [0u8; 2];
        let _ = getrandom::fill(&mut random);
        let half = pause.0 / 2;
        let jitter = half * i64::from(u16::from_le_bytes(random)) / i64::from(u16::MAX);
        let until = self.clock.now() + Millis(half + jitter);
        Circuit::Open { until, pause }
    }
}

impl Circuit {
    fn pause(self) -> Millis {
        match self {
            Circuit::Closed(_) => Millis(0),
            Circuit::Open { pause, .. } | Circuit::Probing { pause } => pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    const LINE: Line = (0, Asks::Read);

    fn breaker() -> (Breaker, Rc<Cell<Millis>>) {
        let time = Rc::new(Cell::new(Millis(1_000_000)));
        (Breaker::new(Clock::Manual(time.clone())), time)
    }

    fn trip(breaker: &Breaker, line: Line) {
        for _ in 0..UNANSWERED_IN_A_ROW {
            assert_eq!(breaker.admit(line), Some(Call::Usual));
            breaker.unanswered(line, Call::Usual);
        }
        assert_eq!(breaker.admit(line), None);
    }

    /// Winds the clock until a call goes through; gives how long that took.
    fn wait_for_probe(breaker: &Breaker, time: &Cell<Millis>) -> i64 {
        let begin = time.get();
        while breaker.admit(LINE).is_none() {
            time.set(time.get() + Millis(1));
        }
        assert_eq!(breaker.admit(LINE), None, "there is one probe at a time");
        (time.get() - begin).0
    }

    #[test]
    fn five_silences_in_a_row_open_a_circuit_and_an_answer_between_them_does_not_let_them() {
        let (breaker, _) = breaker();
        for _ in 0..10 {
            for _ in 1..UNANSWERED_IN_A_ROW {
                breaker.unanswered(LINE, Call::Usual);
            }
            breaker.answered(LINE);
        }
        trip(&breaker, LINE);
    }

    #[test]
    fn reading_writing_and_handlers_have_circuits_of_their_own() {
        let (breaker, _) = breaker();
        trip(&breaker, LINE);
        for line in [(0, Asks::Write), (0, Asks::Sweep), (1, Asks::Read)] {
            assert_eq!(breaker.admit(line), Some(Call::Usual));
        }
    }

    #[test]
    fn pauses_double_up_to_a_second_with_a_second_half_left_to_chance() {
        let (breaker, time) = breaker();
        trip(&breaker, LINE);
        for pause in [50, 100, 200, 400, 800, 1000, 1000] {
            let waited = wait_for_probe(&breaker, &time);
            assert!(
                (pause / 2..=pause).contains(&waited),
                "{waited} of {pause} ms"
            );
            breaker.unanswered(LINE, Call::Probe);
        }
    }

    #[test]
    fn a_probe_that_is_answered_closes_the_circuit_and_forgets_the_trouble() {
        let (breaker, time) = breaker();
        trip(&breaker, LINE);
        wait_for_probe(&breaker, &time);
        breaker.answered(LINE);
        assert!(breaker.in_trouble.borrow().is_empty());
        trip(&breaker, LINE);
        assert!(wait_for_probe(&breaker, &time) <= 50);
    }

    #[test]
    fn a_probe_that_is_withdrawn_leaves_the_next_call_to_be_it() {
        let (breaker, time) = breaker();
        trip(&breaker, LINE);
        wait_for_probe(&breaker, &time);
        breaker.withdrawn(LINE, Call::Probe);
        assert_eq!(breaker.admit(LINE), Some(Call::Probe));
    }

    #[test]
    fn calls_from_before_a_circuit_opened_neither_prolong_its_pause_nor_keep_it_from_closing() {
        let (breaker, time) = breaker();
        trip(&breaker, LINE);
        for _ in 0..200 {
            breaker.unanswered(LINE, Call::Usual);
        }
        assert!(wait_for_probe(&breaker, &time) <= 50);
        breaker.unanswered(LINE, Call::Usual);
        breaker.answered(LINE);
        assert_eq!(breaker.admit(LINE), Some(Call::Usual));
    }

    #[test]
    fn only_so_many_circuits_are_remembered() {
        let (breaker, _) = breaker();
        for handler in 0..5_000 {
            breaker.unanswered((handler, Asks::Write), Call::Usual);
        }
        assert!(breaker.in_trouble.borrow().len() <= MOST_IN_TROUBLE);
        trip(&breaker, LINE);
    }
}
