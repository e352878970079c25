//! Ctrl-C ends the run in order: the servers go, and so do their directories.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{ensure, Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell reports for a program that was interrupted.
const EXIT_CODE: i32 = 130;

fn asked() -> &'static Arc<AtomicBool> {
    static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    ASKED.get_or_init(Arc::default)
}

/// The first signal asks for an orderly end. The second ends the program at once; the kernel then
/// ends the servers.
pub fn prepare() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order, since the first one would otherwise find the flag that it is about to set.
        flag::register_conditional_shutdown(signal, EXIT_CODE, Arc::clone(asked()))
            .and_then(|_| flag::register(signal, Arc::clone(asked())))
            .context("preparing for an interruption")?;
    }
    Ok(())
}

/// An error once the user wants to stop.
pub fn check() -> Result<()> {
    ensure!(!asked().load(Ordering::Relaxed), "interrupted");
    Ok(())
}
