//! `LATENCY LATEST` and its kin: waits that took as long as `latency-monitor-threshold` or longer.
//!
//! Redis records whatever a module tells, also when the threshold is 0 and the operator wants nothing
//! recorded, so the threshold is looked up here: once, and again after each CONFIG SET.

use crate::ffi::Ctx;
use crate::state;

/// The name of the event.
const EVENT: &std::ffi::CStr = c"durable-wait";

/// Records a wait of so many microseconds, if the operator wants to know of it.
pub fn record(ctx: &Ctx, usec: u64) {
    let ms = usec / 1000;
    if ms == 0 {
        return;
    }
    let threshold = state::with(|state| state.latency_threshold_ms).flatten();
    let threshold = threshold.unwrap_or_else(|| look_up(ctx));
    if threshold != 0 && ms >= threshold {
        ctx.add_latency_sample(EVENT, ms);
    }
}

/// A setting of the server changed.
pub fn forget_threshold() {
    state::with(|state| state.latency_threshold_ms = None);
}

fn look_up(ctx: &Ctx) -> u64 {
    let threshold = ctx
        .ask(c"CONFIG", &[c"GET", c"latency-monitor-threshold"])
        .and_then(|reply| u64::try_from(reply.root().get(1)?.number()?).ok())
        .unwrap_or(0);
    state::with(|state| state.latency_threshold_ms = Some(threshold));
    threshold
}
