//! Compares the counters with what was acknowledged, and says it in a line or two.

use std::fmt;
use std::time::Duration;

use indicatif::HumanCount;

use crate::tally::{Backwards, Tally};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    acknowledged: u64,
    unknown: u64,
    /// The sum of the counters.
    value: i64,
    lost: u64,
    twice: u64,
    backwards: u64,
    first_backwards: Option<Backwards>,
    interruption: Duration,
}

impl Verdict {
    /// `values` are the counters at the end. `lost` and `twice` are the least that explains them.
    pub fn of(tally: &Tally, values: &[i64], interruption: Duration) -> Verdict {
        let mut verdict = Verdict {
            acknowledged: tally.acknowledged(),
            unknown: tally.unknown(),
            value: values.iter().sum(),
            lost: 0,
            twice: 0,
            backwards: tally.backwards,
            first_backwards: tally.first_backwards,
            interruption,
        };
        for (counted, &value) in tally.counters().iter().zip(values) {
            // Each increment that is in the counter still was answered a value of its own, not
            // above the counter. So one of two equal answers is lost, and so is one above the
            // counter, even where increments of unknown outcome fill the place.
            let kept = counted.answers.up_to(value);
            let value = u64::try_from(value).unwrap_or(0);
            verdict.lost += counted.acknowledged.saturating_sub(kept);
            verdict.twice += value.saturating_sub(kept + counted.unknown);
        }
        verdict
    }

    pub fn passed(&self) -> bool {
        self.acknowledged > 0 && self.lost == 0 && self.twice == 0 && self.backwards == 0
    }

    fn figures(&self) -> String {
        let mut text = counted(self.acknowledged, "acknowledged increment");
        if self.unknown > 0 {
            text += &format!(" and {} of unknown outcome", HumanCount(self.unknown));
        }
        let value = HumanCount(u64::try_from(self.value).unwrap_or(0));
        let seconds = self.interruption.as_secs_f64();
        format!("{text}, the counter is {value}; longest interruption {seconds:.1} s")
    }
}

/// `1 increment`, `2 increments`.
fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(number))
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.figures();
        if self.passed() {
            return write!(formatter, "PASS: {figures}");
        }
        let mut reasons = Vec::new();
        let be = |number| if number == 1 { "is" } else { "are" };
        if self.lost > 0 {
            let lost = counted(self.lost, "acknowledged increment");
            reasons.push(format!("{lost} {} lost", be(self.lost)));
        }
        if self.twice > 0 {
            let twice = counted(self.twice, "increment");
            let was = if self.twice == 1 { "was" } else { "were" };
            reasons.push(format!("{twice} {was} executed twice"));
        }
        if let Some(first) = self.first_backwards {
            let (value, before) = (first.value, first.acknowledged_before);
            reasons.push(format!(
                "the counter went back: a client got {value} after {before} had been acknowledged"
            ));
        }
        if self.acknowledged == 0 {
            reasons.push("no increment was acknowledged".into());
        }
        for reason in reasons {
            writeln!(formatter, "FAIL: {reason}")?;
        }
        write!(formatter, "      {figures}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn tally(acknowledged: i64, unknown: usize) -> Tally {
        let now = Instant::now();
        let mut tally = Tally::new(1, now);
        for value in 1..=acknowledged {
            tally.acknowledge(0, value - 1, value, now);
        }
        (0..unknown).for_each(|_| tally.leave_open(0));
        tally
    }

    fn verdict(tally: &Tally, value: i64) -> Verdict {
        Verdict::of(tally, &[value], Duration::from_millis(4200))
    }

    #[test]
    fn a_counter_that_agrees_passes() {
        let verdict = verdict(&tally(12_345, 0), 12_345);
        assert!(verdict.passed());
        assert_eq!(
            verdict.to_string(),
            "PASS: 12,345 acknowledged increments, the counter is 12,345; longest interruption 4.2 s"
        );
    }

    #[test]
    fn an_unknown_outcome_may_be_either() {
        for value in [10, 11, 12] {
            assert!(verdict(&tally(10, 2), value).passed(), "{value}");
        }
        let text = verdict(&tally(10, 2), 11).to_string();
        assert!(text.starts_with(
            "PASS: 10 acknowledged increments and 2 of unknown outcome, the counter is 11;"
        ));
        assert!(!verdict(&tally(10, 2), 9).passed());
        assert!(!verdict(&tally(10, 2), 13).passed());
    }

    #[test]
    fn lost_and_repeated_increments_fail() {
        let lost = verdict(&tally(10, 0), 7).to_string();
        assert!(
            lost.starts_with("FAIL: 3 acknowledged increments are lost\n"),
            "{lost}"
        );
        let one = verdict(&tally(10, 0), 9).to_string();
        assert!(
            one.starts_with("FAIL: 1 acknowledged increment is lost\n"),
            "{one}"
        );
        let twice = verdict(&tally(10, 0), 12).to_string();
        assert!(
            twice.starts_with("FAIL: 2 increments were executed twice\n"),
            "{twice}"
        );
    }

    #[test]
    fn increments_of_unknown_outcome_do_not_make_up_for_lost_ones() {
        let now = Instant::now();
        // 12 was acknowledged, so the counter cannot be 10.
        let mut above = tally(8, 2);
        above.acknowledge(0, 8, 11, now);
        above.acknowledge(0, 8, 12, now);
        let text = verdict(&above, 10).to_string();
        assert!(
            text.starts_with("FAIL: 2 acknowledged increments are lost\n      "),
            "{text}"
        );
        assert!(verdict(&above, 12).passed());
        // Two clients got 1, so the first increment is lost.
        let mut equal = tally(1, 1);
        equal.acknowledge(0, 0, 1, now);
        let text = verdict(&equal, 2).to_string();
        assert!(
            text.starts_with("FAIL: 1 acknowledged increment is lost\n      "),
            "{text}"
        );
    }

    #[test]
    fn increments_that_are_lost_and_counted_again_are_not_reported_twice() {
        let mut tally = tally(10, 0);
        // The counter went back to 7.
        (8..=12).for_each(|value| tally.acknowledge(0, 7, value, Instant::now()));
        let verdict = verdict(&tally, 12);
        assert_eq!((verdict.lost, verdict.twice), (3, 0));
    }

    #[test]
    fn a_lost_increment_does_not_make_up_for_a_repeated_one() {
        let now = Instant::now();
        let mut tally = Tally::new(2, now);
        tally.acknowledge(0, 0, 1, now);
        tally.acknowledge(1, 0, 1, now);
        let verdict = Verdict::of(&tally, &[0, 2], Duration::ZERO);
        assert_eq!((verdict.lost, verdict.twice), (1, 1));
    }

    #[test]
    fn a_counter_that_went_back_fails_even_if_the_sum_agrees() {
        let mut tally = tally(2, 0);
        tally.acknowledge(0, 2, 1, Instant::now());
        let text = verdict(&tally, 3).to_string();
        assert!(
            text.contains(
                "FAIL: the counter went back: a client got 1 after 2 had been acknowledged\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_run_without_any_acknowledged_increment_fails() {
        let text = verdict(&tally(0, 0), 0).to_string();
        assert!(
            text.starts_with("FAIL: no increment was acknowledged\n"),
            "{text}"
        );
    }
}
