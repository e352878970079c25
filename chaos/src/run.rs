//! A run: its rounds, one after another on each server, and the systems that they share. Several
//! servers are played at once, because rounds mostly wait.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, Context, Result};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{rngs::StdRng, RngExt, SeedableRng};

use crate::contender::Contender;
use crate::interrupt;
use crate::node::Programs;
use crate::options::{self, Options};
use crate::record::{Round, Run};
use crate::round::{self, Setting};
use crate::scenario::{self, Scenario};
use crate::system::System;

/// A round of the plan.
pub struct Planned {
    pub scenario: &'static Scenario,
    pub seed: u64,
}

/// Draws all rounds of a server from the seed. Each server plays the same.
pub fn plan(options: &Options, seed: u64) -> Result<Vec<Planned>> {
    let mut random = StdRng::seed_from_u64(seed);
    let kinds = options.system.unwrap_or(options::System::All).kinds();
    let names: Vec<&str> = match options.group() {
        Some(_) if options.scenario.is_empty() && options.system.is_none() => scenario::of_groups(),
        _ => options.scenario.iter().map(String::as_str).collect(),
    };
    let mut rounds = Vec::new();
    for index in 0..options.rounds as usize {
        let drawn = match names.get(index % names.len().max(1)) {
            Some(name) => scenario::named(name)
                .with_context(|| format!("there is no scenario {name}: see --scenario list"))?,
            None => {
                let kind = kinds.get(index % kinds.len()).context("there are kinds")?;
                scenario::draw(*kind, &mut random).context("there are scenarios")?
            }
        };
        let drawn_seed = random.random();
        rounds.push(Planned {
            scenario: drawn,
            seed: options.round_seed.unwrap_or(drawn_seed),
        });
    }
    Ok(rounds)
}

/// What a run found, and why it ended early, if it did.
pub struct Outcome {
    pub run: Run,
    pub trouble: Option<anyhow::Error>,
}

/// What the servers of a run share.
struct Shared<'a> {
    options: &'a Options,
    plan: &'a [Planned],
    bar: ProgressBar,
    run: Mutex<Run>,
    subnets: AtomicU8,
    /// A promise was broken, and the run is to end then.
    is_over: AtomicBool,
}

/// One server of a run.
struct Lane<'a> {
    programs: &'a Programs,
    version: String,
    /// The number of its first round.
    first: usize,
}

/// Plays the rounds, on several servers at once. What was found is returned also if the lab fails in
/// between.
pub fn run(options: &Options, servers: &[Programs], seed: u64) -> Result<Outcome> {
    let plan = plan(options, seed)?;
    let mut lanes = Vec::new();
    for (index, programs) in servers.iter().enumerate() {
        let version = version(&programs.server)?;
        let first = index * plan.len() + 1;
        lanes.push(Lane {
            programs,
            version,
            first,
        });
    }
    let versions: Vec<&str> = lanes.iter().map(|lane| lane.version.as_str()).collect();
    let run = Run {
        server: versions.join(", "),
        module: String::new(),
        seed,
        command: repeat(options, seed),
        started: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        rounds: Vec::new(),
    };
    let bar = progress(plan.len() * lanes.len());
    print(&bar, &format!("{}, seed {seed}", run.server));
    let shared = Shared {
        options,
        plan: &plan,
        bar,
        run: Mutex::new(run),
        subnets: AtomicU8::new(0),
        is_over: AtomicBool::new(false),
    };
    let next = Mutex::new(lanes.iter());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some(lane) = take() {
            shared.play(lane)?;
        }
        Ok(())
    };
    let at_once = options
        .at_once
        .unwrap_or(lanes.len())
        .clamp(1, lanes.len().max(1));
    let mut trouble = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|_| Err(anyhow!("a thread of the lab panicked")))
        });
        ended.collect::<Vec<_>>().into_iter().find_map(Result::err)
    });
    shared.bar.finish_and_clear();
    let mut run = shared
        .run
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    run.rounds.sort_by_key(|round| round.number);
    if trouble.is_some() && interrupt::is_late() && !interrupt::is_requested() {
        println!(
            "the time limit ended the run after {} of {} rounds",
            run.rounds.len(),
            plan.len() * lanes.len()
        );
        trouble = None;
    }
    if run.rounds.is_empty() && trouble.is_none() {
        trouble = Some(anyhow!("no round was played"));
    }
    Ok(Outcome { run, trouble })
}

