//! Taking turns: every contender once a round, so that all of them meet the same disturbances.

use std::collections::HashMap;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::Server;

use crate::load::{self, Plan};
use crate::options::Options;
use crate::results::{Contender, Group, Metric, Sample};
use crate::workload::Workload;

/// One contender before it is measured.
pub struct Entrant<'a> {
    pub name: String,
    pub server: &'a Server,
    pub workload: Workload,
    /// Runs before each turn.
    pub before: Box<dyn Fn() -> Result<()> + 'a>,
}

impl<'a> Entrant<'a> {
    pub fn new(name: &str, server: &'a Server, workload: Workload) -> Entrant<'a> {
        Entrant {
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
        // Drawn on a terminal only, on standard error.
        let progress = ProgressBar::new_spinner();
        let style =
            ProgressStyle::with_template("{elapsed_precise} {bar:24} {pos}/{len} {wide_msg}")?;
        progress.set_style(style);
        Ok(Rounds { options, progress })
    }

    pub fn say(&self, what: &str) {
        self.progress.set_message(what.to_string());
    }

    /// Measures all entrants, round after round.
    pub fn group(
        &self,
        title: &str,
        connections: usize,
        columns: &[Metric],
        entrants: &[Entrant<'_>],
    ) -> Result<Group> {
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); entrants.len()];
        self.progress.reset();
        self.progress
            .set_length(entrants.len() as u64 * u64::from(self.options.rounds));
        for _ in 0..self.options.rounds {
            for (entrant, own) in entrants.iter().zip(&mut samples) {
                self.say(&format!("{title}: {}", entrant.name));
                let sample = (entrant.before)().and_then(|()| self.turn(entrant, connections));
                own.push(sample.with_context(|| format!("{title}, {}", entrant.name))?);
                self.progress.inc(1);
            }
        }
        let contenders = entrants
            .iter()
            .zip(samples)
            .map(|(entrant, samples)| Contender {
                name: entrant.name.clone(),
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

    fn turn(&self, entrant: &Entrant<'_>, connections: usize) -> Result<Sample> {
        let plan = Plan {
            connections,
            threads: usize::from(self.options.threads),
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        };
        let before = Meter::read(entrant.server);
        let outcome = load::drive(&entrant.server.addr(), &entrant.workload, &plan)?;
        let after = Meter::read(entrant.server);
        let quantile = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
        let all = outcome.all_cycles as f64;
        let operations = entrant.workload.operations as f64;
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

/// What the server counts by itself.
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

/// Microseconds in the commands that are compared by this; `None` where none of them has run. What a
/// module calls is counted for itself once more, so what SLOTHINT calls is not among them.
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
    fn what_slothint_calls_is_not_counted_twice() {
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
