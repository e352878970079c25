//! The fault lab: does every promise of an acknowledged write hold?
//!
//! | file | purpose |
//! |---|---|
//! | `sandbox.rs` | namespaces of this run: nothing is left behind |
//! | `host.rs`, `network.rs` | machines with an address each, and the links between them |
//! | `node.rs`, `system.rs` | servers, and systems of them: cluster, Sentinel, plain |
//! | `lab.rs`, `scenario.rs` | faults, and which of them happen when |
//! | `member.rs`, `terms.rs`, `group.rs` | failover groups: what they say, and the lab as operator |
//! | `contender.rs`, `client.rs`, `workload.rs` | who writes, and how |
//! | `history.rs`, `check/` | what clients were told, compared with the end |
//! | `round.rs`, `run.rs`, `record.rs`, `report/` | rounds, and what they found |

#![forbid(unsafe_code)]

mod check;
mod client;
mod contender;
mod group;
mod history;
mod host;
mod interrupt;
mod lab;
mod member;
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
mod terms;
mod workload;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail, Context, Result};
use clap::Parser;
use nix::fcntl::{Flock, FlockArg};

use host::Host;
use node::Programs;
use options::Options;
use record::Run;
use run::Outcome;
use sandbox::TROUBLE;

fn main() -> ExitCode {
    attempt().unwrap_or_else(|error| {
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
        if options.probe {
            return Ok(possible());
        }
        // Mistakes are told before anything begins.
        programs(&options)?;
        run::plan(&options, 0)?;
        if let Some(obstacle) = sandbox::obstacle() {
            bail!("{obstacle}; nothing was run");
        }
        return sandbox::enter();
    }
    sandbox::prepare()?;
    if options.probe {
        Host::own(Ipv4Addr::new(10, 77, 0, 1))?;
        Host::new(Ipv4Addr::new(10, 77, 0, 2))?;
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = report_folder(&options.report)?;
    interrupt::prepare(Duration::from_secs(options.limit.saturating_mul(60)))?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let Outcome { run, trouble } = run::run(&options, &programs(&options)?, seed)?;
    if !run.rounds.is_empty() {
        let json = serde_json::to_vec_pretty(&run).context("writing run.json")?;
        fs::write(options.report.join("run.json"), json).context("writing run.json")?;
        let page = report::write(&run, &options.report)?;
        println!("report: {}", page.display());
    }
    if let Some(trouble) = &trouble {
        eprintln!("durable-chaos: {trouble:#}");
    }
    Ok(verdict(&run, trouble.is_some(), &options))
}

fn possible() -> ExitCode {
    match sandbox::obstacle() {
        None => ExitCode::SUCCESS,
        Some(obstacle) => {
            println!("{obstacle}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// For each server.
fn programs(options: &Options) -> Result<Vec<Programs>> {
    let built = "build it with make build, or name it with --module";
    let programs = |server: &PathBuf| {
        Ok(Programs {
            server: found(server).context("the server (--server)")?,
            module: found(&options.module).context(built)?,
            mistake: options.mistake.clone(),
            group: options.group(),
        })
    };
    options.server.iter().map(programs).collect()
}

/// Removes what an earlier run has left in the folder, and locks it against other labs.
fn report_folder(folder: &Path) -> Result<Flock<File>> {
    fs::create_dir_all(folder).context("making the report's folder")?;
    let lock = File::create(folder.join("lock")).context("writing into the report's folder")?;
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock);
    let lock = lock.map_err(|_| anyhow!("another lab writes into {}", folder.display()))?;
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("round-") || name == "run.json" || name == "index.html" {
            fs::remove_file(entry.path()).context("removing an earlier report")?;
        }
    }
    Ok(lock)
}

fn verdict(run: &Run, is_incomplete: bool, options: &Options) -> ExitCode {
    let broken = run
        .rounds
        .iter()
        .filter(|round| round.breaks_a_promise())
        .count();
    let crashed = run
        .rounds
        .iter()
        .filter(|round| !round.crashed.is_empty())
        .count();
    let stuck = run
        .rounds
        .iter()
        .filter(|round| round.stuck.is_some())
        .count();
    let silent = run
        .rounds
        .iter()
        .filter(|round| round.inconclusive.is_some())
        .count();
    let failovers: usize = run.rounds.iter().map(|round| round.failovers).sum();
    if options.failover {
        summary(run);
    }
    println!(
        "{}: {} rounds, {failovers} failovers, seed {}: {broken} rounds broke a promise, in {crashed} a server crashed, {stuck} got stuck, {silent} say nothing",
        run.server,
        run.rounds.len(),
        run.seed
    );
    if broken + crashed + stuck > 0 {
        ExitCode::FAILURE
    } else if is_incomplete || silent > options.may_say_nothing {
        ExitCode::from(TROUBLE)
    } else {
        ExitCode::SUCCESS
    }
}

/// What the report says of failover groups, in short.
fn summary(run: &Run) {
    for line in report::groups::lines(run) {
        let counts = &line.promised.counts;
        println!(
            "{:<24} {:>4} rounds {:>5} failovers {:>9} acknowledged {:>3} lost {:>3} contradicted {:>3} by an operator",
            line.server.unwrap_or("together"),
            line.rounds,
            line.failovers,
            counts.acked,
            counts.lost,
            counts.histories_illegal,
            line.operator
        );
    }
    println!("without an acknowledged write, in seconds:     times failovers median longest");
    for fault in report::groups::faults(run) {
        let (median, longest) = fault.without_ms();
        println!(
            "{:<48} {:>4} {:>9} {:>6.1} {:>7.1}",
            fault.name,
            fault.turns.len(),
            fault.failovers(),
            median as f64 / 1000.0,
            longest as f64 / 1000.0
        );
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
