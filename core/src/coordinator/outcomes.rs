//! Ends of waits other than by release: a wait is given up, or its client leaves.
//!
//! | word | meaning |
//! |---|---|
//! | expired | the deadline has passed; a wait without an offset expires a second later |
//! | overdue | expired, and to be given up now: see [`overdue`](Coordinator::overdue) |
//! | lost | the role changed or the cluster failed; a lost wait is never released |
//! | given up | the client gets an error: at the deadline, when lost, or by an operator |
//! | cancelled | removed from the ledger without a release: it was given up, or its client left |
//!
//! The coordinator returns the waits to give up. The caller ends each of them as an operator would
//! with CLIENT UNBLOCK. The server then calls back, and the callback removes the wait from the
//! ledger by [`timed_out`](Coordinator::timed_out) or [`disconnected`](Coordinator::disconnected).
//! So each wait ends once, whether the module, an operator or the client ends it.

use super::Coordinator;
use crate::ledger::{Loss, Wait, WaitId};
use crate::stats::bump;
use crate::units::Micros;

/// The budget of overdue waits for one call, a few milliseconds of work. Thousands of waits that
/// expire together must not delay other clients. There is one call in most turns, and two if both
/// timers fire.
const OVERDUE_AT_A_TIME: usize = 250;

/// The budget of lost waits for one call. It is the default of `durable.max-waiters`, because all
/// waits have to end before the next cron: after a failure of the cluster that cron replies
/// CLUSTERDOWN to the clients that still wait, and they send their writes again.
const LOST_AT_A_TIME: usize = 10_000;

/// A wait that was given up.
#[derive(Debug)]
pub struct GivenUp<P> {
    /// The wait.
    pub wait: Wait<P>,
    /// The error reply.
    pub error: String,
    /// How long it has waited.
    pub took: Micros,
}

impl<P> Coordinator<P> {
    /// Expired waits, up to the budget.
    pub fn overdue(&self, now: Micros) -> Vec<WaitId> {
        self.ledger.expired(now).take(OVERDUE_AT_A_TIME).collect()
    }

    /// An overdue wait could not be ended, because the server does not find its client. A reply is
    /// not possible, and the write must not be reported as safe. So the wait stays, without a
    /// deadline.
    pub fn cannot_end(&mut self, client: WaitId) {
        self.ledger.forget_deadline(client);
    }

    /// Takes lost waits, up to the budget. Each is returned once. If the server does not
    /// find its client, the wait stays. It is tried once more at its deadline, if it has one.
    pub fn take_lost(&mut self) -> Vec<(WaitId, Loss)> {
        let lost = std::iter::from_fn(|| self.ledger.next_lost());
        lost.take(LOST_AT_A_TIME).collect()
    }

    /// True if waits may have to be given up: [`overdue`](Self::overdue) and
    /// [`take_lost`](Self::take_lost) may return some.
    pub fn may_have_to_give_up(&self, now: Micros) -> bool {
        let next = self.ledger.next_deadline();
        self.ledger.has_lost() || next.is_some_and(|deadline| deadline <= now)
    }

    /// True if waits are left that the next turn has to give up.
    pub fn has_more_to_give_up(&self, now: Micros) -> bool {
        self.ledger.has_lost() || self.ledger.expired(now).next().is_some()
    }

    /// The server ends a wait as timed out, because the module gave it up, or an operator sent
    /// CLIENT UNBLOCK without ERROR. `is_meant` gets the payload of the client's present wait, and
    /// returns true if the server's callback is for this wait. Returns `None` if the callback is
    /// for another wait, or if the client does not wait.
    pub fn timed_out(
        &mut self,
        client: WaitId,
        now: Micros,
        is_meant: impl FnOnce(&P) -> bool,
    ) -> Option<GivenUp<P>> {
        if !is_meant(&self.ledger.get(client)?.payload) {
            return None;
        }
        let wait = self.ledger.cancel(client)?;
        bump(&mut self.stats.counters.unacked);
        Some(GivenUp {
            error: self.unacked(&wait, now),
            took: now.since(wait.since),
            wait,
        })
    }

    /// A waiting client left, or the server replied to it. Returns the wait, or `None` if it was
    /// released before. `is_meant` is as for [`timed_out`](Self::timed_out).
    ///
    /// A demoted server disconnects its waiting clients before or after it reports the new role. A
    /// client that is disconnected before is counted as disconnected at first. `Stats::demotion`
    /// counts it as demoted when the role is reported. For a client that is disconnected
    /// afterwards, the wait is lost or `is_replica` is true.
    pub fn disconnected(
        &mut self,
        client: WaitId,
        is_replica: bool,
        is_meant: impl FnOnce(&P) -> bool,
    ) -> Option<Wait<P>> {
        let wait = self.ledger.get(client);
        let wait = wait.filter(|wait| is_meant(&wait.payload));
        let is_demoted = is_replica || wait.is_some_and(|wait| wait.loss == Some(Loss::Stream));
        let is_waiting = wait.is_some();
        if !is_waiting {
            // The wait was released, and the client left before the reply.
            self.stats.acknowledged_in_vain();
        }
        self.stats.disconnected(is_demoted);
        is_waiting.then(|| self.ledger.cancel(client)).flatten()
    }

    /// The client of a script left before it got its reply, or the server replied to it. Its script
    /// is not run any more. `is_replica` is as for [`disconnected`](Self::disconnected).
    pub fn script_left(&mut self, client: WaitId, is_replica: bool) {
        self.scripts.remove(client);
        self.stats.disconnected(is_replica);
    }

    /// The error reply of a wait that is given up.
    fn unacked(&self, wait: &Wait<P>, now: Micros) -> String {
        let acks = self.replicas.acks();
        let (acknowledged, fsynced) = wait.offset.map_or((0, 0), |offset| {
            (acks.acknowledged(offset), acks.fsynced(offset))
        });
        let fsync = match wait.need.fsync {
            0 => String::new(),
            needed => format!(" and {fsynced} of {needed} fsynced"),
        };
        let why = if wait.loss == Some(Loss::Cluster) {
            "; the cluster failed while waiting".into()
        } else {
            format!(" within {} ms", waited_ms(wait, now))
        };
        format!(
            "UNACKED {acknowledged} of {} replicas acknowledged{fsync}{why}; \
             applied on the primary, may still reach the replicas",
            wait.need.replicas
        )
    }
}

/// The timeout in milliseconds. If the wait ended before its deadline, or has none: the time that
/// it has waited.
fn waited_ms<P>(wait: &Wait<P>, now: Micros) -> u64 {
    match wait.deadline.filter(|&deadline| deadline <= now) {
        Some(deadline) => deadline.since(wait.since).to_millis().get(),
        None => now.since(wait.since).to_millis().get(),
    }
}
