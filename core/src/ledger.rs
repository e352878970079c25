//! The ledger of waits: the client, the offset, the requirement and the deadline of each.
//!
//! The life of a wait:
//!
//! | step | when | method |
//! |---|---|---|
//! | accepted | its command was executed | [`accept`](Ledger::accept) |
//! | assigned an offset | the event-loop turn ends | [`assign`](Ledger::assign) |
//! | … or later | its request had no look | [`assign_unseen`](Ledger::assign_unseen) |
//! | released | enough replicas have acknowledged the offset | [`release`](Ledger::release) |
//! | or cancelled | it was given up, or its client left | [`cancel`](Ledger::cancel) |
//!
//! The offset is assigned when the turn ends, because only then are all writes of the turn in the
//! replication stream. A wait leaves the ledger exactly once. A wait is *lost* when the primary is
//! demoted or its cluster fails. Lost waits are never released; they can only be cancelled.
//!
//! Only the latest look decides whether a wait is satisfied. If a replica goes before the release,
//! the wait may be unsatisfied again.
//!
//! Waits with the same requirement share one queue, ordered by offset. The n-th best
//! acknowledgement is the same for all waits of a queue. Example: the replicas have acknowledged
//! `[30, 20, 10]`. The queue of `REPLICAS 2` is released from its front up to offset 20. Waits
//! with greater offsets are not visited.
//!
//! A wait that has ended leaves at most its id behind: in `fresh` until offsets are assigned, in
//! `lost` until the lost waits are taken. So nothing piles up in an outage of hours.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use in_order::InOrder;
use queues::{Queue, Queues};

use crate::acks::{Acks, Need};
use crate::shares::{User, UserShares};
use crate::units::{Micros, Offset};

/// The id of a wait: the id of the waiting client. A client has at most one wait.
pub type WaitId = u64;

/// One wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<T> {
    /// The requirement.
    pub need: Need,
    /// The offset that the replicas have to acknowledge; `None` until it is assigned, at the end of
    /// a turn.
    pub offset: Option<Offset>,
    /// When it was accepted.
    pub since: Micros,
    /// When it is given up; `None` for a wait without a timeout.
    pub deadline: Option<Micros>,
    /// The user in whose share it is counted, if it was attributed.
    pub user: Option<User>,
    /// Why the wait was lost. `None` until [`next_lost`](Ledger::next_lost) has returned the wait.
    pub loss: Option<Loss>,
    /// The caller's own data.
    pub payload: T,
}

/// Waits that are released together. A lone one needs no memory.
pub type Released<T> = SmallVec<[(WaitId, Wait<T>); 1]>;

/// Why waits are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The server changed its role. Offsets of the old replication stream mean nothing in the next
    /// one.
    Stream,
    /// The cluster failed, and the server is about to reply CLUSTERDOWN to waiting clients.
    Cluster,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Ledger<T> {
    /// Hashed by a cheap function: the server chooses the ids, so no client can choose ids whose
    /// hashes collide.
    waits: FxHashMap<WaitId, Wait<T>>,
    /// Waits without an offset. Ids of cancelled waits stay in it until offsets are assigned.
    fresh: Vec<WaitId>,
    /// A wait whose request was sent without a look: see `unseen.rs`.
    unseen: Option<WaitId>,
    queues: Queues,
    deadlines: InOrder<(Micros, WaitId)>,
    /// All waits, by the time at which they were accepted.
    accepted: InOrder<(Micros, WaitId)>,
    /// The queues of lost waits, without the waits that `next_lost` has returned.
    lost: Vec<(Loss, Queue)>,
    shares: UserShares,
}

/// A wait gets its offset at the first end of a turn at which the replicas can be looked at.
/// Without an offset it expires this long after its deadline.
const GRACE_WITHOUT_OFFSET: Micros = Micros::new(1_000_000);

/// Room for so many waits is made at once when some are released.
const RESERVED: usize = 64;

/// Above this capacity an empty ledger frees its memory.
const KEPT_CAPACITY: usize = 1024;

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self {
            waits: FxHashMap::default(),
            fresh: Vec::new(),
            unseen: None,
            queues: Queues::default(),
            deadlines: InOrder::default(),
            accepted: InOrder::default(),
            lost: Vec::new(),
            shares: UserShares::default(),
        }
    }
}

impl<T> Ledger<T> {
    /// The number of waits.
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// True when there are no waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// The wait of that client.
    pub fn get(&self, id: WaitId) -> Option<&Wait<T>> {
        self.waits.get(&id)
    }

    /// True when waits were accepted since the last [`assign`](Self::assign).
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Adds a wait. It has no offset yet.
    ///
    /// # Errors
    /// Returns the payload if the client waits already.
    pub fn accept(
        &mut self,
        id: WaitId,
        need: Need,
        since: Micros,
        deadline: Option<Micros>,
        payload: T,
    ) -> Result<(), T> {
        let Entry::Vacant(place) = self.waits.entry(id) else {
            return Err(payload);
        };
        let wait = Wait {
            need,
            offset: None,
            since,
            deadline,
            user: None,
            loss: None,
            payload,
        };
        place.insert(wait);
        self.fresh.push(id);
        self.accepted.insert((since, id));
        if let Some(at) = deadline {
            self.deadlines.insert((at, id));
        }
        Ok(())
    }

