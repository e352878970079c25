//! Ctrl-C ends the lab in order: the report of what was done is still written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{ensure, Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

fn requested() -> &'static Arc<AtomicBool> {
    static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    REQUESTED.get_or_init(Arc::default)
}

/// The first signal requests an orderly end, the second ends the program at once.
pub fn prepare() -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order. Otherwise the first signal would set the flag and then find it set.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(requested()))
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
