//! Lost waits: the primary was demoted, or its cluster failed. They are never released, and stay in
//! the ledger until they are cancelled.

use super::{Ledger, Loss, WaitId};
use crate::units::Offset;

impl<T> Ledger<T> {
    /// Marks all present waits as lost.
    pub fn lose(&mut self, loss: Loss) {
        self.fresh.extend(self.unseen.take());
        for id in &self.fresh {
            // Any offset will do. A wait without one would expire GRACE_WITHOUT_OFFSET after its
            // deadline.
            if let Some(wait) = self.waits.get_mut(id) {
                wait.offset.get_or_insert(Offset::MAX);
            }
        }
        self.fresh.sort_unstable();
        self.fresh.dedup();
        let fresh = self.fresh.drain(..).map(|id| (Offset::MAX, id)).collect();
        let queues = self.queues.take();
        let lost = queues.chain([fresh]).filter(|queue| !queue.is_empty());
        self.lost.extend(lost.map(|queue| (loss, queue)));
    }

    /// Returns each lost wait once. The wait stays in the ledger until it is cancelled.
    pub fn next_lost(&mut self) -> Option<(WaitId, Loss)> {
        while let Some((loss, queue)) = self.lost.last_mut() {
            match queue.pop_first() {
                // Skips waits that were cancelled in the meantime. Their client may wait again,
                // with another offset or none yet.
                Some((offset, id)) => {
                    let wait = self.waits.get_mut(&id);
                    if let Some(wait) = wait.filter(|wait| wait.offset == Some(offset)) {
                        wait.loss = Some(*loss);
                        return Some((id, *loss));
                    }
                }
                None => {
                    self.lost.pop();
                }
            }
        }
        None
    }

    /// True while [`next_lost`](Self::next_lost) may return more.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }
}
