//! The ledger of waits: which clients wait, for which offset, for which requirement, until when.
//!
//! A wait is *accepted* while its command runs, is *assigned* an offset when the event-loop turn
//! ends (only then is everything of the turn in the replication stream), and leaves the ledger
//! exactly once: *released* by an acknowledgement, or *cancelled* by a timeout or a client's end.
//! Waits that are lost, because the primary is none any more or the cluster has failed, can only be
//! cancelled.
//!
//! Waits with the same requirement stand in one queue, ordered by offset. The n-th best
//! acknowledgement is one offset for a whole queue, so an acknowledgement pops what it releases
//! from the queues' fronts and never looks at a wait that has to stay. Every structure here holds
//! live waits only, so replicas that stay away for hours cost what is waiting now and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::acks::{Acks, Need};
use crate::shares::{Shares, User};

/// A wait's name: the id of the waiting client, which waits for one thing at a time.
pub type WaitId = u64;

/// One wait, as it leaves the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<T> {
    /// What the wait needs.
    pub need: Need,
    /// The offset it waits for; `None` until the turn in which it was accepted ends.
    pub offset: Option<u64>,
    /// When it was accepted, in microseconds on the caller's clock.
    pub since: u64,
    /// When it is given up, on the same clock; `None` waits for ever.
    pub deadline: Option<u64>,
    /// The user in whose share it is counted.
    pub user: Option<User>,
    /// Whatever the caller keeps with the wait.
    pub payload: T,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Ledger<T> {
    waits: HashMap<WaitId, Wait<T>>,
    /// Accepted in this turn. Ids of waits that were cancelled meanwhile stay until the turn ends.
    fresh: Vec<WaitId>,
    queues: BTreeMap<Need, BTreeSet<(u64, WaitId)>>,
    deadlines: BTreeSet<(u64, WaitId)>,
    /// All waits, by when they were accepted.
    accepted: BTreeSet<(u64, WaitId)>,
    /// What the queues were when they were lost, as far as it is not yet named by `next_lost`.
    lost: Vec<(Loss, BTreeSet<(u64, WaitId)>)>,
    /// Whose the waits are, as far as they were attributed.
    shares: Shares,
}

/// Why waits will not be released any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The stream whose offsets they wait for is not this server's any more. An offset of the next
    /// one says nothing about it.
    Stream,
    /// The cluster has failed, and the server is about to answer them in its own words.
    Cluster,
}

/// A wait that has no offset after so many microseconds beyond its deadline gets none.
const LONGEST_TURN: u64 = 1_000_000;

/// Above this capacity an empty ledger gives its memory back.
const KEPT_CAPACITY: usize = 1024;

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self {
            waits: HashMap::new(),
            fresh: Vec::new(),
            queues: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            accepted: BTreeSet::new(),
            lost: Vec::new(),
            shares: Shares::default(),
        }
    }
}

impl<T> Ledger<T> {
    /// How many waits there are.
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// The wait of that client.
    pub fn get(&self, id: WaitId) -> Option<&Wait<T>> {
        self.waits.get(&id)
    }

    /// How many of the waits that were attributed are that user's.
    pub fn waits_of(&self, user: &[u8]) -> usize {
        self.shares.of(user)
    }

    /// Counts a wait in the share of that user, until it leaves the ledger.
    pub fn attribute(&mut self, id: WaitId, user: &[u8]) {
        let wait = self.waits.get_mut(&id).filter(|wait| wait.user.is_none());
        if let Some(wait) = wait {
            wait.user = Some(self.shares.begin(user));
        }
    }

    /// The waits that nobody was attributed to. Looks for them only if there are any.
    pub fn unattributed(&self) -> Vec<WaitId> {
        if self.shares.total() == self.waits.len() {
            return Vec::new();
        }
        let nobodys = |&(_, wait): &(&WaitId, &Wait<T>)| wait.user.is_none();
        let waits = self.waits.iter().filter(nobodys);
        waits.map(|(&id, _)| id).collect()
    }

    /// True when waits were accepted since the last [`assign`](Self::assign).
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Takes a wait without an offset. Refused, giving the payload back, where `id` waits already.
    pub fn accept(
        &mut self,
        id: WaitId,
        need: Need,
        since: u64,
        deadline: Option<u64>,
        payload: T,
    ) -> Result<(), T> {
        if self.waits.contains_key(&id) {
            return Err(payload);
        }
        let wait = Wait {
            need,
            offset: None,
            since,
            deadline,
            user: None,
            payload,
        };
        self.waits.insert(id, wait);
        self.fresh.push(id);
        self.accepted.insert((since, id));
        if let Some(at) = deadline {
            self.deadlines.insert((at, id));
        }
        Ok(())
    }

    /// Ends the turn: what was accepted in it waits for `offset`. True if for any of that the
    /// replicas have not acknowledged `offset` yet.
    pub fn assign(&mut self, offset: u64, acks: &Acks) -> bool {
        let mut outstanding = false;
        for id in self.fresh.drain(..) {
            if let Some(wait) = self.waits.get_mut(&id) {
                // A client may have been cancelled and have come back within one turn.
                if wait.offset.is_none() {
                    wait.offset = Some(offset);
                    let queue = self.queues.entry(wait.need).or_default();
                    queue.insert((offset, id));
                    outstanding |= acks.met_up_to(wait.need).is_none_or(|met| met < offset);
                }
            }
        }
        if self.fresh.capacity() > KEPT_CAPACITY {
            self.fresh.shrink_to(KEPT_CAPACITY);
        }
        outstanding
    }

    /// True when [`release`](Self::release) would release something.
    pub fn has_releasable(&self, acks: &Acks) -> bool {
        self.reachable(acks).any(|(need, queue)| {
            let met = acks.met_up_to(*need);
            let front = queue.first().map(|&(offset, _)| offset);
            matches!((met, front), (Some(met), Some(front)) if front <= met)
        })
    }

