//! Nothing is left behind, whatever happens: no process and no file.
//!
//! The servers end with their handles, and the kernel kills them when this process ends in any other
//! way. Their directories are all made within one of ours, which is removed at the end, after an
//! error, and when the run is interrupted.

use std::any::Any;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use anyhow::{anyhow, Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// Ctrl-C, `kill`, and a closed terminal.
const INTERRUPTIONS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// What a shell reports for a program that a signal has ended, less the signal's number.
const SIGNAL_EXIT_CODE: i32 = 128;

/// The directory that everything on disk is in. Removed when dropped.
pub struct Premises {
    _directory: TempDir,
    /// Set by the signal's handler itself: the signal also disturbs whatever the work is waiting
    /// for, which may fail before any other thread has run.
    interrupted: Arc<AtomicBool>,
}

impl Premises {
    pub fn open() -> Result<Premises> {
        let directory = tempfile::Builder::new()
            .prefix("durable-demo-")
            .tempdir()
            .context("making a temporary directory")?;
        // The servers' own directories are temporary ones, too: this puts them inside.
        tempfile::env::override_temp_dir(directory.path())
            .map_err(|other| anyhow!("temporary files already go to {}", other.display()))?;
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in INTERRUPTIONS {
            flag::register(signal, Arc::clone(&interrupted))
                .context("preparing for an interruption")?;
        }
        let mut signals = Signals::new(INTERRUPTIONS).context("preparing for an interruption")?;
        let path = directory.path().to_owned();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                end_at_once(&path, signal);
            }
        });
        Ok(Premises {
            _directory: directory,
            interrupted,
        })
    }

    /// Does the work. The test kit panics where something that it waits for does not come: that
    /// becomes an error like any other.
    pub fn run(self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let interrupted = Arc::clone(&self.interrupted);
        panic::set_hook(Box::new(move |_| stand_still_if(&interrupted)));
        let outcome = panic::catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|payload| Err(anyhow!(message_of(&*payload))));
        if outcome.is_err() {
            stand_still_if(&self.interrupted);
        }
        outcome
    }
}

/// Runs on a thread of its own, while the work may be anywhere. The servers are killed by the kernel
/// with the end of this process, a stopped one as well.
fn end_at_once(directory: &Path, signal: i32) {
    // A server that still runs may add a file between the looking and the removing. Once its
    // directory is gone it cannot, and a server just being started finds no configuration.
    for _ in 0..100 {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => thread::yield_now(),
            _ => break,
        }
    }
    // A closed terminal takes no more text, and that must not keep the process from ending.
    let _ = writeln!(
        io::stderr(),
        "\nInterrupted: no server and no file is left."
    );
    process::exit(SIGNAL_EXIT_CODE + signal);
}

/// Ctrl-C at a terminal reaches the servers as well, so the work is bound to fail in the moments
/// until the process ends. That is no news for anyone.
fn stand_still_if(interrupted: &AtomicBool) {
    while interrupted.load(Ordering::SeqCst) {
        thread::park();
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
