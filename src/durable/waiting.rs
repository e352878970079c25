//! The beginning of a wait and its end. A wait ends in one of three ways: it is released
//! (`release.rs`), it is given up, or its client leaves.
//!
//! Each of the three removes the wait from the coordinator, and only a wait in the coordinator can
//! end. So every handle is returned to the server exactly once.

use std::ffi::{c_int, CStr};

use durable_core::requirement::Requirement;
use durable_core::servers::Fact;
use durable_core::stats::bump;
use durable_core::units::Millis;

use super::state::{coordinator, coordinator_and_settings};
use super::waiter::{Answer, Waiter};
use super::{latency, release, turn, users};
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{Blocked, Ctx, HandleId, Waiting};
use crate::{clock, event_loop, facts, resets, unserved};

/// The error if the server does not block the client. By then the command has been executed.
const NOT_BLOCKED: &CStr = c"UNACKED the server could not block the client; applied on the primary, may still reach the replicas";

/// Blocks the client of a command that was admitted and executed. With [`Answer::Held`], `hold`
/// passes the reply to the server, which holds it.
pub fn enqueue(ctx: &Ctx, requirement: Requirement, answer: Answer, hold: impl FnOnce(&Blocked)) {
    let client = ctx.client_id();
    let handle = match answer {
        Answer::Held => ctx.block::<DurableWaiting>(),
        Answer::Common(_) | Answer::Count => ctx.block_for_common::<DurableWaiting>(),
    };
    let Some(handle) = handle else {
        coordinator(|coordinator| bump(&mut coordinator.stats.counters.unacked));
        ctx.reply_error(NOT_BLOCKED);
        return;
    };
    if answer == Answer::Held {
        // Only a safeguard: admission refuses clients that wait already. Without this check,
        // `accept` would fail, and the unblock would send a held reply that is not acknowledged.
        if coordinator(|coordinator| coordinator.wait_of(client).is_some()) {
            handle.hold(|ctx| ctx.reply_error(NOT_BLOCKED));
            handle.unblock();
            return;
        }
        hold(&handle);
    }
    let waiter = Waiter { handle, answer };
    begin(ctx, client, ctx.selected_db(), requirement, waiter);
}

/// The client was blocked, and its command was executed in database `db`: it begins to wait for
/// acknowledgements.
pub fn begin(ctx: &Ctx, client: u64, db: c_int, requirement: Requirement, waiter: Waiter) {
    let now = clock::now();
    let timeout = requirement.timeout_ms.map(|ms| Millis::new(ms).to_micros());
    let (accepted, timers, counts_users) = coordinator_and_settings(|coordinator, settings| {
        let accepted = coordinator.accept(client, requirement.need, timeout, db, now, waiter);
        let counts_users = settings.max_waiters_per_user > 0;
        (accepted, coordinator.timer_changes(now), counts_users)
    });
    if counts_users {
        users::attribute(ctx, client);
    }
    let may_be_late = event_loop::hear(ctx);
    match accepted {
        Ok(wake) if wake || may_be_late => wake_event_loop(),
        Ok(_) => {}
        Err(waiter) => waiter.handle.unblock(),
    }
    turn::change_timers(ctx, timers);
}

/// The server's callbacks for a wait that ends without a release.
pub struct DurableWaiting;

impl Waiting for DurableWaiting {
    /// The server ends a wait as timed out: the module or an operator sent CLIENT UNBLOCK without
    /// ERROR.
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        resets::before_counting(ctx);
        let (client, now) = (ctx.client_id(), clock::now());
        let given_up = coordinator(|coordinator| {
            coordinator.timed_out(client, now, |waiter| waiter.handle.id() == handle)
        });
        match given_up {
            Some(given_up) => {
                latency::record(ctx, given_up.took);
                ctx.reply_error_text(&given_up.error);
                given_up.wait.payload.handle.unblock();
                turn::stop_timers_without_waits(ctx);
            }
            // The wait has already ended. The server does not call back for such a client, so this
            // is only a safeguard.
            None => ctx.reply_error(c"UNBLOCKED the wait had already ended"),
        }
    }

    fn awaits_serving() -> bool {
        release::is_released() || facts::has(Fact::UnblockAbortsOnUnserved)
    }

    fn served(ctx: &Ctx) {
        if facts::has(Fact::UnblockAbortsOnUnserved) {
            unserved::served(ctx.client_id());
            if unserved::needs_turns() {
                return;
            }
        }
        turn::released_were_served(ctx);
    }

    /// A waiting client left, was killed, or got an error from the server.
    fn disconnected(ctx: &Ctx, handle: HandleId) {
        resets::before_counting(ctx);
        let client = ctx.client_id();
        let is_replica = !ctx.situation().is_primary();
        let left = coordinator(|coordinator| {
            coordinator.disconnected(client, is_replica, |waiter| waiter.handle.id() == handle)
        });
        if let Some(wait) = left {
            wait.payload.handle.unblock();
            turn::stop_timers_without_waits(ctx);
        }
    }
}
