//! Records looks at the replicas. A look reads the reply to ROLE. If links may have changed, it
//! also reads a listing from INFO: see `replicas`.

use super::Coordinator;
use crate::replicas::{Link, Listing};
use crate::units::{Micros, Offset};

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
        self.hearing.looked();
        let baseline = self.replicas.open_baseline();
        self.requests.set_baseline(baseline);
    }

    /// The links of the next look, or their number, will be shown to a user. If a link is
    /// synchronizing, the next look has to be a listing: no event reports that such a link has
    /// gone.
    pub fn look_will_be_shown(&mut self) {
        if self.replicas.has_synchronizing_link() {
            self.replicas.require_listing();
        }
    }
}
