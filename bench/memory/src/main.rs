//! Measures memory on real servers: what a waiting client costs, and what ended waits leave behind.
//!
//! All servers run on loopback. This program starts and ends them.

#![forbid(unsafe_code)]

mod crowd;
mod ended;
mod observer;
mod waiting;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// Measures what a waiting client costs, and what ended waits leave behind.
///
/// Each client needs a file descriptor here and one in the server: see `ulimit -n`.
/// DURABLE_TEST_SERVER names another server binary, DURABLE_TEST_MODULE another build of the
/// module.
#[derive(Parser)]
#[command(name = "durable-memory", version)]
struct Options {
    /// What to measure, separated by commas
    #[arg(long = "part", value_name = "PARTS", value_enum, value_delimiter = ',', default_values_t = [Part::Waiting, Part::Ended])]
    parts: Vec<Part>,

    /// How many clients wait at once, for the part waiting
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    clients: u32,

    /// How many waits begin and end, for the part ended
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(4000..))]
    waits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The memory of each waiting client, against idle clients and those of BLPOP and WAIT
    Waiting,
    /// The memory that is left after waits have ended, in each way in which they can end
    Ended,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut nothing_is_left = true;
    for part in options.parts {
        match part {
            Part::Waiting => waiting::measure(options.clients as usize)?,
            Part::Ended => nothing_is_left &= ended::measure(options.waits as usize)?,
        }
    }
    Ok(if nothing_is_left {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
