//! Two ways to do the same thing: which of them costs less here is found out by doing it both ways.
//!
//! Knows neither of them, nor a clock. What is done is divided into stretches; two that follow each other are compared now and
//! then, and who wins more often does all the others.

use std::time::Duration;

/// By how many comparisons one way has to lead before the other is tried only now and then.
const CLEAR: i8 = 3;
/// By how many it leads at most, so that the other is not behind for ever.
const MOST: i8 = 6;
/// From one comparison to the next, when one way leads clearly. Units: stretches.
const ROUND: u32 = 32;

/// A contest between a first way and a second.
#[derive(Debug)]
pub struct Contest {
    /// By how many comparisons the first way leads.
    lead: i8,
    /// The number of the present stretch; the first two of a round are compared.
    stretch: u32,
    /// The second way begins this round.
    is_swapped: bool,
    /// What had been spent when the present stretch began; `None` before the first.
    spent: Option<Duration>,
    /// What the first stretch of this round cost.
    earlier: Duration,
}

impl Contest {
    /// A contest that has not begun.
    pub const NEW: Self = Contest {
        lead: 0,
        stretch: 0,
        is_swapped: false,
        spent: None,
        earlier: Duration::ZERO,
    };

    /// The next stretch begins. Tells whether it is the first way's.
    ///
    /// `spent` is what has been spent on all of them so far, and on whatever came between.
    pub fn next(&mut self, spent: Duration) -> bool {
        if let Some(before) = self.spent.replace(spent) {
            self.count(spent.saturating_sub(before));
        }
        match self.stretch {
            0 => !self.is_swapped,
            1 => self.is_swapped,
            _ => self.lead > 0,
        }
    }

    /// A stretch has ended that cost so much.
    fn count(&mut self, cost: Duration) {
        match self.stretch {
            0 => self.earlier = cost,
            1 => {
                let is_first = (self.earlier < cost) != self.is_swapped;
                let change = if is_first { 1 } else { -1 };
                self.lead = (self.lead + change).clamp(-MOST, MOST);
            }
            _ => {}
        }
        self.stretch += 1;
        let round = if self.lead.abs() < CLEAR { 2 } else { ROUND };
        if self.stretch >= round {
            self.stretch = 0;
            self.is_swapped = !self.is_swapped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays some stretches with what each way costs; gives how many were the first way's.
    fn play(contest: &mut Contest, stretches: u32, cost: impl Fn(bool, u32) -> u64) -> u32 {
        let mut spent = contest.spent.unwrap_or_default();
        let mut of_first = 0;
        for stretch in 0..stretches {
            let is_first = contest.next(spent);
            of_first += u32::from(is_first);
            spent += Duration::from_micros(cost(is_first, stretch));
        }
        of_first
    }

    #[test]
    fn the_way_that_costs_less_does_nearly_all() {
        let mut contest = Contest::NEW;
        let first = play(
            &mut contest,
            1_000,
            |is_first, _| if is_first { 90 } else { 100 },
        );
        assert!(first > 960, "{first}");
        let mut contest = Contest::NEW;
        let first = play(
            &mut contest,
            1_000,
            |is_first, _| if is_first { 100 } else { 90 },
        );
        assert!(first < 40, "{first}");
    }

    #[test]
    fn what_gets_dearer_for_both_is_held_against_neither() {
        let mut contest = Contest::NEW;
        let cost = |is_first, stretch| 100 * u64::from(stretch) + if is_first { 0 } else { 150 };
        let first = play(&mut contest, 1_000, cost);
        assert!(first > 900, "{first}");
    }

    #[test]
    fn a_way_that_comes_to_cost_less_is_found_out() {
        let mut contest = Contest::NEW;
        play(
            &mut contest,
            1_000,
            |is_first, _| if is_first { 90 } else { 100 },
        );
        play(
            &mut contest,
            10 * ROUND,
            |is_first, _| if is_first { 100 } else { 90 },
        );
        let first = play(
            &mut contest,
            10 * ROUND,
            |is_first, _| if is_first { 100 } else { 90 },
        );
        assert!(first < 20, "{first}");
    }

    #[test]
    fn one_dear_stretch_decides_nothing() {
        let mut contest = Contest::NEW;
        let cost = |is_first, stretch| match stretch % 37 {
            0 => 5_000,
            _ if is_first => 90,
            _ => 100,
        };
        let first = play(&mut contest, 2_000, cost);
        assert!(first > 1_800, "{first}");
    }
}
