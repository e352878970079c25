//! How a client comes to wait and how its wait ends: acknowledged, given up (`give_up.rs` says
//! when), or left.
//!
//! Each of the three takes the wait out of the ledger, and what is out of the ledger is not ended
//! again, so that every handle goes back to the server exactly once.

use std::ffi::CStr;

use durable_core::acks::Acks;
use durable_core::ledger::{Loss, Wait, WaitId};
use durable_core::requirement::Requirement;
use durable_core::stats::bump;

use super::{latency, resetstat, shares, turn};
use crate::ffi::{Blocked, Ctx, HandleId, Waiting};
use crate::state::{self, State, Turn};

/// What the ledger keeps with each wait.
#[derive(Debug)]
pub struct Waiter {
    handle: Blocked,
    answer: Answer,
    timeout_ms: u64,
}

/// What an acknowledged client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply of the inner command, which the server holds.
    Held,
    /// How many replicas have acknowledged.
    Count,
}

/// Said where the server lets no wait be kept, which shows after the execution.
const NOT_KEPT: &CStr = c"UNACKED the server could not block the client; applied on the primary, may still reach the replicas";

/// Blocks the client of a command that was admitted and executed. `hold` gives the server the reply
/// to keep.
pub fn enqueue(ctx: &Ctx, requirement: Requirement, answer: Answer, hold: impl FnOnce(&Blocked)) {
    let client = ctx.client_id();
    let Some(handle) = ctx.block::<DurableWaiting>() else {
        state::with(|state| bump(&mut state.stats.counters.unacked));
        ctx.reply_error(NOT_KEPT);
        return;
    };
    // Admission has refused this. A reply that is held for a wait that is not kept would be a false one.
    if state::with(|state| state.ledger.get(client).is_some()) != Some(false) {
        handle.hold(|ctx| ctx.reply_error(NOT_KEPT));
        handle.unblock();
        return;
    }
    hold(&handle);
    let db = ctx.selected_db();
    let wake = state::with(|state| {
        let now = state.now();
        let waiter = Waiter {
            handle,
            answer,
            timeout_ms: requirement.timeout_ms.unwrap_or(0),
        };
        let deadline = requirement
            .timeout_ms
            .map(|ms| now.saturating_add(ms.saturating_mul(1000)));
        if let Err(waiter) = state
            .ledger
            .accept(client, requirement.need, now, deadline, waiter)
        {
            return Err(waiter.handle);
        }
        state.last_db = db;
        state.stats.waiting(state.ledger.len());
        // After the turn's end nothing would wake the event loop until its next timer.
        Ok(state.turn == Turn::Ended)
    });
    shares::begun(ctx, client);
    match wake {
        Some(Ok(true)) => turn::wake(),
        Some(Err(handle)) => handle.unblock(),
        _ => (),
    }
    turn::arm_deadline(ctx);
}

/// Ends the waits that the acknowledgements of the last look satisfy.
pub fn release(ctx: &Ctx) {
    resetstat::before_counting(ctx);
    let mut released = Vec::new();
    let mut longest = 0;
    let acks = state::with(|state| {
        state.ledger.release(state.replicas.acks(), &mut released);
        let now = state.now();
        for (_, wait) in &released {
            let took = now.saturating_sub(wait.since);
            state.stats.acknowledged(took, now);
            longest = longest.max(took);
        }
        state.note_unserved(released.iter().map(|&(client, _)| client));
        // Only a count needs them.
        let counting = released
            .iter()
            .any(|(_, wait)| wait.payload.answer == Answer::Count);
        counting.then(|| state.replicas.acks().clone())
    })
    .flatten();
    latency::record(ctx, longest);
    for (_, wait) in released {
        if let (Answer::Count, Some(acks)) = (wait.payload.answer, &acks) {
            let count = acks.acknowledged(wait.offset.unwrap_or(u64::MAX));
            wait.payload.handle.hold_integer(count.into());
        }
        wait.payload.handle.unblock();
    }
    stop_timers_of_nobody(ctx);
}

