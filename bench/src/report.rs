//! All results of a run, as written to the JSON file.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::machine::Machine;
use crate::options::Options;
use crate::results::{Contender, Group, Metric};
use crate::stats::Summary;

#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    /// The command line that repeats this run.
    pub command: String,
    pub rounds: u16,
    pub seconds: f64,
    pub groups: Vec<Group>,
}

impl Report {
    pub fn new(machine: Machine, options: &Options) -> Report {
        Report {
            machine,
            command: options.to_repeat(),
            rounds: options.rounds,
            seconds: options.seconds,
            groups: Vec::new(),
        }
    }

    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("writing the report as JSON")
    }

    /// A contender's metric in each group that has the contender, with the number of connections.
    pub fn series(&self, contender: &str, metric: Metric) -> Vec<(usize, Summary)> {
        let found = |group: &Group| {
            let own = group
                .contenders
                .iter()
                .find(|own: &&Contender| own.name == contender)?;
            Some((group.connections, own.summary(metric)?))
        };
        self.groups.iter().filter_map(found).collect()
    }
}

/// Writes a file that the user named.
pub fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
