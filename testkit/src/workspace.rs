//! Cleans up after a program that starts servers: no process and no file is left.
//!
//! A server ends when its handle is dropped. If this process ends in another way, the kernel kills
//! the servers. The servers' directories are all inside one temporary directory. It is removed at
//! the end, after an error, and on an interruption.

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
/// A shell reports this number plus the signal's number for a program that a signal ended.
const SIGNAL_EXIT_CODE: i32 = 128;

/// The directory that holds everything on disk. Removed when dropped.
pub struct Workspace {
    _directory: TempDir,
    /// Set in the signal handler itself. A thread that waits for the signal could be too late: the
    /// signal may make the work fail before that thread has run.
    interrupted: Arc<AtomicBool>,
}

impl Workspace {
    /// `prefix` begins the name of the temporary directory.
    ///
    /// # Errors
    /// The directory cannot be made, or this process has a workspace already.
    pub fn open(prefix: &str) -> Result<Workspace> {
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .context("making a temporary directory")?;
        // Servers use temporary directories of their own. This puts them inside this one.
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
                clean_up_and_exit(&path, signal);
            }
        });
        Ok(Workspace {
            _directory: directory,
            interrupted,
        })
    }

    /// Does the work. The test kit panics when it waits for something in vain. Such a panic becomes
    /// an error.
    pub fn run(self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let interrupted = Arc::clone(&self.interrupted);
        panic::set_hook(Box::new(move |_| park_if(&interrupted)));
        let outcome = panic::catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|payload| Err(anyhow!(message_of(&*payload))));
        if outcome.is_err() {
            park_if(&self.interrupted);
        }
        outcome
    }
}

/// Runs on its own thread while the work goes on. The kernel kills the servers when this process
/// ends, also a server that is stopped (SIGSTOP).
fn clean_up_and_exit(directory: &Path, signal: i32) {
    // A running server may add a file while the directory is being removed, so this is repeated.
    // Once its directory is gone, a server cannot add files, and a new server finds no
    // configuration.
    for _ in 0..100 {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => thread::yield_now(),
            _ => break,
        }
    }
    // Writing fails on a closed terminal. The process must still end.
    let _ = writeln!(
        io::stderr(),
        "\nInterrupted: no server and no file is left."
    );
    process::exit(SIGNAL_EXIT_CODE + signal);
}

/// Hides the errors of an interrupted run. Ctrl-C at a terminal reaches the servers as well, so the
/// work fails before the process ends.
fn park_if(interrupted: &AtomicBool) {
    while interrupted.load(Ordering::SeqCst) {
        thread::park();
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