/// True for a client that is unblocked and not yet served, where CLIENT UNBLOCK must not hit it.
pub fn is_unserved(client: WaitId) -> bool {
    state::with(|state| state.unserved.contains(&client)) == Some(true)
}

/// How a wait ends that is not released.
struct DurableWaiting;

impl Waiting for DurableWaiting {
    /// The server gives up a wait: we asked it to, or an operator did.
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        resetstat::before_counting(ctx);
        let client = ctx.client_id();
        let given_up = state::with(|state| {
            if state.ledger.get(client)?.payload.handle.id() != handle {
                return None;
            }
            let wait = state.ledger.cancel(client)?;
            bump(&mut state.stats.counters.unacked);
            let text = unacked(&wait, state);
            let took = state.now().saturating_sub(wait.since);
            Some((wait, text, took))
        })
        .flatten();
        match given_up {
            Some((wait, text, took)) => {
                latency::record(ctx, took);
                ctx.reply_error_text(&text);
                wait.payload.handle.unblock();
                stop_timers_of_nobody(ctx);
            }
            // Unblocked already: the server does not call back for such a client.
            None => ctx.reply_error(c"UNBLOCKED the wait had already ended"),
        }
    }

    /// A waiting client left, was killed, or is being answered by the server itself.
    fn disconnected(ctx: &Ctx, handle: HandleId) {
        resetstat::before_counting(ctx);
        let client = ctx.client_id();
        // Most servers turn clients away before they tell that they are replicas now, and some
        // after: here it is known already, there the change of role is told in the same turn.
        let is_replica = !ctx.situation().is_primary();
        let left = state::with(|state| {
            let wait = state.ledger.get(client);
            let waits = wait.is_some_and(|wait| wait.payload.handle.id() == handle);
            if !waits {
                // It was acknowledged, and has not been told.
                state.stats.untell();
            }
            if is_replica || state.ending == Some(Loss::Stream) {
                bump(&mut state.stats.counters.demoted);
            } else {
                state.stats.left();
            }
            waits.then(|| state.ledger.cancel(client)).flatten()
        })
        .flatten();
        if let Some(wait) = left {
            wait.payload.handle.unblock();
            stop_timers_of_nobody(ctx);
        }
    }
}

/// With nobody left to wait no timer stays armed, not even for the rest of the turn: the server
/// would refuse to unload the module, and does not ask it before.
fn stop_timers_of_nobody(ctx: &Ctx) {
    let timers = state::with(|state| {
        if !state.ledger.is_empty() {
            return [None, None];
        }
        let deadline = state.deadline_timer.take().map(|(timer, _)| timer);
        [state.turn_timer.take(), deadline]
    });
    for timer in timers.into_iter().flatten().flatten() {
        ctx.stop_timer(timer);
    }
}

/// The error for a wait that is given up.
fn unacked(wait: &Wait<Waiter>, state: &State) -> String {
    let acks: &Acks = state.replicas.acks();
    let (acknowledged, fsynced) = wait.offset.map_or((0, 0), |offset| {
        (acks.acknowledged(offset), acks.fsynced(offset))
    });
    let fsync = match wait.need.fsync {
        0 => String::new(),
        needed => format!(" and {fsynced} of {needed} fsynced"),
    };
    let why = if state.ending == Some(Loss::Cluster) {
        "; the cluster failed while waiting".into()
    } else {
        format!(" within {} ms", told_ms(wait, state.now()))
    };
    format!(
        "UNACKED {acknowledged} of {} replicas acknowledged{fsync}{why}; \
         applied on the primary, may still reach the replicas",
        wait.need.replicas
    )
}

/// An operator may end a wait at any time; then what has passed is told, not what was allowed.
fn told_ms(wait: &Wait<Waiter>, now: u64) -> u64 {
    if wait.deadline.is_some_and(|deadline| deadline <= now) {
        wait.payload.timeout_ms
    } else {
        now.saturating_sub(wait.since) / 1000
    }
}
