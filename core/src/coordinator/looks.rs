//! Takes looks at the replicas, and decides when the state of the cluster has to be looked at.
//!
//! A look is the reply to ROLE. If links may have changed, it is also a listing from INFO: see
//! `replicas`.

use super::Coordinator;
use crate::replicas::{Link, Listing};
use crate::units::{Micros, Millis, Offset};

/// The cron counts as due this long before it runs, because the work in the timer takes time.
const EARLY: Micros = Micros::new(2000);

impl<P> Coordinator<P> {
    /// Takes the reply to ROLE: the primary's offset and the online links. Returns false if INFO
    /// has to be read as well, for [`listed`](Self::listed).
    pub fn role_seen<'a>(
        &mut self,
        offset: Offset,
        now: Micros,
        online: impl Iterator<Item = Link<'a>> + Clone,
    ) -> bool {
        let taken = !self.replicas.needs_listing()
            && self.replicas.update(offset, now, online, &self.fsyncs);
        if taken {
            self.look_taken();
        }
        taken
    }

    /// Takes a listing of all links.
    pub fn listed(&mut self, listing: Listing<'_>, now: Micros) {
        self.replicas.list(listing, now, &self.fsyncs);
        self.look_taken();
    }

    fn look_taken(&mut self) {
        self.replicas_current = true;
        let baseline = self.replicas.open_baseline();
        self.requests.set_baseline(baseline);
    }

    /// The result of the next look will be shown to a user. It has to include links that are not
    /// online, because they are shown or counted, and no event reports that such a link has gone.
    pub fn look_will_be_shown(&mut self) {
        if self.replicas.has_synchronizing_link() {
            self.replicas.require_listing();
        }
    }

    /// The server's cron ran. It runs `hz` times a second. Returns true if the caller has to look
    /// at the state of the cluster, which may have changed in the cron. Most of a period is then
    /// left to give up waits, before the next cron replies CLUSTERDOWN to their clients.
    pub fn cron(&mut self, hz: u64, now: Micros) -> bool {
        let period = Millis::new(1000_u64.checked_div(hz).unwrap_or(0)).to_micros();
        self.next_cron = now.saturating_add(period);
        self.setup.is_cluster && !self.ledger.is_empty()
    }

    /// True if somebody waits in a cluster and the server's cron is due. The caller has to look at
    /// the state of the cluster before the cron does.
    pub fn is_cluster_check_due(&self, now: Micros) -> bool {
        let is_cron_due = now.saturating_add(EARLY) >= self.next_cron;
        self.setup.is_cluster && is_cron_due && !self.ledger.is_empty()
    }
}
