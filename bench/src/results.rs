//! The measured samples of contenders in groups, and the comparisons between contenders.

use serde::Serialize;

use crate::stats::{ratio, summary, Summary};

/// One turn of one contender.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub operations_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub worst_us: f64,
    /// Processor time of the server's main thread for one operation, including reading the command
    /// and sending the reply.
    pub cpu_us: Option<f64>,
    /// How long the commands of one cycle (see `workload`) took by the server's own statistics.
    /// Excludes reading the commands and sending the replies.
    pub executed_us: Option<f64>,
    /// Bytes of all replies in one cycle.
    pub reply_bytes: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    OperationsPerSecond,
    P50,
    P99,
    P999,
    Worst,
    Cpu,
    Executed,
    ReplyBytes,
}

impl Metric {
    pub fn label(self) -> &'static str {
        match self {
            Metric::OperationsPerSecond => "ops/s",
            Metric::P50 => "p50 µs",
            Metric::P99 => "p99 µs",
            Metric::P999 => "p99.9 µs",
            Metric::Worst => "worst µs",
            Metric::Cpu => "server CPU µs/op",
            Metric::Executed => "executed µs",
            Metric::ReplyBytes => "reply bytes",
        }
    }

    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Metric::OperationsPerSecond => Some(sample.operations_per_second),
            Metric::P50 => Some(sample.p50_us),
            Metric::P99 => Some(sample.p99_us),
            Metric::P999 => Some(sample.p999_us),
            Metric::Worst => Some(sample.worst_us),
            Metric::Cpu => sample.cpu_us,
            Metric::Executed => sample.executed_us,
            Metric::ReplyBytes => Some(sample.reply_bytes),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Contender {
    pub name: String,
    /// One for each round.
    pub samples: Vec<Sample>,
}

impl Contender {
    /// `None` unless the server reported the metric in every round.
    pub fn summary(&self, metric: Metric) -> Option<Summary> {
        summary(&self.values(metric)?)
    }

    fn values(&self, metric: Metric) -> Option<Vec<f64>> {
        self.samples
            .iter()
            .map(|sample| metric.of(sample))
            .collect()
    }
}

/// The ratio to reach.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(bound) => value >= bound,
            Goal::AtMost(bound) => value <= bound,
        }
    }
}

/// The ratio of one contender's metric to another's.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub name: String,
    pub over: String,
    pub metric: Metric,
    pub goal: Option<Goal>,
    pub ratio: Option<Summary>,
}

/// Contenders that took turns in the same rounds.
#[derive(Debug, Serialize)]
pub struct Group {
    pub title: String,
    pub connections: usize,
    pub contenders: Vec<Contender>,
    pub comparisons: Vec<Comparison>,
    /// The columns of the table after the throughput.
    pub columns: Vec<Metric>,
}

impl Group {
    pub fn compare(&mut self, name: &str, over: &str, metric: Metric, goal: Option<Goal>) {
        let values = |wanted: &str| {
            let contender = self
                .contenders
                .iter()
                .find(|contender| contender.name == wanted);
            contender.and_then(|contender| contender.values(metric))
        };
        let ratio = values(name)
            .zip(values(over))
            .and_then(|(own, base)| ratio(&own, &base));
        self.comparisons.push(Comparison {
            name: name.into(),
            over: over.into(),
            metric,
            goal,
            ratio,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, rates: &[f64], cpu: Option<f64>) -> Contender {
        let sample = |&rate: &f64| Sample {
            operations_per_second: rate,
            p50_us: 1.0,
            p99_us: 2.0,
            p999_us: 3.0,
            worst_us: 4.0,
            cpu_us: cpu,
            executed_us: None,
            reply_bytes: 5.0,
        };
        Contender {
            name: name.into(),
            samples: rates.iter().map(sample).collect(),
        }
    }

    #[test]
    fn comparisons_are_made_round_by_round() {
        let mut group = Group {
            title: String::new(),
            connections: 1,
            contenders: vec![
                contender("a", &[10.0, 20.0, 30.0], Some(1.0)),
                contender("b", &[30.0, 40.0, 30.0], None),
            ],
            comparisons: Vec::new(),
            columns: Vec::new(),
        };
        group.compare("b", "a", Metric::OperationsPerSecond, None);
        group.compare("b", "a", Metric::Cpu, None);
        let found = group.comparisons[0]
            .ratio
            .map(|ratio| (ratio.median, ratio.min, ratio.max));
        assert_eq!(found, Some((2.0, 1.0, 3.0)));
        assert_eq!(
            group.comparisons[1].ratio, None,
            "the server did not report it"
        );
    }

    #[test]
    fn a_goal_includes_its_bound() {
        assert!(Goal::AtLeast(10.0).is_met_by(10.0));
        assert!(!Goal::AtLeast(10.0).is_met_by(9.9));
        assert!(Goal::AtMost(0.2).is_met_by(0.2));
        assert!(!Goal::AtMost(0.2).is_met_by(0.21));
    }
}
