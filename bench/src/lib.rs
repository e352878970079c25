//! Measures the module's commands against their alternatives without the module, and prints the
//! figures. It is a library, so that `bench/scaling/` can use its load generator.
//!
//! Everything runs on servers that this program starts on loopback and ends. The contenders of a
//! comparison take turns in the same run. On one machine, figures from different hours differ more
//! than the contenders do.

#![forbid(unsafe_code)]

mod expiry;
mod hints;
pub mod interrupt;
pub mod large_cluster;
pub mod load;
pub mod machine;
mod options;
mod plot;
mod report;
mod results;
pub mod rounds;
mod stats;
mod table;
mod waiters;
pub mod workload;
mod writes;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{anyhow, Context, Result};
use clap::Parser;
use testkit::{least_module_path, module_path};

use machine::Machine;
use options::{Options, Part};
use report::Report;
use rounds::Rounds;

/// The program `durable-bench`.
pub fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it, as `| head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    options.check()?;
    interrupt::prepare()?;
    // All files of the servers are in this directory, and are removed with it.
    let directory = tempfile::Builder::new()
        .prefix("durable-bench-")
        .tempdir()
        .context("making a temporary directory")?;
    tempfile::env::override_temp_dir(directory.path())
        .map_err(|other| anyhow!("temporary files already go to {}", other.display()))?;
    // Both panic if the library is missing. Called first, so that the run fails before it starts.
    module_path();
    if options.parts.contains(&Part::Durable) {
        least_module_path();
    }
    let mut report = Report::new(Machine::inspect()?, options);
    if cfg!(debug_assertions) {
        eprintln!("durable-bench: built without optimisation; for figures, use --release");
    }
    // If a part fails, the results of the parts before it are still published.
    let measured = measure(options, &mut report);
    if report.groups.is_empty() {
        return measured;
    }
    publish(options, &report)?;
    measured
}

fn publish(options: &Options, report: &Report) -> Result<()> {
    let to_stdout = Some(Path::new("-"));
    if options.json.as_deref() == to_stdout {
        writeln!(io::stdout(), "{}", report.json()?)?;
    } else {
        write!(io::stdout(), "{}", table::text(report))?;
        if let Some(path) = &options.json {
            report::write(path, &report.json()?)?;
        }
    }
    match &options.plot {
        Some(path) => plot::draw(report, path),
        None => Ok(()),
    }
}

fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let rounds = Rounds::new(options)?;
    for part in &options.parts {
        interrupt::check()?;
        let groups = match part {
            Part::Durable => writes::durable(options, &rounds),
            Part::Pipeline => writes::pipelines(options, &rounds),
            Part::Once => writes::once(options, &rounds),
            Part::Bystanders => writes::bystanders(&rounds),
            Part::Hints => hints::keys(&rounds),
            Part::Shards => hints::shards(&rounds),
            Part::Expiry => expiry::expiry(options, &rounds),
            Part::Waiters => waiters::waiters(&rounds),
        };
        report.groups.extend(groups?);
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
