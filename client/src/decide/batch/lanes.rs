//! Keeps the commands of a slot in order while some of them are redirected or turned away. Pure.
//!
//! A slot gets a lane when one of its commands is redirected or turned away, or when its commands
//! may choose different nodes. Most slots never get one. A lane holds back commands that would
//! overtake:
//!
//! - All commands of a lane wait equally long, and go to one node in one round. Those that would go
//!   to another node wait for the next round: an `ASK`, or a command for the primary while others
//!   go to a substitute.
//! - Once a command has been turned away, its lane sends one command at a time until one is
//!   executed. Otherwise a pipeline could reach a node at the moment when it begins to serve the
//!   slot, and be executed from its middle on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::decide::backoff;
use crate::decide::node::Node;

/// So many redirections of a command are followed at once. More of them mean that nodes disagree.
const PROMPT_REDIRECTS: u32 = 3;
/// Waits between redirections grow like those after failures, up to the wait after this many
/// failures: 32 to 64 ms.
const MAX_REDIRECT_WAIT: u32 = 4;

#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Option<u16>, Lane>,
    round: u64,
}

struct Lane {
    /// Nothing is sent before this instant.
    ready: Instant,
    /// When a command was first turned away since one was last executed.
    since: Option<Instant>,
    failures: u32,
    avoid: Option<Node>,
    /// Commands go one at a time.
    probing: bool,
    /// The last round in which a command was turned away.
    refused_in: u64,
    /// The last round in which a command was turned away or redirected.
    troubled_in: u64,
    /// The node that the commands of this round go to.
    going: Option<Node>,
    /// All further commands are held back until the next round.
    full: bool,
}

/// Whether a command goes in this round.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// To this node; `None` if there is no node to send it to.
    Go(Option<Node>),
    /// Not in this round: it is too early, or an earlier command of its slot goes first.
    Held,
}

/// When a command that was turned away goes again.
#[derive(Debug, PartialEq)]
pub(crate) struct Retry {
    /// When the trouble of its slot began.
    pub(crate) since: Instant,
    pub(crate) at: Instant,
}

impl Lanes {
    /// Makes a lane for a slot that has had no trouble.
    pub(crate) fn keep_together(&mut self, slot: Option<u16>, now: Instant) {
        self.lane(slot, now);
    }

    pub(crate) fn begin_round(&mut self) {
        self.round = self.round.saturating_add(1);
        for lane in self.lanes.values_mut() {
            (lane.going, lane.full) = (None, false);
        }
    }

    /// When the first command of these slots may go; `None` for at once.
    pub(crate) fn not_before(
        &self,
        slots: impl Iterator<Item = Option<u16>>,
        now: Instant,
    ) -> Option<Instant> {
        let mut first = None;
        for slot in slots {
            let ready = self.lanes.get(&slot).map(|lane| lane.ready);
            let ready = ready.filter(|ready| *ready > now)?;
            first = Some(first.map_or(ready, |first: Instant| first.min(ready)));
        }
        first
    }

    /// Whether a command of `slot` goes in this round. Call this in the order of the batch.
    /// `choose` names the node, from the number of failures of the slot and the node to avoid.
    pub(crate) fn admit(
        &mut self,
        slot: Option<u16>,
        now: Instant,
        choose: impl FnOnce(u32, Option<&Node>) -> Option<Node>,
    ) -> Admission {
        let Some(lane) = self.lanes.get_mut(&slot) else {
            return Admission::Go(choose(0, None));
        };
        if lane.ready > now || lane.full {
            return Admission::Held;
        }
        let Some(node) = choose(lane.failures, lane.avoid.as_ref()) else {
            return Admission::Go(None);
        };
        if lane.going.as_ref().is_some_and(|going| *going != node) {
            lane.full = true;
            return Admission::Held;
        }
        lane.full = lane.probing;
        lane.going = Some(node.clone());
        Admission::Go(Some(node))
    }

    /// A command of the slot has been executed, or has an error for the caller. That ends the
    /// trouble of the slot, unless another command of the slot met trouble in this round.
    pub(crate) fn executed(&mut self, slot: Option<u16>, now: Instant) {
        let round = self.round;
        let untroubled = |lane: &&mut Lane| lane.troubled_in != round;
        if let Some(lane) = self.lanes.get_mut(&slot).filter(untroubled) {
            (lane.ready, lane.since, lane.failures) = (now, None, 0);
            (lane.avoid, lane.probing) = (None, false);
        }
    }

    /// A command of the slot was redirected, for the `times`th time; `random` is in `0.0..1.0`.
    pub(crate) fn redirected(&mut self, slot: Option<u16>, times: u32, now: Instant, random: f64) {
        let round = self.round;
        let lane = self.lane(slot, now);
        if std::mem::replace(&mut lane.troubled_in, round) != round {
            lane.avoid = None;
            lane.ready = match times.saturating_sub(PROMPT_REDIRECTS) {
                0 => now,
                many => now + backoff::delay(many.min(MAX_REDIRECT_WAIT), random),
            };
        }
    }

    /// A command of the slot was turned away, could not be sent, got no reply, or was redirected
    /// too often. All of one round count as one failure. The first `free_failures` cost no wait.
    pub(crate) fn refused(
        &mut self,
        slot: Option<u16>,
        avoid: Option<Node>,
        free_failures: u32,
        now: Instant,
        random: f64,
    ) -> Retry {
        let round = self.round;
        let lane = self.lane(slot, now);
        lane.troubled_in = round;
        if std::mem::replace(&mut lane.refused_in, round) != round {
            lane.failures = lane.failures.saturating_add(1);
            lane.avoid = avoid;
            lane.probing = true;
            let wait = match lane.failures.saturating_sub(free_failures) {
                0 => Duration::ZERO,
                many => backoff::delay(many, random),
            };
            lane.ready = now + wait;
        }
        Retry {
            since: *lane.since.get_or_insert(now),
            at: lane.ready,
        }
    }

    /// The time for a command of the slot is over. The commands that were held back behind it are
    /// sent now, together. Their time began when the trouble of the slot did, so one that fails is
    /// given up as well.
    pub(crate) fn gave_up(&mut self, slot: Option<u16>, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(&slot) {
            (lane.ready, lane.probing) = (now, false);
        }
    }

    /// Whether a command of the slot was turned away or redirected in this round.
    pub(crate) fn is_troubled(&self, slot: Option<u16>) -> bool {
        let lane = self.lanes.get(&slot);
        lane.is_some_and(|lane| lane.troubled_in == self.round)
    }

    fn lane(&mut self, slot: Option<u16>, now: Instant) -> &mut Lane {
        self.lanes.entry(slot).or_insert(Lane {
            ready: now,
            since: None,
            failures: 0,
            avoid: None,
            probing: false,
            refused_in: 0,
            troubled_in: 0,
            going: None,
            full: false,
        })
    }
}

#[cfg(test)]
mod tests;
