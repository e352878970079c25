//! Scripts that have arrived and were not run yet: their order, and when they run.
//!
//! A script that a handler calls cannot be called safely: if it runs for long, its caller can leave
//! meanwhile, and the server crashes. So the handler blocks the caller, and the script runs from a
//! zero-delay timer of the event loop. Each timer runs one script, because everything that one
//! timer executes is one transaction for replicas and the append-only file.
//!
//! | event | method | result |
//! |---|---|---|
//! | a script arrived | [`arrived`] | arm a timer, or not |
//! | a timer fired | [`timer_fired`] | the script to run |
//! | … and the script has ended | [`ran`] | |
//! | the client left, or was unblocked | [`remove`] | it never runs |
//! | a turn begins | [`turn_begins`] | timers to arm |
//! | a turn ends | [`turn_ends`] | wake the event loop, or not |
//!
//! Scripts run in the order of their arrival, for [`BUDGET`] in each turn. The others wait for the
//! next turn, so that other clients are served. Example with scripts of 2 ms: five arrive in one
//! turn, three run in it, and two in the next one.
//!
//! While the server is paused (CLIENT PAUSE, FAILOVER) no script runs, because nothing may be
//! written.
//!
//! [`arrived`]: ScriptQueue::arrived
//! [`timer_fired`]: ScriptQueue::timer_fired
//! [`ran`]: ScriptQueue::ran
//! [`remove`]: ScriptQueue::remove
//! [`turn_begins`]: ScriptQueue::turn_begins
//! [`turn_ends`]: ScriptQueue::turn_ends

pub mod errors;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::ledger::WaitId;
use crate::shares::{User, UserShares};
use crate::units::Micros;

/// A turn begins no script after scripts have run for so long in it.
pub const BUDGET: Micros = Micros::new(5000);

/// So many timers are armed at most. If the budget is used up, the others fire for nothing.
const MAX_TIMERS: usize = 256;

/// Above this capacity an empty queue frees its memory.
const KEPT_CAPACITY: usize = 1024;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct ScriptQueue {
    /// Clients and their users, in the order of arrival.
    queue: BTreeMap<u64, (WaitId, User)>,
    /// The place of each client in the queue.
    places: FxHashMap<WaitId, u64>,
    /// The place of the next script.
    next: u64,
    shares: UserShares,
    /// Timers that have been armed and have not fired.
    timers: usize,
    /// How long scripts have run in this turn.
    used: Micros,
    /// A script was taken to be run in this turn.
    has_run: bool,
}

impl ScriptQueue {
    /// How many scripts wait to be run.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if no script waits to be run.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True if a script waits to be run, or has run in this turn.
    pub fn is_in_use(&self) -> bool {
        !self.queue.is_empty() || self.has_run
    }

    /// Whether a script of that client waits to be run.
    pub fn contains(&self, client: WaitId) -> bool {
        self.places.contains_key(&client)
    }

    /// How many scripts of that user wait to be run.
    pub fn of_user(&self, user: &[u8]) -> usize {
        self.shares.of(user)
    }

    /// A script arrived. A client has at most one in the queue; a second one takes the place of the
    /// first. Returns true if the caller has to arm a zero-delay timer.
    pub fn arrived(&mut self, client: WaitId, user: &[u8]) -> bool {
        self.remove(client);
        let user = self.shares.begin(user);
        self.places.insert(client, self.next);
        self.queue.insert(self.next, (client, user));
        self.next = self.next.saturating_add(1);
        let arm = self.timers < MAX_TIMERS;
        if arm {
            self.timers = self.timers.saturating_add(1);
        }
        arm
    }

    /// A timer fired. Returns the client whose script is to be run now; it is no longer in the
    /// queue. `paused` is true while nothing may be written.
    pub fn timer_fired(&mut self, paused: bool) -> Option<WaitId> {
        self.timers = self.timers.saturating_sub(1);
        if paused || self.used >= BUDGET {
            return None;
        }
        let (_, (client, user)) = self.queue.pop_first()?;
        self.forget(client, &user);
        self.has_run = true;
        Some(client)
    }

    /// A script has run for so long.
    pub fn ran(&mut self, took: Micros) {
        self.used = self.used.saturating_add(took);
    }

    /// Removes the script of that client. Returns false if it is not in the queue.
    pub fn remove(&mut self, client: WaitId) -> bool {
        let place = self.places.get(&client);
        let Some((_, user)) = place.and_then(|place| self.queue.remove(place)) else {
            return false;
        };
        self.forget(client, &user);
        true
    }

    /// A turn begins. Returns the number of zero-delay timers that the caller has to arm.
    pub fn turn_begins(&mut self, paused: bool) -> usize {
        (self.used, self.has_run) = (Micros::new(0), false);
        let wanted = if paused {
            0
        } else {
            self.queue.len().min(MAX_TIMERS)
        };
        let missing = wanted.saturating_sub(self.timers);
        self.timers = self.timers.saturating_add(missing);
        missing
    }

    /// A turn ends. Returns true if the caller has to wake the event loop, because scripts are
    /// left. A timer that is still armed does not always wake it: with I/O threads, Redis 7.0 can
    /// read commands after it has computed how long it will sleep. At the end of a pause the server
    /// wakes by itself.
    pub fn turn_ends(&self, paused: bool) -> bool {
        !self.queue.is_empty() && !paused
    }

    fn forget(&mut self, client: WaitId, user: &User) {
        self.places.remove(&client);
        self.shares.end(user);
        if self.places.is_empty() {
            self.places.shrink_to(KEPT_CAPACITY);
        }
    }
}

#[cfg(test)]
mod tests;
