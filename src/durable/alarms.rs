//! The log lines about replicas: whether the configured requirement can be met, and which links do
//! not count. `core/alarms` decides what is said; this file looks and writes.

use durable_core::alarms::{Alarms, Line, Sight, Uncounted};
use durable_core::requirement::Options;

use super::admission::defaults;
use super::look::look_to_show;
use crate::ffi::Ctx;
use crate::state::{self, State};

/// The server's own periodic work. Nothing is done here unless something has changed, or something
/// is awaited that the server does not tell.
pub fn cron(ctx: &Ctx) {
    let wanted = state::with(|state| {
        let now = state.now();
        state.alarms.wants_look(now)
    });
    if wanted != Some(true) {
        return;
    }
    if !look_to_show(ctx) {
        // A replica has no replicas to speak of.
        state::with(|state| state.alarms.clear());
        return;
    }
    let lines = state::with(|state| {
        let sight = sight(state);
        state.alarms.observe(sight)
    });
    for line in lines.into_iter().flatten() {
        match line {
            Line::Warning(text) => ctx.log_warning(&text),
            Line::Notice(text) => ctx.log_notice(&text),
        }
    }
}

/// The alarms of a server that has just become a primary.
pub fn of_new_primary() -> Alarms {
    let mut alarms = Alarms::default();
    alarms.rouse();
    alarms
}

fn sight(state: &State) -> Sight {
    let now = state.now();
    let requirement = Options::default().resolve(&defaults(state));
    let counters = &state.stats.counters;
    Sight {
        now,
        required: requirement
            .ok()
            .map(|requirement| requirement.need.replicas),
        connected: state.replicas.admissible(now),
        refused: counters.noreplicas,
        given_up: counters.unacked,
        uncounted: state
            .replicas
            .shown(&state.fsyncs)
            .filter_map(|link| Uncounted::of(&link))
            .collect(),
    }
}
