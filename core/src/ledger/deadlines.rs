//! Times of waits: the oldest wait, the next deadline, and the waits whose deadline has passed.

use super::{Ledger, WaitId, GRACE_WITHOUT_OFFSET};
use crate::units::Micros;

impl<T> Ledger<T> {
    /// When the oldest wait was accepted.
    pub fn oldest(&self) -> Option<Micros> {
        self.accepted.first().map(|(since, _)| since)
    }

    /// The earliest deadline of all waits.
    pub fn next_deadline(&self) -> Option<Micros> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// The waits whose deadline has passed, the earliest first. They stay in the ledger until they
    /// are cancelled.
    ///
    /// A wait without an offset is left out, because the end of its turn may show that the replicas
    /// have acknowledged everything already. If it has no offset a second after its deadline, it is
    /// included.
    pub fn expired(&self, now: Micros) -> impl Iterator<Item = WaitId> + '_ {
        let due = self.deadlines.iter().take_while(move |&(at, _)| at <= now);
        due.filter(move |&(at, id)| {
            let wait = self.waits.get(&id);
            let is_fresh = wait.is_some_and(|wait| wait.offset.is_none());
            !is_fresh || now.since(at) >= GRACE_WITHOUT_OFFSET
        })
        .map(|(_, id)| id)
    }

    /// Removes the deadline of a wait that cannot be given up.
    pub fn forget_deadline(&mut self, id: WaitId) {
        if let Some(wait) = self.waits.get_mut(&id) {
            if let Some(at) = wait.deadline.take() {
                self.deadlines.remove(&(at, id));
            }
        }
    }
}
