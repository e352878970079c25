//! The counter test: clients increment a counter on the user's own servers, while the user kills
//! and restarts them. At the end the counter must be the number of acknowledged increments.
//!
//! | file | subject |
//! |---|---|
//! | `options`, `address` | the command line |
//! | `door`, `system`, `caller` | connections, which server is the primary, one command to it |
//! | `failure` | whether a failed command may have been executed |
//! | `increments` | the commands |
//! | `begin`, `client`, `finish` | the first write, the clients, the last read |
//! | `answers`, `tally`, `verdict` | what was seen, and what it means: no I/O and no clock |
//! | `screen` | the progress bar |

#![forbid(unsafe_code)]

mod address;
mod answers;
mod begin;
mod caller;
mod client;
mod door;
mod failure;
mod finish;
mod increments;
mod options;
mod screen;
mod system;
mod tally;
mod verdict;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::client::Test;
use crate::door::Door;
use crate::increments::Increments;
use crate::options::Options;
use crate::screen::Screen;
use crate::system::{Kind, System};
use crate::tally::Tally;
use crate::verdict::Verdict;

const NO_VERDICT: u8 = 2;
const INTERRUPTED: i32 = 130;
const TICK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(verdict) => {
            println!("{verdict}");
            ExitCode::from(u8::from(!verdict.passed()))
        }
        Err(error) => {
            eprintln!("durable-counter-test: {error:#}");
            ExitCode::from(NO_VERDICT)
        }
    }
}

fn run(options: &Options) -> Result<Verdict> {
    let interrupted = watch_for_interrupts()?;
    let (door, sentinels) = Door::both(options)?;
    let system = System::new(options, door, sentinels);
    let increments = Increments::new(options);
    let begun = begin::begin(&system, &increments).map_err(|error| anyhow!(error))?;
    announce(options, &system, &increments, &begun.primary.to_string());

    let settle = Duration::from_secs(options.settle.into());
    let now = Instant::now();
    let test = Test {
        system: &system,
        increments: &increments,
        pause: Duration::from_secs_f64(f64::from(options.clients) / f64::from(options.rate)),
        window: begun.window,
        settle,
        tally: Mutex::new(Tally::new(increments.keys().len(), now)),
        ended: OnceLock::new(),
    };
    count(options, &test, &interrupted, now)?;

    let values = finish::read(&system, &increments, settle);
    let values = values.map_err(|error| {
        let keys = keys_in_words(&increments);
        let acknowledged = test.tally().acknowledged();
        anyhow!(
            "no verdict, because the counter cannot be read: {error}\n\
             when the servers are back, compare {keys} with {acknowledged} acknowledged increments"
        )
    })?;
    let ended = test.ended.get().copied().unwrap_or_else(Instant::now);
    let verdict = {
        let tally = test.tally();
        Verdict::of(&tally, &values, tally.longest_interruption(ended))
    };
    finish::clear(&system, &increments, !verdict.passed());
    match verdict.passed() {
        true => println!("{}: deleted", keys_in_words(&increments)),
        false => println!("{}: kept for a day", keys_in_words(&increments)),
    }
    Ok(verdict)
}

/// The first Ctrl-C ends the counting, with a verdict. The second ends the program.
fn watch_for_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order. Otherwise the first signal would set the flag and then find it set.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)))
            .context("preparing for an interruption")?;
    }
    Ok(interrupted)
}

fn announce(options: &Options, system: &System, increments: &Increments, primary: &str) {
    let servers = match system.kind() {
        Kind::Plain => primary.to_string(),
        Kind::Sentinel(name) => format!("{name}, now at {primary}"),
        Kind::Cluster => "the cluster".into(),
    };
    println!(
        "counting on {servers}: {} by {} clients for {} s",
        options.command.shown(),
        options.clients,
        options.seconds
    );
    println!("{}", keys_in_words(increments));
    println!("kill and restart servers now, as you like; Ctrl-C ends the test early");
}

fn keys_in_words(increments: &Increments) -> String {
    match increments.keys() {
        [first, .., last] => format!("keys {first} to {last}"),
        [only] => format!("key {only}"),
        [] => "no key".into(),
    }
}

/// Runs the clients until the time is over or the user ends it.
fn count(options: &Options, test: &Test, interrupted: &AtomicBool, begun: Instant) -> Result<()> {
    let duration = Duration::from_secs(options.seconds.into());
    let mut screen = Screen::start(options.seconds, begun);
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for number in 0..usize::from(options.clients) {
            let client =
                thread::Builder::new().spawn_scoped(scope, move || test.run_client(number));
            match client {
                Ok(client) => clients.push(client),
                Err(error) => {
                    // The clients that run already would go on for ever.
                    test.ended.get_or_init(Instant::now);
                    return Err(error).context("cannot start all clients: use fewer (--clients)");
                }
            }
        }
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            if begun.elapsed() >= duration || interrupted.load(Ordering::Relaxed) {
                test.ended.get_or_init(Instant::now);
            }
            screen.show(&test.tally(), test.ended.get().is_some(), Instant::now());
            thread::sleep(TICK);
        }
        Ok(())
    })
}
