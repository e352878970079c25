//! The fault lab: does every promise of an acknowledged write hold?
//!
//! | file | purpose |
//! |---|---|
//! | `sandbox.rs` | namespaces of this run: nothing is left behind |
//! | `host.rs`, `network.rs` | machines with an address each, and the links between them |
//! | `node.rs`, `system.rs` | servers, and systems of them: cluster, Sentinel, plain |
//! | `lab.rs`, `scenario.rs` | faults, and which of them happen when |
//! | `contender.rs`, `client.rs`, `workload.rs` | who writes, and how |
//! | `history.rs`, `check/` | what clients were told, compared with the end |
//! | `round.rs`, `run.rs`, `record.rs`, `report/` | rounds, and what they found |

#![forbid(unsafe_code)]

mod check;
mod client;
mod contender;
mod history;
mod host;
mod interrupt;
mod lab;
mod monitor;
mod network;
mod node;
mod options;
mod record;
mod report;
mod round;
mod run;
mod sandbox;
mod scenario;
mod system;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Parser;

use node::Programs;
use options::Options;
use record::Run;

/// The lab could not run, or a round said nothing.
const TROUBLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = attempt();
    outcome.unwrap_or_else(|error| {
        eprintln!("durable-chaos: {error:#}");
        ExitCode::from(TROUBLE)
    })
}

fn attempt() -> Result<ExitCode> {
    let options = Options::parse();
    if options.scenario == ["list"] {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    if !sandbox::is_inside() {
        if let Some(obstacle) = sandbox::obstacle() {
            bail!("{obstacle}; nothing was run");
        }
        if options.probe {
            return Ok(ExitCode::SUCCESS);
        }
        return sandbox::enter();
    }
    let programs = Programs {
        server: found(&options.server)?,
        module: found(&options.module)?,
        mistake: options.mistake.clone(),
    };
    sandbox::prepare()?;
    interrupt::prepare()?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let run = run::run(&options, &programs, seed)?;
    let json = serde_json::to_vec_pretty(&run).context("writing run.json")?;
    fs::write(options.report.join("run.json"), json).context("writing run.json")?;
    let page = report::write(&run, &options.report)?;
    println!("report: {}", page.display());
    Ok(verdict(&run))
}

fn verdict(run: &Run) -> ExitCode {
    let broken = run
        .rounds
        .iter()
        .filter(|round| {
            round
                .contenders
                .iter()
                .any(|one| one.promised && one.is_violated())
        })
        .count();
    let silent = run
        .rounds
        .iter()
        .filter(|round| round.inconclusive.is_some())
        .count();
    let failovers: usize = run.rounds.iter().map(|round| round.failovers).sum();
    println!(
        "{}: {} rounds, {failovers} failovers, seed {}: {broken} rounds broke a promise, {silent} say nothing",
        run.server,
        run.rounds.len(),
        run.seed
    );
    match (broken, silent) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(TROUBLE),
        _ => ExitCode::FAILURE,
    }
}

fn list() {
    for scenario in scenario::every() {
        println!(
            "{:<24} {:<9} {}",
            scenario.name,
            scenario.kind.name(),
            scenario.about
        );
    }
}

/// The full path of a file, or of a program on PATH.
fn found(file: &Path) -> Result<PathBuf> {
    let candidates = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&candidates).map(|folder| folder.join(file));
    let is_name = file.components().count() == 1;
    let path = if file.is_file() || !is_name {
        Some(file.to_owned())
    } else {
        on_path().find(|path| path.is_file())
    };
    // Not through links: Debian's redis-server is a link to a program that looks at its own name.
    path.and_then(|path| std::path::absolute(path).ok())
        .filter(|path| path.is_file())
        .with_context(|| format!("there is no {}", file.display()))
}
