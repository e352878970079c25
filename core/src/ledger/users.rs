//! Waits by user, for `durable.max-waiters-per-user`. A wait that was attributed to a user counts
//! in the share of that user until it leaves the ledger.

use super::{Ledger, Wait, WaitId};

impl<T> Ledger<T> {
    /// The number of waits that are attributed to that user.
    pub fn waits_of(&self, user: &[u8]) -> usize {
        self.shares.of(user)
    }

    /// Attributes a wait to a user, unless it is attributed already.
    pub fn attribute(&mut self, id: WaitId, user: &[u8]) {
        let wait = self.waits.get_mut(&id).filter(|wait| wait.user.is_none());
        if let Some(wait) = wait {
            wait.user = Some(self.shares.begin(user));
        }
    }

    /// The waits that are not attributed. Scans the waits only if there is one.
    pub fn unattributed(&self) -> Vec<WaitId> {
        if self.shares.total() == self.waits.len() {
            return Vec::new();
        }
        let unattributed = |&(_, wait): &(&WaitId, &Wait<T>)| wait.user.is_none();
        let waits = self.waits.iter().filter(unattributed);
        waits.map(|(&id, _)| id).collect()
    }
}