    /// The turn has ended: assigns `offset` to the waits that have none. Returns true if `acks`
    /// leaves one of these waits unsatisfied.
    pub fn assign(&mut self, offset: Offset, acks: &Acks) -> bool {
        let mut outstanding = false;
        let mut fresh = std::mem::take(&mut self.fresh);
        // In a queue, waits with the same offset are ordered by id.
        fresh.sort_unstable();
        for id in fresh.drain(..) {
            outstanding |= self.assign_to(id, offset, acks);
        }
        self.fresh = fresh;
        if self.fresh.capacity() > KEPT_CAPACITY {
            self.fresh.shrink_to(KEPT_CAPACITY);
        }
        outstanding
    }

    /// Assigns an offset to one wait, if it has none. Returns true if `acks` leaves it unsatisfied.
    fn assign_to(&mut self, id: WaitId, offset: Offset, acks: &Acks) -> bool {
        let wait = self.waits.get_mut(&id);
        // If a wait was cancelled and its client waits again in this turn, `fresh` has the id
        // twice.
        let Some(wait) = wait.filter(|wait| wait.offset.is_none()) else {
            return false;
        };
        wait.offset = Some(offset);
        self.queues.insert(wait.need, offset, id);
        acks.met_up_to(wait.need).is_none_or(|met| met < offset)
    }

    /// True while somebody waits for an fsync.
    pub fn wants_fsyncs(&self) -> bool {
        self.queues.in_use().any(|(need, _)| need.fsync > 0)
    }

    /// True when [`release`](Self::release) would release a wait.
    pub fn has_releasable(&self, acks: &Acks) -> bool {
        self.reachable(acks).any(|(need, queue)| {
            let met = acks.met_up_to(need);
            let front = queue.first().map(|(offset, _)| offset);
            matches!((met, front), (Some(met), Some(front)) if front <= met)
        })
    }

    /// Moves all satisfied waits into `released`, queue by queue. In a queue they come by offset;
    /// with the same offset, the smaller id comes first.
    pub fn release(&mut self, acks: &Acks, released: &mut Released<T>) {
        let (waits, shares) = (&mut self.waits, &mut self.shares);
        let (accepted, deadlines) = (&mut self.accepted, &mut self.deadlines);
        self.queues.take_from(greatest_need(acks), |need, queue| {
            let Some(met) = acks.met_up_to(need) else {
                return;
            };
            if queue.first().is_some_and(|(offset, _)| offset <= met) {
                released.reserve(queue.len_at_most(RESERVED));
            }
            while queue.first().is_some_and(|(offset, _)| offset <= met) {
                let Some((_, id)) = queue.pop_first() else {
                    break;
                };
                if let Some(wait) = waits.remove(&id) {
                    forget(id, &wait, accepted, deadlines);
                    if let Some(user) = &wait.user {
                        shares.end(user);
                    }
                    released.push((id, wait));
                }
            }
        });
        self.return_memory();
    }

    /// Removes one wait, whatever its state.
    pub fn cancel(&mut self, id: WaitId) -> Option<Wait<T>> {
        let wait = self.waits.remove(&id)?;
        forget(id, &wait, &mut self.accepted, &mut self.deadlines);
        self.forget_unseen(id);
        if let Some(user) = &wait.user {
            self.shares.end(user);
        }
        if let Some(offset) = wait.offset {
            self.queues.remove(wait.need, offset, id);
        }
        self.return_memory();
        Some(wait)
    }

    /// True if the offset of an unsatisfied wait for fsyncs is in `from + 1 ..= to`. Waits that
    /// need more replicas than count now are left out. (The range comes from
    /// `Replicas::unconfirmed_fsyncs`.)
    pub fn wants_fsync_within(&self, from: Offset, to: Offset, acks: &Acks) -> bool {
        self.reachable(acks)
            .filter(|(need, _)| need.fsync > 0)
            .any(|(need, queue)| {
                let met = acks.met_up_to(need).unwrap_or_default();
                let above = from.max(met);
                above < to && {
                    let from = (above.saturating_add(1), WaitId::MIN);
                    queue.has_within(from, (to, WaitId::MAX))
                }
            })
    }

    /// The queues of requirements that need no more replicas than `acks` has.
    fn reachable(&self, acks: &Acks) -> impl Iterator<Item = (Need, &Queue)> + '_ {
        self.queues.up_to(greatest_need(acks))
    }

    fn return_memory(&mut self) {
        if self.waits.is_empty() {
            // Only ids of waits that have ended are left in these.
            self.fresh.clear();
            self.lost.clear();
            if self.waits.capacity() > KEPT_CAPACITY {
                self.waits.shrink_to(KEPT_CAPACITY);
            }
        }
    }
}

/// Removes a wait from the sets by acceptance and by deadline.
fn forget<T>(
    id: WaitId,
    wait: &Wait<T>,
    accepted: &mut InOrder<(Micros, WaitId)>,
    deadlines: &mut InOrder<(Micros, WaitId)>,
) {
    accepted.remove(&(wait.since, id));
    if let Some(at) = wait.deadline {
        deadlines.remove(&(at, id));
    }
}

/// An upper bound, in the order of [`Need`], of the requirements that `acks` can meet.
fn greatest_need(acks: &Acks) -> Need {
    Need {
        replicas: acks.replicas(),
        fsync: u32::MAX,
    }
}

mod deadlines;
mod in_order;
mod lost;
mod queues;
mod unseen;
mod users;

#[cfg(test)]
mod tests;
