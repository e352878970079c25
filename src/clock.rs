//! The module's monotonic clock. The server's timers follow the wall clock, which can be set back.

use std::time::Instant;

use durable_core::units::Micros;
use lazy_static::lazy_static;

lazy_static! {
    static ref START: Instant = Instant::now();
}

/// The time since the clock was first read.
pub fn now() -> Micros {
    Micros::new(u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX))
}