    /// Moves every wait that the acknowledgements satisfy into `released`, queue by queue in the
    /// order of their offsets.
    pub fn release(&mut self, acks: &Acks, released: &mut Vec<(WaitId, Wait<T>)>) {
        let mut emptied = false;
        for (need, queue) in self.queues.range_mut(..=most(acks)) {
            let Some(met) = acks.met_up_to(*need) else {
                continue;
            };
            while queue.first().is_some_and(|&(offset, _)| offset <= met) {
                let Some((_, id)) = queue.pop_first() else {
                    break;
                };
                if let Some(wait) = self.waits.remove(&id) {
                    self.accepted.remove(&(wait.since, id));
                    if let Some(at) = wait.deadline {
                        self.deadlines.remove(&(at, id));
                    }
                    if let Some(user) = &wait.user {
                        self.shares.end(user);
                    }
                    released.push((id, wait));
                }
            }
            emptied |= queue.is_empty();
        }
        if emptied {
            self.queues.retain(|_, queue| !queue.is_empty());
        }
        self.give_back();
    }

    /// Takes one wait out, whatever became of it: its client left, or its time is over.
    pub fn cancel(&mut self, id: WaitId) -> Option<Wait<T>> {
        let wait = self.waits.remove(&id)?;
        self.accepted.remove(&(wait.since, id));
        if let Some(at) = wait.deadline {
            self.deadlines.remove(&(at, id));
        }
        if let Some(user) = &wait.user {
            self.shares.end(user);
        }
        if let Some(offset) = wait.offset {
            if let Some(queue) = self.queues.get_mut(&wait.need) {
                queue.remove(&(offset, id));
                if queue.is_empty() {
                    self.queues.remove(&wait.need);
                }
            }
        }
        self.give_back();
        Some(wait)
    }

    /// No wait that there is now will be released any more. Each is still to be cancelled.
    pub fn lose(&mut self, loss: Loss) {
        for id in &self.fresh {
            // No turn's end is awaited for them any more.
            if let Some(wait) = self.waits.get_mut(id) {
                wait.offset.get_or_insert(u64::MAX);
            }
        }
        let fresh = self.fresh.drain(..).map(|id| (0, id)).collect();
        let queues = std::mem::take(&mut self.queues).into_values();
        let lost = queues.chain([fresh]).filter(|queue| !queue.is_empty());
        self.lost.extend(lost.map(|queue| (loss, queue)));
    }

    /// A wait that is lost, and why. Each is named once, and stays in the ledger until it is
    /// cancelled.
    pub fn next_lost(&mut self) -> Option<(WaitId, Loss)> {
        while let Some((loss, queue)) = self.lost.last_mut() {
            match queue.pop_first() {
                // Some have been cancelled meanwhile.
                Some((_, id)) if self.waits.contains_key(&id) => return Some((id, *loss)),
                Some(_) => (),
                None => {
                    self.lost.pop();
                }
            }
        }
        None
    }

    /// True while [`next_lost`](Self::next_lost) may have waits to name.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// When the wait was accepted that has lasted longest.
    pub fn oldest(&self) -> Option<u64> {
        self.accepted.first().map(|&(since, _)| since)
    }

    /// The earliest deadline of all waits.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// The waits whose deadline has come, the earliest first. They stay in the ledger until they
    /// are cancelled. Not among them are waits whose turn has not ended yet, unless it does not
    /// end: what they wait for may be acknowledged already, and nobody has looked.
    pub fn expired(&self, now: u64) -> impl Iterator<Item = WaitId> + '_ {
        let due = self.deadlines.iter().take_while(move |&&(at, _)| at <= now);
        due.filter(move |&&(at, id)| {
            let wait = self.waits.get(&id);
            let unseen = wait.is_some_and(|wait| wait.offset.is_none());
            !unseen || now.saturating_sub(at) >= LONGEST_TURN
        })
        .map(|&(_, id)| id)
    }

    /// True when a wait for fsyncs waits for an offset above `told`, up to and including `acked`.
    pub fn wants_fsync_within(&self, told: u64, acked: u64, acks: &Acks) -> bool {
        let Some(first) = told.checked_add(1).filter(|&first| first <= acked) else {
            return false;
        };
        self.reachable(acks)
            .filter(|(need, _)| need.fsync > 0)
            .any(|(_, queue)| {
                let within = (first, WaitId::MIN)..=(acked, WaitId::MAX);
                queue.range(within).next().is_some()
            })
    }

    /// Lets a wait that cannot be given up wait for ever.
    pub fn forget_deadline(&mut self, id: WaitId) {
        if let Some(wait) = self.waits.get_mut(&id) {
            if let Some(at) = wait.deadline.take() {
                self.deadlines.remove(&(at, id));
            }
        }
    }

    /// The queues whose requirement the connected replicas are numerous enough to meet.
    fn reachable(
        &self,
        acks: &Acks,
    ) -> impl Iterator<Item = (&Need, &BTreeSet<(u64, WaitId)>)> + '_ {
        self.queues.range(..=most(acks))
    }

    fn give_back(&mut self) {
        if self.waits.is_empty() {
            // What is left there are ids of waits that were cancelled in the turn that accepted them.
            self.fresh.clear();
            self.lost.clear();
            if self.waits.capacity() > KEPT_CAPACITY {
                self.waits.shrink_to(KEPT_CAPACITY);
            }
        }
    }
}

/// The greatest requirement that so many replicas could meet.
fn most(acks: &Acks) -> Need {
    Need {
        replicas: acks.replicas(),
        fsync: u32::MAX,
    }
}

#[cfg(test)]
mod tests;