impl Shared<'_> {
    /// All rounds on one server. A round that leaves the system broken is followed by a new system.
    fn play(&self, lane: &Lane) -> Result<()> {
        let options = self.options;
        let mut system: Option<System> = None;
        for (index, planned) in self.plan.iter().enumerate() {
            interrupt::check()?;
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let message = format!("{} on {}", planned.scenario.name, lane.version);
            self.bar.set_message(message);
            let kind = planned.scenario.kind;
            let current = match system.take().filter(|one| one.kind == kind) {
                Some(current) => current,
                None => {
                    let subnet = self.subnets.fetch_add(1, Ordering::Relaxed) % 250 + 1;
                    System::start(kind, subnet, lane.programs)?
                }
            };
            if self.run().module.is_empty() {
                let build = build(&current);
                self.run().module = build;
            }
            let contenders = contenders(options, planned.scenario);
            let setting = Setting {
                contenders: &contenders,
                server: &lane.version,
                turns: options.turns,
                folder: &options.report,
            };
            let number = lane.first + index;
            let round = round::play(&current, planned.scenario, &setting, number, planned.seed)?;
            // What the end of the lab has cut off says nothing, and is no trouble of the round.
            if round.contenders.is_empty() {
                interrupt::check()?;
            }
            print(&self.bar, &line(&round));
            let is_broken = round.inconclusive.is_some() || round.stuck.is_some();
            if is_broken || options.keep_logs || round.breaks_a_promise() {
                keep_logs(&current, &options.report, number)?;
            }
            // A system that is broken says nothing in the next rounds either.
            if !is_broken {
                system = Some(current);
            }
            if round.breaks_a_promise() && options.until_broken {
                self.is_over.store(true, Ordering::Relaxed);
            }
            self.run().rounds.push(round);
            self.bar.inc(1);
        }
        Ok(())
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many failovers are about what a group keeps: nothing else is compared, so more of them fit.
fn contenders(options: &Options, scenario: &Scenario) -> Vec<Contender> {
    match options.group() {
        Some(size) if scenario.has_turns() => Contender::of_group(size),
        Some(size) if size.guaranteed > 1 => {
            let without = [Contender::Plain, Contender::Wait];
            without
                .into_iter()
                .chain(Contender::of_group(size))
                .collect()
        }
        _ => Contender::EACH.to_vec(),
    }
}

/// One line about a round: what each contender lost.
fn line(round: &Round) -> String {
    let mut text = format!(
        "{:>3} {:<22} {:>5.1} s, {} failovers",
        round.number,
        round.scenario,
        Duration::from_millis(round.duration_ms).as_secs_f64(),
        round.failovers
    );
    if let Some(reason) = &round.inconclusive {
        text.push_str(&format!("  INCONCLUSIVE: {reason}"));
    }
    if let Some(what) = &round.stuck {
        text.push_str(&format!("  STUCK: {what}"));
    }
    if !round.operator.is_empty() {
        text.push_str("  by an operator");
    }
    for contender in &round.contenders {
        let mark = match (contender.is_violated(), contender.promised) {
            (true, true) => "!",
            (true, false) => "~",
            (false, _) => "",
        };
        text.push_str(&format!(
            "  {mark}{}/{}",
            contender.counts.lost, contender.counts.acked
        ));
    }
    text
}

/// Above the progress bar, which is on standard error.
fn print(bar: &ProgressBar, line: &str) {
    bar.suspend(|| println!("{line}"));
}

fn progress(rounds: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(rounds).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {elapsed}, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// The logs of the servers since they exist.
fn keep_logs(system: &System, folder: &Path, number: usize) -> Result<()> {
    for node in &system.nodes {
        let name = format!("round-{number}-{}.log", node.name);
        fs::write(folder.join(name), node.log()).context("keeping a server's log")?;
    }
    Ok(())
}

fn version(server: &Path) -> Result<String> {
    let output = Command::new(server)
        .arg("--version")
        .output()
        .with_context(|| format!("{} --version does not run", server.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    Ok(words.join(" "))
}

fn build(system: &System) -> String {
    let node = system.nodes.first();
    let info = node.and_then(|node| node.run::<String>(&["INFO", "durable"]).ok());
    let lines = info.as_deref().unwrap_or_default().lines();
    let mut builds = lines.filter_map(|line| {
        line.strip_prefix("durable_build:")
            .or(line.strip_prefix("durable_version:"))
    });
    builds.next_back().unwrap_or("unknown").trim().to_owned()
}

/// The command that repeats a run.
fn repeat(options: &Options, seed: u64) -> String {
    let mut words = format!("make chaos SEED={seed} ROUNDS={}", options.rounds);
    if !options.scenario.is_empty() {
        words.push_str(&format!(" SCENARIO={}", options.scenario.join(",")));
    }
    if let Some(name) = options.system.and_then(|system| system.to_possible_value()) {
        words.push_str(&format!(" SYSTEM={}", name.get_name()));
    }
    if let Some(seed) = options.round_seed {
        words.push_str(&format!(" ROUND_SEED={seed}"));
    }
    if options.failover {
        words.push_str(" FAILOVER=1");
    }
    let defaults = [
        ("REPLICAS", usize::from(options.replicas), 2),
        ("GUARANTEED", options.guaranteed.into(), 1),
        ("TURNS", options.turns, 20),
    ];
    for (name, value, _) in defaults.iter().filter(|(_, value, usual)| value != usual) {
        words.push_str(&format!(" {name}={value}"));
    }
    let names: Vec<String> = match options.called.as_slice() {
        [] => {
            let files = options.server.iter();
            files.map(|file| file.display().to_string()).collect()
        }
        called => called.to_vec(),
    };
    if names != ["redis-server"] {
        words.push_str(&format!(" SERVER='{}'", names.join(" ")));
    }
    words
}
