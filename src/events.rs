//! What the module does at each event of the server, in this order.

use crate::durable::{alarms, call, call_keys, cluster_state, latency, resetstat, turn};
use crate::ffi::events::ServerEvents;
use crate::ffi::{ClientInfo, Ctx};
use crate::slothint::rhythm;
use crate::state;

/// The module, as the server's events reach it.
pub struct Events;

impl ServerEvents for Events {
    fn turn_begins(ctx: &Ctx) {
        turn::begins(ctx);
        call_keys::turn_begins(ctx);
        rhythm::turn_begins(ctx);
    }

    fn turn_ends(ctx: &Ctx) {
        resetstat::settle(ctx);
        turn::ends(ctx);
        rhythm::turn_ends(ctx);
    }

    fn cron(ctx: &Ctx, hz: u64) {
        cluster_state::cron(ctx, hz);
        rhythm::cron(ctx);
        alarms::cron(ctx);
    }

    fn replica_changed(online: bool) {
        turn::replica_changed(online);
    }

    fn client_connected(client: &ClientInfo) {
        state::with(|state| state.slothint.connected(client));
    }

    fn client_disconnected(client: &ClientInfo) {
        state::with(|state| {
            state.fsyncs.left(client.id());
            state.resets.left(client.id());
            state.slothint.left(client.id());
        });
    }

    /// A name may mean another command now.
    fn modules_changed(ctx: &Ctx) {
        call::learn_all(ctx);
    }

    fn config_changed() {
        latency::forget_threshold();
    }

    fn role_changed(primary: bool) {
        turn::role_changed(primary);
    }
}
