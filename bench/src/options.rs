//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{ensure, Result};
use clap::{Parser, ValueEnum};

/// Measures durable writes and slot hints against their alternatives.
///
/// Every comparison is made in one run. The contenders take turns, round after round, on servers
/// that this program starts on loopback and ends. DURABLE_TEST_SERVER names another server binary,
/// DURABLE_TEST_MODULE another build of the module, DURABLE_LEAST_MODULE another build of the least
/// possible one.
#[derive(Clone, Debug, Parser)]
#[command(name = "durable-bench", version)]
pub struct Options {
    /// What to measure, separated by commas
    #[arg(long = "part", value_name = "PARTS", value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    pub parts: Vec<Part>,

    /// Numbers of connections for durable writes and pipelines, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 8, 50, 200], value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub connections: Vec<u16>,

    /// How long each contender is measured in each round
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,

    /// How many turns each contender has
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub rounds: u16,

    /// Threads that generate the load; one is best for few cores
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// The primary's io-threads, for durable writes, pipelines and writes that are safe to send
    /// again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub io_threads: u16,

    /// How many replicas the primaries of durable writes have
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub replicas: u16,

    /// Write everything measured as JSON to this file; - for standard output, instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draw the durable writes to this SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Durable writes one by one: DURABLE.SET against SET with WAIT, and against the least possible
    /// module
    Durable,
    /// Sixteen plain writes and one wait: DURABLE.WAIT against WAIT
    Pipeline,
    /// Writes that are safe to send again: DURABLE.ONCE against DURABLE.CALL
    Once,
    /// What the loaded module costs clients that do not use it
    Bystanders,
    /// A thousand keys: SLOTHINT against CLUSTER KEYSLOT
    Hints,
    /// A hundred keys in a cluster of a thousand shards: SLOTHINT against CLUSTER SLOTS
    Shards,
    /// Thousands of waits that expire together: DURABLE.WAIT against WAIT
    Expiry,
    /// Durable writes beside ten thousand clients that wait for a frozen replica
    Waiters,
}

impl Part {
    const ALL: [Part; 8] = [
        Part::Durable,
        Part::Pipeline,
        Part::Once,
        Part::Bystanders,
        Part::Hints,
        Part::Shards,
        Part::Expiry,
        Part::Waiters,
    ];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Options {
    /// Checks what clap cannot see in a single option, before minutes are spent on measuring.
    pub fn check(&self) -> Result<()> {
        if let Some(plot) = &self.plot {
            ensure!(
                plot.extension().is_some_and(|extension| extension == "svg"),
                "--plot draws SVG: give it a file name that ends in .svg"
            );
            ensure!(
                self.parts.contains(&Part::Durable),
                "--plot draws the durable writes: --part must name durable"
            );
            ensure!(
                self.replicas == 2,
                "--plot draws writes with two replicas: leave --replicas out"
            );
        }
        Ok(())
    }

    /// How long one turn of one contender is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long each turn runs before it is measured, to warm up caches and sockets.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64((self.seconds / 10.0).clamp(0.05, 0.5))
    }

    /// A command line that repeats this run. It spells out the defaults, because they may change.
    pub fn to_repeat(&self) -> String {
        format!(
            "cargo run --release --package durable-bench -- --part {} --connections {} --seconds {} --rounds {} --threads {} --io-threads {} --replicas {}",
            joined(&self.parts),
            joined(&self.connections),
            self.seconds,
            self.rounds,
            self.threads,
            self.io_threads,
            self.replicas
        )
    }
}

fn joined<T: ToString>(values: &[T]) -> String {
    let words: Vec<String> = values.iter().map(T::to_string).collect();
    words.join(",")
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds between 0.1 and 60".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["durable-bench"], arguments].concat())
    }

    #[test]
    fn the_command_line_to_repeat_gives_the_same_options() -> Result<()> {
        let options = parse(&["--part", "hints,durable", "--io-threads", "4"])?;
        let repeated = options.to_repeat();
        let (_, arguments) = repeated.split_once(" -- ").unwrap_or_default();
        let again = parse(&arguments.split(' ').collect::<Vec<_>>())?;
        assert_eq!(format!("{options:?}"), format!("{again:?}"));
        Ok(())
    }

    #[test]
    fn a_run_is_bounded() {
        assert!(parse(&["--seconds", "61"]).is_err());
        assert!(parse(&["--seconds", "nan"]).is_err());
        assert!(parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--connections", "0"]).is_err());
        assert!(parse(&["--io-threads", "0"]).is_err());
    }

    #[test]
    fn a_plot_needs_something_to_draw() -> Result<()> {
        assert!(parse(&["--plot", "a.png"])?.check().is_err());
        assert!(parse(&["--plot", "a.svg", "--part", "hints"])?
            .check()
            .is_err());
        assert!(parse(&["--plot", "a.svg"])?.check().is_ok());
        Ok(())
    }
}
