//! Computes what durable writes and slot maps cost at sizes that one machine cannot show: replicas
//! 50 ms away, 10,000 clients, 1,000 shards.
//!
//! Three steps:
//!
//! 1. `measure/` measures what a single write, turn, reply or look costs real servers here.
//! 2. `simulate/` plays the protocol with these costs: a discrete-event simulation, without a
//!    clock, the same for the same seed.
//! 3. The simulation is compared with real servers where this machine can run them: on loopback,
//!    and with a replica behind a proxy that delays every byte.
//!
//! With `--inputs` the first and third step take their figures from a file, and the output is the
//! same every time. docs/scaling.md explains the results.

#![forbid(unsafe_code)]

mod costs;
mod measure;
mod options;
mod page;
mod plot;
mod simulate;
mod tables;

use std::fs;
use std::process::ExitCode;

use anyhow::{anyhow, Context, Result};
use clap::Parser;
use durable_bench::interrupt;

use costs::Costs;
use options::Options;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable-scaling: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let costs = match &options.inputs {
        Some(path) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?
        }
        None => measured()?,
    };
    if let Some(path) = &options.save {
        let text = serde_json::to_string_pretty(&costs).context("writing the costs as JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    let points = simulate::sweep(&costs.writes, options)?;
    let tables = [
        ("machine", tables::machine(&costs)),
        ("costs", tables::costs(&costs)),
        ("comparison", tables::comparison(&costs, options.seed)?),
        ("writes", tables::writes(&points)),
        ("map", tables::map(&costs.map, options.seed)),
    ];
    match &options.page {
        Some(path) => {
            let reading = || format!("reading {}", path.display());
            let text = fs::read_to_string(path).with_context(reading)?;
            let text = page::filled(&text, &tables)?;
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        None => tables.iter().for_each(|(_, table)| println!("{table}")),
    }
    match &options.plot {
        Some(path) => plot::draw(&points, path),
        None => Ok(()),
    }
}

/// Measures on servers that this program starts and ends. All of their files are in one directory,
/// which is removed with it.
fn measured() -> Result<Costs> {
    interrupt::prepare()?;
    let directory = tempfile::Builder::new()
        .prefix("durable-scaling-")
        .tempdir()
        .context("making a temporary directory")?;
    tempfile::env::override_temp_dir(directory.path())
        .map_err(|other| anyhow!("temporary files already go to {}", other.display()))?;
    // Panics if the library is missing. Called first, so that the run fails before it starts.
    testkit::module_path();
    if cfg!(debug_assertions) {
        eprintln!("durable-scaling: built without optimisation; for figures, use --release");
    }
    measure::all()
}
