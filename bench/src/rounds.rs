//! Runs rounds. Every contender has one turn in each round, so disturbances affect all of them.

use std::collections::HashMap;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::Server;

use crate::load::{self, Plan};
use crate::options::Options;
use crate::results::{Contender, Group, Metric, Sample};
use crate::workload::Workload;

/// What to measure for one contender: a workload on a server.
pub struct Case<'a> {
    pub name: String,
    pub server: &'a Server,
    pub workload: Workload,
    /// Runs before each turn.
    pub before: Box<dyn Fn() -> Result<()> + 'a>,
}

impl<'a> Case<'a> {
    pub fn new(name: &str, server: &'a Server, workload: Workload) -> Case<'a> {
        Case {
            name: name.into(),
            server,
            workload,
            before: Box::new(|| Ok(())),
        }
    }

    pub fn before(mut self, action: impl Fn() -> Result<()> + 'a) -> Self {
        self.before = Box::new(action);
        self
    }
}

pub struct Rounds<'a> {
    options: &'a Options,
    progress: ProgressBar,
}

impl<'a> Rounds<'a> {
    pub fn new(options: &'a Options) -> Result<Rounds<'a>> {
        // Drawn on standard error, and only on a terminal.
        let progress = ProgressBar::new_spinner();
        let style =
            ProgressStyle::with_template("{elapsed_precise} {bar:24} {pos}/{len} {wide_msg}")?;
        progress.set_style(style);
        Ok(Rounds { options, progress })
    }

    pub fn say(&self, what: &str) {
        self.progress.set_message(what.to_string());
    }

    /// Measures all cases, round by round.
    pub fn group(
        &self,
        title: &str,
        connections: usize,
        columns: &[Metric],
        cases: &[Case<'_>],
    ) -> Result<Group> {
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); cases.len()];
        self.progress.reset();
        self.progress
            .set_length(cases.len() as u64 * u64::from(self.options.rounds));
        for _ in 0..self.options.rounds {
            for (case, own) in cases.iter().zip(&mut samples) {
                self.say(&format!("{title}: {}", case.name));
                let sample = (case.before)().and_then(|()| self.turn(case, connections));
                own.push(sample.with_context(|| format!("{title}, {}", case.name))?);
                self.progress.inc(1);
            }
        }
        let contenders = cases
            .iter()
            .zip(samples)
            .map(|(case, samples)| Contender {
                name: case.name.clone(),
                samples,
            })
            .collect();
        Ok(Group {
            title: title.into(),
            connections,
            contenders,
            comparisons: Vec::new(),
            columns: columns.to_vec(),
        })
    }

    fn turn(&self, case: &Case<'_>, connections: usize) -> Result<Sample> {
        let plan = Plan {
            connections,
            threads: usize::from(self.options.threads),
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        };
        let before = Meter::read(case.server);
        let outcome = load::drive(&case.server.addr(), &case.workload, &plan)?;
        let after = Meter::read(case.server);
        let quantile = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
        let all = outcome.all_cycles as f64;
        let operations = case.workload.operations as f64;
        Ok(Sample {
            operations_per_second: outcome.cycles as f64 * operations
                / outcome.window.as_secs_f64(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            worst_us: outcome.latency.max() as f64 / 1000.0,
            cpu_us: after
                .cpu_us
                .zip(before.cpu_us)
                .map(|(after, before)| (after - before) / (all * operations)),
            executed_us: after.executed_us.map(|after| {
                let before = before.executed_us.unwrap_or(0.0);
                (after - before) / all
            }),
            reply_bytes: outcome.reply_bytes as f64 / outcome.cycles as f64,
        })
    }
}

impl Drop for Rounds<'_> {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

/// Readings of the server's own counters.
pub struct Meter {
    pub cpu_us: Option<f64>,
    executed_us: Option<f64>,
}

impl Meter {
    pub fn read(server: &Server) -> Meter {
        let cpu = server.info("cpu");
        let seconds = |field: &str| cpu.get(field)?.parse::<f64>().ok();
        let user = seconds("used_cpu_user_main_thread");
        let system = seconds("used_cpu_sys_main_thread");
        Meter {
            cpu_us: user.zip(system).map(|(user, system)| (user + system) * 1e6),
            executed_us: executed(&server.info("commandstats")),
        }
    }
}

/// Microseconds spent in the compared commands; `None` if none of them has run. SLOTHINT calls
/// commands of the server. The server counts the time of such a call twice: for the called command,
/// and in the time of SLOTHINT. So the called commands are not in the list.
fn executed(statistics: &HashMap<String, String>) -> Option<f64> {
    const COMPARED: [&str; 3] = [
        "cmdstat_slothint",
        "cmdstat_cluster|slots",
        "cmdstat_cluster|keyslot",
    ];
    let usec = |command: &&str| {
        let line = statistics.get(*command)?;
        let usec = line
            .split(',')
            .find_map(|part| part.strip_prefix("usec="))?;
        usec.parse::<f64>().ok()
    };
    COMPARED
        .iter()
        .filter_map(usec)
        .reduce(|sum, own| sum + own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_slothint_calls_are_not_counted_twice() {
        let statistics = [
            (
                "cmdstat_slothint",
                "calls=2,usec=70,usec_per_call=35.00,rejected_calls=0",
            ),
            (
                "cmdstat_cluster|shards",
                "calls=2,usec=60,usec_per_call=30.00",
            ),
            ("cmdstat_cluster|slots", "calls=1,usec=5,usec_per_call=5.00"),
        ]
        .map(|(command, line)| (command.to_string(), line.to_string()));
        assert_eq!(executed(&HashMap::from(statistics)), Some(75.0));
        assert_eq!(executed(&HashMap::new()), None);
    }
}
