//! Shows what the module does, on real servers that it starts and ends.
//!
//! Every command is sent to a server. The text below a command is the server's reply, as redis-cli
//! prints it. Each reply is compared with the expected one. The first difference ends the run with
//! a message and exit code 1.

#![forbid(unsafe_code)]

mod hints;
mod loss;
mod reply;
mod screen;
mod session;
mod writes;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use testkit::{module_path, server_binary, Workspace};

use screen::Screen;

fn main() -> ExitCode {
    let outcome = Workspace::open("durable-demo-").and_then(|workspace| workspace.run(show));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it, as `| head` does.
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
    // Both panic if the file is missing. Called first, so that the demo fails before it starts.
    server_binary();
    module_path();
    writes::show(&screen)?;
    loss::show(&screen)?;
    hints::show(&screen)?;
    screen.close(&format!(
        "Every reply above came from a real server just now, and was as expected ({:.1} s).",
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
