//! Ctrl-C ends the run in order: servers are ended and their directories removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{ensure, Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell reports for a program that was interrupted.
const EXIT_CODE: i32 = 130;

fn requested() -> &'static Arc<AtomicBool> {
    static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    REQUESTED.get_or_init(Arc::default)
}

/// The first signal requests an orderly end. The second ends the program at once, and the kernel
/// then ends the servers.
pub fn prepare() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order. Otherwise the first signal would set the flag and then find it set.
        flag::register_conditional_shutdown(signal, EXIT_CODE, Arc::clone(requested()))
            .and_then(|_| flag::register(signal, Arc::clone(requested())))
            .context("preparing for an interruption")?;
    }
    Ok(())
}

/// Fails once an orderly end was requested.
pub fn check() -> Result<()> {
    ensure!(!requested().load(Ordering::Relaxed), "interrupted");
    Ok(())
}
