//! `INFO durable`: what operators look at. The server puts `durable_` before every name.

use std::ffi::{c_int, CStr};

use durable_core::requirement::Options;
use redis_module::raw;

use crate::durable;
use crate::ffi::{guard, Ctx};
use crate::state::{self, State};

/// Fills the section.
///
/// # Safety
/// Called by the server, to gather INFO.
pub unsafe extern "C" fn handler(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    guard::plain((), || {
        // A crash may have struck in the middle of anything: then the state is left alone.
        if for_crash_report != 0 || info.is_null() {
            return;
        }
        // SAFETY: the server's own context; an empty name is the section `durable` itself.
        let wanted = unsafe { api!(RedisModule_InfoAddSection)(info, c"".as_ptr()) };
        if isize::try_from(wanted) != Ok(raw::REDISMODULE_OK) {
            return;
        }
        // INFO brings no context, and without a look the replicas are as old as the last wait.
        Ctx::detached(durable::look::look);
        let fields = state::with(fields);
        // SAFETY: as above; both texts end in a null byte and are copied.
        unsafe {
            api!(RedisModule_InfoAddFieldCString)(info, c"version".as_ptr(), VERSION.as_ptr());
        }
        for (name, value) in fields.into_iter().flatten() {
            // SAFETY: as above.
            unsafe { api!(RedisModule_InfoAddFieldULongLong)(info, name.as_ptr(), value) };
        }
    });
}

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// The offset up to which the configured requirement is met; 0 while it is not met at all.
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

/// How far the slowest replica that counts is behind, the last request aside: it is covered by no
/// answer.
fn max_lag(state: &State) -> u64 {
    let end = state.requests.target(state.replicas.offset());
    state.replicas.max_lag(end)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn fields(state: &mut State) -> Vec<(&'static CStr, u64)> {
    let hints = state.slothint.figures();
    let stats = &state.stats;
    let counters = &stats.counters;
    let waits = stats.percentiles(state.now());
    vec![
        (c"waiters", count(state.ledger.len())),
        (c"waiters_peak", counters.waiters_peak),
        (c"replicas_online", state.replicas.acks().replicas().into()),
        (c"acknowledged_offset", acknowledged_offset(state)),
        (c"acked_total", counters.acked),
        (c"unacked_total", counters.unacked),
        (c"noreplicas_total", counters.noreplicas),
        (c"overloaded_total", counters.overloaded),
        (c"disconnected_total", counters.disconnected),
        (c"demoted_total", counters.demoted),
        (c"ack_requests_total", counters.ack_requests),
        (c"wait_usec_p50", waits.p50),
        (c"wait_usec_p99", waits.p99),
        (c"wait_usec_p999", waits.p999),
        (c"wait_usec_max", waits.max),
        (c"links", count(state.replicas.links())),
        (c"links_not_counted", count(state.replicas.not_counted())),
        (c"max_lag_bytes", max_lag(state)),
        (c"slothint_requests_total", hints.requests),
        (c"slothint_keys_total", hints.keys),
        (c"slothint_map_refreshes_total", hints.refreshes),
        (c"slothint_token", hints.token),
    ]
}
