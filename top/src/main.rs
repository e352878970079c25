//! `durable-top`: shows the durable writes of one server, on the screen, as text, JSON or metrics.
//!
//! | file | subject |
//! |---|---|
//! | `options` | the command line |
//! | `connect`, `watch` | the connection, and what is asked through it |
//! | `reply`, `sample`, `rates` | what the replies say: no I/O and no clock |
//! | `units`, `facts`, `group` | the same in words |
//! | `text`, `json`, `prometheus` | what is printed |
//! | `shown`, `screen`, `terminal` | the screen: its state, its drawing, its keys |
//!
//! It uses the redis crate and not the client in `client/`. That client finds the right node of a
//! cluster for each key. This program looks at one server that the user names, and sends no keys.

#![forbid(unsafe_code)]

mod connect;
mod facts;
mod group;
mod json;
mod options;
mod prometheus;
mod rates;
mod reply;
mod sample;
mod screen;
mod shown;
mod terminal;
mod text;
mod units;
mod watch;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{bail, Result};
use clap::Parser;

use crate::connect::Door;
use crate::options::Options;
use crate::watch::{Look, Watch};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        // Whoever read the output has seen enough: `durable-top --json | head -1`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable-top: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let interactive = !(options.once || options.json || options.prometheus);
    if interactive && !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        bail!("the screen needs a terminal; use --once, --json or --prometheus without one");
    }
    let mut watch = Watch::new(Door::new(options)?);
    if options.prometheus {
        let look = watch.look();
        let sample = look
            .as_ref()
            .map(|(sample, _)| sample)
            .map_err(String::as_str);
        print(&prometheus::render(watch.address(), sample))?;
        return code(&watch, &look);
    }
    if options.once {
        let look = watch.look();
        if options.json {
            print(&json_line(&watch, &look))?;
        } else if let Ok((sample, _)) = &look {
            print(&text::render(watch.address(), sample))?;
        }
        return code(&watch, &look);
    }
    if options.json {
        loop {
            let look = watch.look();
            print(&json_line(&watch, &look))?;
            thread::sleep(options.interval);
        }
    }
    terminal::run(watch, options.interval)?;
    Ok(ExitCode::SUCCESS)
}

fn code(watch: &Watch, look: &Result<Look, String>) -> Result<ExitCode> {
    match look {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => bail!("{}: {error}", watch.address()),
    }
}

fn json_line(watch: &Watch, look: &Result<Look, String>) -> String {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let time_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    let look = match look {
        Ok((sample, rates)) => Ok((sample, *rates)),
        Err(error) => Err(error.as_str()),
    };
    json::render(watch.address(), time_ms, look) + "\n"
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
