//! What happened per second between two looks. Time is an argument.
//!
//! Example: the first look saw 100 acknowledged waits and the second, half a second later, 160.
//! That is 120 per second.

use std::time::Duration;

use serde::Serialize;

use crate::sample::Sample;

/// Rates between two looks, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Waits that were acknowledged.
    pub acknowledged: f64,
    /// Waits that were given up: UNACKED.
    pub given_up: f64,
    /// Waits whose client disconnected, or whose primary was demoted.
    pub interrupted: f64,
    /// Commands refused before they ran: NOREPLICAS and OVERLOADED.
    pub refused: f64,
}

impl Rates {
    /// `None` if no rate can be told: a look without the module, no time in between, or counters
    /// that fell, because the server restarted or somebody sent CONFIG RESETSTAT.
    pub fn between(earlier: &Sample, later: &Sample, elapsed: Duration) -> Option<Rates> {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let rate = |name: &str| {
            let grown = later.field(name)?.checked_sub(earlier.field(name)?)?;
            (grown >= 0).then_some(grown as f64 / seconds)
        };
        Some(Rates {
            acknowledged: rate("acked_total")?,
            given_up: rate("unacked_total")?,
            interrupted: rate("disconnected_total")? + rate("demoted_total")?,
            refused: rate("noreplicas_total")? + rate("overloaded_total")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(totals: [i64; 6]) -> Sample {
        let names = [
            "acked",
            "unacked",
            "disconnected",
            "demoted",
            "noreplicas",
            "overloaded",
        ];
        let mut sample = Sample::default();
        for (name, total) in names.iter().zip(totals) {
            sample.info.insert(format!("durable_{name}_total"), total);
        }
        sample
    }

    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn a_rate_is_the_growth_of_its_counters_per_second() {
        let rates = Rates::between(
            &sample([100, 1, 1, 1, 1, 1]),
            &sample([160, 2, 2, 2, 3, 3]),
            HALF,
        );
        let wanted = Rates {
            acknowledged: 120.0,
            given_up: 2.0,
            interrupted: 4.0,
            refused: 8.0,
        };
        assert_eq!(rates, Some(wanted));
    }

    #[test]
    fn counters_that_fell_give_no_rate() {
        assert_eq!(Rates::between(&sample([5; 6]), &sample([0; 6]), HALF), None);
    }

    #[test]
    fn without_the_module_or_without_time_there_is_no_rate() {
        assert_eq!(
            Rates::between(&Sample::default(), &sample([1; 6]), HALF),
            None
        );
        assert_eq!(
            Rates::between(&sample([0; 6]), &sample([1; 6]), Duration::ZERO),
            None
        );
    }
}
