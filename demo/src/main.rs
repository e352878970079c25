//! Shows what the module does, on real servers that live no longer than the show.
//!
//! Every command is really sent, and what stands beneath it is the server's own reply, as redis-cli
//! would print it. Each reply is compared with what this page promises: the first one that differs
//! ends the run with a message and exit code 1.

mod hints;
mod loss;
mod premises;
mod reply;
mod screen;
mod session;
mod writes;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use testkit::{module_path, server_binary};

use premises::Premises;
use screen::Screen;

fn main() -> ExitCode {
    let outcome = Premises::open().and_then(|premises| premises.run(show));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads along has seen enough, as with `| head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let label = console::style("The demo failed:").for_stderr().red().bold();
            eprintln!("\n{label} {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<()> {
    let begun = Instant::now();
    let screen = Screen;
    // Both are looked for first, so that a missing one is told before anything is begun.
    server_binary();
    module_path();
    writes::show(&screen)?;
    loss::show(&screen)?;
    hints::show(&screen)?;
    screen.close(&format!(
        "Every reply above came from a real server just now, and was as it should be ({:.1} s).",
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
