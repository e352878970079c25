//! A lone wait whose request was sent before its offset was known: see `coordinator/lone.rs`. It is
//! in no queue, and not among the fresh waits, until a look has shown its offset.

use super::{Ledger, WaitId};
use crate::acks::Acks;
use crate::units::Offset;

impl<T> Ledger<T> {
    /// True if there is a single wait, it has no offset yet, and enough replicas count.
    pub fn is_lone_and_fresh(&self, acks: &Acks) -> bool {
        let (1, [id]) = (self.waits.len(), &self.fresh[..]) else {
            return false;
        };
        let wait = self.waits.get(id).filter(|wait| wait.offset.is_none());
        wait.is_some_and(|wait| acks.met_up_to(wait.need).is_some()) && self.lost.is_empty()
    }

    /// A request was sent for the [lone](Self::is_lone_and_fresh) wait. It gets its offset by
    /// [`assign_unseen`](Self::assign_unseen), and no longer by [`assign`](Self::assign).
    pub fn asked_unseen(&mut self) {
        self.unseen = self.fresh.pop();
    }

    /// True while there is such a wait.
    pub fn has_unseen(&self) -> bool {
        self.unseen.is_some()
    }

    /// Assigns an offset to the wait for which a request was sent. Returns true if `acks` leaves it
    /// unsatisfied.
    pub fn assign_unseen(&mut self, offset: Offset, acks: &Acks) -> bool {
        let unseen = self.unseen.take();
        unseen.is_some_and(|id| self.assign_to(id, offset, acks))
    }

    /// The wait has ended. Its client may wait again, behind the request.
    pub(super) fn forget_unseen(&mut self, ended: WaitId) {
        self.unseen.take_if(|unseen| *unseen == ended);
    }
}
