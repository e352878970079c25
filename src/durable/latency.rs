//! Reports waits that took at least `latency-monitor-threshold` to the server's latency monitor. Of
//! waits that are released together, only the longest is reported.
//!
//! A threshold of 0 switches the monitor off, but `RM_LatencyAddSample` then records every sample.
//! So the module checks the threshold itself. It looks the threshold up for the first sample, and
//! for the first one after each CONFIG SET.

use std::ffi::CStr;

use durable_core::units::Micros;

use super::state::latency_threshold_ms;
use crate::ffi::Ctx;

/// The name of the event in `LATENCY LATEST`.
const EVENT: &CStr = c"durable-wait";

/// Records how long a wait took, if that reaches the threshold.
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

/// A setting of the server changed, perhaps the threshold.
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
