//! The module's work at each event of the server, in the order in which it is done.

use crate::durable::call::registry;
use crate::durable::{fsync, latency, log, scripts, turn};
use crate::ffi::events::ServerEvents;
use crate::ffi::{ClientInfo, Ctx};
use crate::slothint::refresh;
use crate::{event_loop, failover, resets, slothint, unserved};

/// The handlers of the server's events.
pub struct Events;

/// Whether something needs to hear the turns of the event loop.
pub fn need_turns() -> bool {
    turn::needs_turns()
        || registry::needs_turns()
        || slothint::needs_turns()
        || resets::is_pending()
        || failover::needs_turns()
        || unserved::needs_turns()
}

impl ServerEvents for Events {
    fn turn_begins(ctx: &Ctx) {
        event_loop::turn_begins();
        turn::begins(ctx);
        scripts::turn_begins(ctx);
        registry::turn_begins(ctx);
        refresh::turn_begins(ctx);
    }

    fn turn_ends(ctx: &Ctx) {
        resets::settle(ctx);
        unserved::turn_ends();
        scripts::turn_ends(ctx);
        turn::ends(ctx);
        refresh::turn_ends(ctx);
        failover::turn_ends(ctx);
    }

    fn cron(ctx: &Ctx, hz: u64) {
        event_loop::cron(ctx, hz);
        turn::cron(ctx, hz);
        refresh::cron(ctx);
        log::cron(ctx);
        failover::cron(ctx);
    }

    fn replica_changed(ctx: &Ctx, online: bool) {
        event_loop::hear(ctx);
        // First: a link that has changed must not count by what was confirmed over the one before.
        failover::links_changed(ctx);
        turn::replica_changed(online);
    }

    fn client_connected(client: &ClientInfo) {
        slothint::client_connected(client);
    }

    fn client_disconnected(client: &ClientInfo) {
        fsync::client_left(client.id());
        resets::client_left(client.id());
        slothint::client_left(client.id());
    }

    /// Another module was loaded or unloaded. A name may now mean another command.
    fn modules_changed(ctx: &Ctx) {
        registry::look_up_all(ctx);
    }

    fn config_changed() {
        latency::forget_threshold();
        event_loop::config_changed();
        failover::config_changed();
    }

    fn role_changed(ctx: &Ctx, primary: bool) {
        failover::role_changed(ctx, primary);
        turn::role_changed(primary);
    }

    fn data_replaced(_: &Ctx) {
        failover::data_replaced();
    }

    fn data_flushed(_: &Ctx) {
        failover::data_flushed();
    }
}
