//! The section `durable` of INFO, for operators. The server prefixes every name with `durable_`.

use std::ffi::CStr;

use durable_core::acks::Need;
use durable_core::coordinator::Coordinator;
use durable_core::units::Offset;

use crate::durable::admission::configured;
use crate::durable::look::look_to_show;
use crate::durable::state::coordinator;
use crate::durable::waiter::Waiter;
use crate::ffi::info::{Info, Value};
use crate::ffi::Ctx;
use crate::{clock, failover, resets, slothint};

/// The section.
pub struct DurableSection;

impl Info for DurableSection {
    fn fields() -> Vec<(&'static CStr, Value)> {
        // The server passes no context to this callback, so one is made here. Without a new look,
        // the figures of the replicas would be those of the last look.
        let is_primary = Ctx::detached(|ctx| {
            resets::read(ctx);
            let now = clock::now();
            coordinator(|coordinator| coordinator.used(now));
            look_to_show(ctx);
            ctx.situation().is_primary()
        });
        let need = configured().map(|requirement| requirement.need);
        let mut fields =
            coordinator(|coordinator| fields(coordinator, need, is_primary == Some(true)));
        fields.extend(failover::status::fields());
        fields
    }
}

const VERSION: &CStr = text(concat!(env!("CARGO_PKG_VERSION"), "\0"));

/// The version, and the commit that `build.rs` sets.
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

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `need` is the configured requirement.
fn fields(
    coordinator: &Coordinator<Waiter>,
    need: Option<Need>,
    is_primary: bool,
) -> Vec<(&'static CStr, Value)> {
    let now = clock::now();
    let hints = slothint::figures();
    let counters = &coordinator.stats.counters;
    let waits = coordinator.stats.percentiles(now);
    let acknowledged = need.map_or(Offset::new(0), |need| coordinator.acknowledged_offset(need));
    let required = need.map_or(0, |need| need.replicas);
    let connected = coordinator.connected(now);
    let is_met = need.is_some_and(|need| need.is_nothing() || connected >= need.replicas);
    let replicas = &coordinator.replicas;
    vec![
        (c"version", Value::Text(VERSION)),
        (c"waiters", count(coordinator.clients()).into()),
        (c"waiters_peak", counters.waiters_peak.into()),
        (
            c"replicas_online",
            u64::from(coordinator.acks().replicas()).into(),
        ),
        (c"acknowledged_offset", acknowledged.get().into()),
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
        (c"requirement_met", u64::from(is_primary && is_met).into()),
        (c"links", count(replicas.link_count()).into()),
        (
            c"links_not_counted",
            count(replicas.uncounted_links()).into(),
        ),
        (c"max_lag_bytes", coordinator.max_lag().into()),
        (
            c"oldest_wait_ms",
            coordinator.oldest_wait(now).to_millis().get().into(),
        ),
        (c"once_total", counters.once.into()),
        (c"once_repeated_total", counters.once_repeated.into()),
        (c"build", Value::Text(BUILD)),
        (c"slothint_requests_total", hints.requests.into()),
        (c"slothint_keys_total", hints.keys.into()),
        (c"slothint_map_refreshes_total", hints.refreshes.into()),
        (c"slothint_token", hints.token.into()),
    ]
}
