//! Ctrl-C and the time limit end the lab in order: the report of what was done is still written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static DEADLINE: OnceLock<Instant> = OnceLock::new();

fn requested() -> &'static Arc<AtomicBool> {
    static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    REQUESTED.get_or_init(Arc::default)
}

/// The first signal requests an orderly end, the second ends the program at once. After `limit` the
/// lab ends by itself.
pub fn prepare(limit: Duration) -> Result<()> {
    let _ = DEADLINE.set(Instant::now() + limit);
    for signal in [SIGINT, SIGTERM] {
        // In this order. Otherwise the first signal would set the flag and then find it set.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(requested()))
            .and_then(|_| flag::register(signal, Arc::clone(requested())))
            .context("preparing for an interruption")?;
    }
    Ok(())
}

/// Somebody has requested an orderly end.
pub fn is_requested() -> bool {
    requested().load(Ordering::Relaxed)
}

/// The time limit is reached.
pub fn is_late() -> bool {
    DEADLINE
        .get()
        .is_some_and(|&deadline| Instant::now() >= deadline)
}

/// Fails once the lab has to end. Everything that waits calls it.
pub fn check() -> Result<()> {
    if is_requested() {
        bail!("interrupted");
    }
    if is_late() {
        bail!("the time limit is reached");
    }
    Ok(())
}
