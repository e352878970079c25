//! The server's cron, and when the state of the cluster has to be looked at.
//!
//! In a cluster that has failed, the cron of Redis replies CLUSTERDOWN to waiting clients. So the
//! state is looked at in the timer of every turn in which the cron may follow. A look takes about
//! ten microseconds, too long for every turn.
//!
//! The timer cannot know whether the cron follows in the same turn: the process may be kept from
//! running after the timer, until the cron is due. The lateness of the latest crons shows how long
//! such pauses last. Example with 10 crons a second: the last one ran at 0 ms, the next one is due
//! at 100 ms.
//!
//! | latest crons | looks in turns from |
//! |---|---|
//! | in time | 98 ms on |
//! | up to 20 ms late | 78 ms on |

use super::Coordinator;
use crate::units::{Micros, Millis};

/// The cron counts as due at least this long before its time. The server sleeps for whole
/// milliseconds, and the work in the timer takes time.
const EARLY: Micros = Micros::new(2000);

/// With each cron, the remembered lateness shrinks by one part in this many, unless the cron itself
/// was later. With 10 crons a second, about half of it is left after a second.
const FORGET: u64 = 16;

/// When the server's cron runs.
#[derive(Debug, Default)]
pub(super) struct Cron {
    /// When the next cron is due. `None` before the first one.
    next: Option<Micros>,
    /// The time between two crons.
    period: Micros,
    /// The remembered lateness: see [`FORGET`].
    lateness: Micros,
}

impl Cron {
    fn ran(&mut self, period: Micros, now: Micros) {
        let late = self.next.map_or(Micros::new(0), |next| now.since(next));
        let forgotten = Micros::new(self.lateness.get().div_ceil(FORGET));
        self.lateness = self.lateness.since(forgotten).max(late).min(period);
        self.next = Some(now.saturating_add(period));
        self.period = period;
    }

    /// True if another cron comes a whole period before that time.
    pub(super) fn comes_before(&self, time: Micros) -> bool {
        self.next
            .is_some_and(|next| next.saturating_add(self.period) < time)
    }

    fn is_due(&self, now: Micros) -> bool {
        let soon = now.saturating_add(EARLY).saturating_add(self.lateness);
        self.next.is_none_or(|next| soon >= next)
    }
}

impl<P> Coordinator<P> {
    /// The server's cron ran. It runs `hz` times a second. Returns true if the caller has to look
    /// at the state of the cluster, which may have changed in the cron. Most of a period is then
    /// left to give up waits, before the next cron replies CLUSTERDOWN to their clients.
    pub fn cron(&mut self, hz: u64, now: Micros) -> bool {
        let period = Millis::new(1000_u64.checked_div(hz).unwrap_or(0)).to_micros();
        self.cron.ran(period, now);
        self.end_use(now);
        self.setup.is_cluster && !self.ledger.is_empty()
    }

    /// True if somebody waits in a cluster and the server's cron is due. The caller has to look at
    /// the state of the cluster before the cron does.
    pub fn is_cluster_check_due(&self, now: Micros) -> bool {
        self.setup.is_cluster && !self.ledger.is_empty() && self.cron.is_due(now)
    }
}
