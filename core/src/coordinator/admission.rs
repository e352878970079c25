//! Decides whether a command may wait: not too many clients wait, and enough replicas count.

use super::Coordinator;
use crate::ledger::WaitId;
use crate::stats::bump;
use crate::units::Micros;

/// Fewer replicas count than a command requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewReplicas {
    /// How many count.
    pub connected: u32,
    /// How many are required.
    pub required: u32,
    /// Links that do not count.
    pub others: usize,
}

impl<P> Coordinator<P> {
    /// True if none of the checks below would refuse a command of this client, apart from the
    /// user's share: the client does not wait, fewer than `max` clients wait, and the last look
    /// shows enough replicas and is still valid. Nearly all commands need no more than this.
    pub fn admits_at_once(&self, client: WaitId, max: usize, required: u32) -> bool {
        self.clients() < max && self.knows_enough_replicas(required) && !self.is_waiting(client)
    }

    /// Refuses a wait if `max` clients wait already.
    ///
    /// # Errors
    /// The number of waiting clients.
    pub fn check_room(&mut self, max: usize) -> Result<(), usize> {
        let waiting = self.clients();
        if waiting >= max {
            bump(&mut self.stats.counters.overloaded);
            return Err(waiting);
        }
        Ok(())
    }

    /// The waits that are not attributed to a user yet.
    pub fn unattributed(&self) -> Vec<WaitId> {
        self.ledger.unattributed()
    }

    /// Attributes a wait to a user. It then counts in the user's share.
    pub fn attribute(&mut self, client: WaitId, user: &[u8]) {
        self.ledger.attribute(client, user);
    }

    /// Refuses a wait if `share` clients of that user wait already.
    ///
    /// # Errors
    /// The number of waiting clients of that user.
    pub fn check_share(&mut self, user: &[u8], share: usize) -> Result<(), usize> {
        let acknowledging = self.ledger.waits_of(user);
        let waiting = acknowledging.saturating_add(self.scripts.of_user(user));
        if waiting >= share {
            bump(&mut self.stats.counters.overloaded);
            return Err(waiting);
        }
        Ok(())
    }

    /// True if the last look shows enough replicas and is still valid. If false, the caller has to
    /// look before it refuses a command: the server reports a replica that comes or goes, but not
    /// one that begins to count.
    pub fn knows_enough_replicas(&self, required: u32) -> bool {
        self.replicas_current && self.acks().replicas() >= required
    }

    /// Refuses a command if the look that was just taken shows too few replicas.
    ///
    /// # Errors
    /// The numbers for the error reply.
    pub fn check_replicas(&mut self, required: u32, now: Micros) -> Result<(), TooFewReplicas> {
        let connected = self.connected(now);
        if connected >= required {
            return Ok(());
        }
        bump(&mut self.stats.counters.noreplicas);
        self.alarms.something_changed();
        let counted = usize::try_from(connected).unwrap_or(usize::MAX);
        Err(TooFewReplicas {
            connected,
            required,
            others: self.replicas.link_count().saturating_sub(counted),
        })
    }

    /// The number of replicas that count or counted until a moment ago, and of those that were not
    /// asked in time (`greeting.rs`). A link that flaps behind a NAT can make other links prove
    /// themselves again. Commands must not be refused because of that.
    pub fn connected(&self, now: Micros) -> u32 {
        let counting = self.replicas.counting_for_admission(now);
        if self.unasked_count(now) {
            return counting.max(self.replicas.counting_if_unasked_do());
        }
        counting
    }
}
