//! The section `durable` of INFO, for operators. The server puts `durable_` before every name.

use std::ffi::CStr;

use durable_core::requirement::Options;

use crate::durable;
use crate::ffi::info::{Info, Value};
use crate::ffi::Ctx;
use crate::state::{self, State};

/// The section.
pub struct DurableSection;

impl Info for DurableSection {
    fn fields() -> Vec<(&'static CStr, Value)> {
        // INFO brings no context. Without a look the replicas would be as old as the last wait.
        let primary = Ctx::detached(|ctx| {
            durable::resetstat::look(ctx);
            durable::look::look_to_show(ctx);
            ctx.situation().is_primary()
        });
        state::with(|state| fields(state, primary == Some(true))).unwrap_or_default()
    }
}

const VERSION: &CStr = text(concat!(env!("CARGO_PKG_VERSION"), "\0"));

/// The version, and the commit that `build.rs` names.
const BUILD: &CStr = text(concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("REDIS_DURABLE_COMMIT"),
    ")\0"
));

const fn text(with_null: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(with_null.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

/// The offset up to which the configured requirement is met. 0 while it is not met at all.
fn acknowledged_offset(state: &State) -> u64 {
    let defaults = durable::admission::defaults(state);
    match Options::default().resolve(&defaults) {
        Ok(requirement) if requirement.need.is_nothing() => state.replicas.offset(),
        Ok(requirement) => state
            .replicas
            .acks()
            .met_up_to(requirement.need)
            .unwrap_or(0),
        Err(_) => 0,
    }
}

/// How far the slowest replica that counts is behind, in bytes. The last request itself is left
/// out, because no answer covers it.
fn max_lag(state: &State) -> u64 {
    let end = state.requests.target(state.replicas.offset());
    state.replicas.max_lag(end)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How long the oldest wait has lasted. 0 if nobody waits.
fn oldest_wait_ms(state: &State) -> u64 {
    let since = state.ledger.oldest();
    since.map_or(0, |since| state.now().saturating_sub(since) / 1000)
}

fn fields(state: &mut State, primary: bool) -> Vec<(&'static CStr, Value)> {
    let hints = state.slothint.figures();
    let stats = &state.stats;
    let counters = &stats.counters;
    let waits = stats.percentiles(state.now());
    let (required, met) = durable::admission::outlook(state, primary);
    let replicas = u64::from(state.replicas.acks().replicas());
    vec![
        (c"version", Value::Text(VERSION)),
        (c"waiters", count(state.ledger.len()).into()),
        (c"waiters_peak", counters.waiters_peak.into()),
        (c"replicas_online", replicas.into()),
        (c"acknowledged_offset", acknowledged_offset(state).into()),
        (c"acked_total", counters.acked.into()),
        (c"unacked_total", counters.unacked.into()),
        (c"noreplicas_total", counters.noreplicas.into()),
        (c"overloaded_total", counters.overloaded.into()),
        (c"disconnected_total", counters.disconnected.into()),
        (c"demoted_total", counters.demoted.into()),
        (c"ack_requests_total", counters.ack_requests.into()),
        (c"wait_usec_p50", waits.p50.into()),
        (c"wait_usec_p99", waits.p99.into()),
        (c"wait_usec_p999", waits.p999.into()),
        (c"wait_usec_max", waits.max.into()),
        (c"required_replicas", u64::from(required).into()),
        (c"requirement_met", u64::from(met).into()),
        (c"links", count(state.replicas.links()).into()),
        (
            c"links_not_counted",
            count(state.replicas.not_counted()).into(),
        ),
        (c"max_lag_bytes", max_lag(state).into()),
        (c"oldest_wait_ms", oldest_wait_ms(state).into()),
        (c"build", Value::Text(BUILD)),
        (c"slothint_requests_total", hints.requests.into()),
        (c"slothint_keys_total", hints.keys.into()),
        (c"slothint_map_refreshes_total", hints.refreshes.into()),
        (c"slothint_token", hints.token.into()),
    ]
}
