//! Reports waits that took at least `latency-monitor-threshold` to the server's latency monitor.
//!
//! A threshold of 0 means: record nothing. Redis ignores the threshold for a module's samples, so
//! the module checks it itself. It looks the threshold up once, and again after each CONFIG SET.

use std::ffi::CStr;

use durable_core::units::Micros;

use super::state::latency_threshold_ms;
use crate::ffi::Ctx;

/// The name of the event in `LATENCY LATEST`.
const EVENT: &CStr = c"durable-wait";

/// Records the duration of a wait, if it reaches the threshold.
pub fn record(ctx: &Ctx, took: Micros) {
    let ms = took.to_millis().get();
    if ms == 0 {
        return;
    }
    let known = latency_threshold_ms(|threshold| *threshold);
    let threshold = known.unwrap_or_else(|| look_up(ctx));
    if threshold != 0 && ms >= threshold {
        ctx.add_latency_sample(EVENT, ms);
    }
}

/// A setting of the server changed, perhaps this one.
pub fn forget_threshold() {
    latency_threshold_ms(|threshold| *threshold = None);
}

fn look_up(ctx: &Ctx) -> u64 {
    let found = ctx
        .ask(c"CONFIG", &[c"GET", c"latency-monitor-threshold"])
        .and_then(|reply| u64::try_from(reply.root().get(1)?.number()?).ok())
        .unwrap_or(0);
    latency_threshold_ms(|threshold| *threshold = Some(found));
    found
}
