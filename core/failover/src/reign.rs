//! A primary's side: confirmations of replicas, what they make releasable, and whom it serves.
//!
//! An acknowledgement counts if the replica has confirmed (granted) in this term that it has
//! everything that the primary had, and its link has not changed since. Each change of a link is a
//! new generation of that link, so a grant from before the change does not count.
//!
//! Besides, the replica has to be in the term's configuration (`configuration.rs`). A new one is
//! proposed when others have confirmed. It is in force once each of its replicas has it on disk.
//! Until then only those count that are in the one in force and in all that were proposed since: any
//! of these may be the latest that an election hears of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::member::{Action, Member, Position, Start};
use super::message::Message;
use super::{Ballot, Configuration, MemberId, Members, Rule};

/// The number of changes of one replica's link that its primary has seen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

/// What a primary remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reign {
    term: Option<Ballot>,
    generations: BTreeMap<MemberId, Generation>,
    grants: Members,
    /// The latest configuration, until it is in force.
    proposed: Option<Proposal>,
    /// The replicas of the configuration in force that are in all proposed ones too.
    usable: Members,
    /// Members that may be served, and the position at which.
    pub(super) admissions: BTreeMap<MemberId, (Ballot, PositionKey)>,
}

/// A configuration that is not in force yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Proposal {
    configuration: Configuration,
    /// Its replicas that have it on disk.
    holders: Members,
}

pub(super) type PositionKey = (u128, u64);

pub(super) fn key(position: Position) -> PositionKey {
    (position.stream.0, position.offset)
}

impl Reign {
    pub(super) fn with_term(term: Ballot) -> Reign {
        Reign {
            term: Some(term),
            ..Reign::default()
        }
    }

    pub(super) fn closed() -> Reign {
        Reign::default()
    }

    pub(super) fn term(&self) -> Option<Ballot> {
        self.term
    }

    /// Returns true if there was one.
    pub(super) fn lose_term(&mut self) -> bool {
        let term = self.term;
        *self = Reign {
            generations: std::mem::take(&mut self.generations),
            ..Reign::default()
        };
        term.is_some()
    }
}

impl Member {
    /// The replicas of the latest configuration, if it is in force and all of them have confirmed
    /// by the present list of members.
    pub fn in_force(&self) -> Option<Members> {
        let reign = self.reign.as_ref()?;
        let latest = self.configuration_in(self.term()?)?;
        let have_confirmed = latest.replicas.without(reign.grants) == Members::NONE;
        (reign.proposed.is_none() && have_confirmed).then_some(latest.replicas)
    }

    /// The list of members has changed: all replicas have to confirm by the new one.
    pub(super) fn needs_confirmations(&mut self) {
        if let Some(reign) = &mut self.reign {
            reign.grants = Members::NONE;
        }
    }

    /// Another node is at this place: nothing that was confirmed from there counts.
    pub(super) fn forget(&mut self, place: MemberId) {
        let Some(reign) = &mut self.reign else { return };
        let generation = reign.generations.entry(place).or_default();
        generation.0 = generation.0.saturating_add(1);
        reign.grants.remove(place);
        reign.usable.remove(place);
        reign.admissions.remove(&place);
    }

    /// The link of a replica came or went. The event has to come before any acknowledgement over a
    /// new link.
    pub fn link_changed(&mut self, replica: MemberId) {
        let binds = self.holds(Rule::GrantBoundToLink);
        let Some(reign) = &mut self.reign else { return };
        if binds {
            let generation = reign.generations.entry(replica).or_default();
            generation.0 = generation.0.saturating_add(1);
            reign.grants.remove(replica);
        }
        reign.admissions.remove(&replica);
    }

    /// What to send to a connected replica that has not granted, or lacks the configuration.
    /// `position` is the end of the stream, and `start` the replica's start, as far as it is known.
    /// To be asked again from time to time: messages may be lost.
    pub fn challenge(
        &self,
        replica: MemberId,
        position: Position,
        start: Start,
    ) -> Option<Message> {
        let (term, reign) = (self.term()?, self.reign.as_ref()?);
        let lacks_configuration = reign.proposed.is_some_and(|proposal| {
            let replicas = proposal.configuration.replicas;
            replicas.contains(replica) && !proposal.holders.contains(replica)
        });
        if reign.grants.contains(replica) && !lacks_configuration {
            return None;
        }
        let configuration = self.configuration_in(term);
        let configuration = configuration.filter(|latest| latest.replicas.contains(replica));
        let is_on_disk = |latest: Configuration| self.persisted_state().configuration >= latest;
        configuration
            .is_none_or(is_on_disk)
            .then(|| Message::Challenge {
                term,
                generation: reign.generations.get(&replica).copied().unwrap_or_default(),
                position,
                configuration,
                start,
            })
    }

    /// The latest configuration that this term holder has made.
    fn configuration_in(&self, term: Ballot) -> Option<Configuration> {
        Some(self.configuration).filter(|latest| latest.term == term)
    }

    /// The replicas that have confirmed, without those that are left out, if they are not those of
    /// the latest configuration, and enough of them for one.
    pub fn may_configure(&self, left_out: Members) -> Option<Members> {
        let (term, reign) = (self.term()?, self.reign.as_ref()?);
        let latest = self.configuration_in(term).map(|latest| latest.replicas);
        let replicas = reign.grants.without(left_out);
        let is_enough = replicas.count() >= usize::from(self.group.acknowledgements());
        (is_enough && latest != Some(replicas)).then_some(replicas)
    }

    /// The configuration that is not in force yet, and its replicas that do not have it on disk.
    pub fn awaited(&self) -> Option<(Configuration, Members)> {
        let proposal = self.reign.as_ref()?.proposed?;
        let replicas = proposal.configuration.replicas;
        Some((proposal.configuration, replicas.without(proposal.holders)))
    }

    /// Proposes the configuration of the replicas that have confirmed, without those that are left
    /// out. Once it is on disk, each of them is asked again ([`challenge`](Self::challenge)), with
    /// the position of that time. A position of now would be too early: a replica that restarts
    /// meanwhile could have lost what it acknowledges until then, and would confirm all the same.
    pub fn configure(&mut self, left_out: Members) -> Vec<Action> {
        let (Some(replicas), Some(term)) = (self.may_configure(left_out), self.term()) else {
            return Vec::new();
        };
        let number = self
            .configuration_in(term)
            .map_or(0, |latest| latest.number);
        let Some(number) = number.checked_add(1) else {
            return Vec::new();
        };
        let configuration = Configuration {
            term,
            number,
            replicas,
        };
        self.configuration = configuration;
        let (is_joint, needs_holders) = (
            self.holds(Rule::JointConfigurations),
            self.holds(Rule::ConfigurationIsHeld),
        );
        let Some(reign) = &mut self.reign else {
            return Vec::new();
        };
        if is_joint {
            reign.usable = reign.usable.and(replicas);
        }
        reign.proposed = Some(Proposal {
            configuration,
            holders: Members::NONE,
        });
        if !needs_holders {
            reign.usable = replicas;
        }
        self.promise_and_send(term, [])
    }

    /// A challenge arrives. `own` is the own position, and `follows_sender` is true if the link to
    /// that very primary is up.
    pub fn challenged(
        &mut self,
        from: MemberId,
        (term, generation, start): (Ballot, Generation, Start),
        configuration: Option<Configuration>,
        position: Position,
        own: Position,
        follows_sender: bool,
    ) -> Vec<Action> {
        let is_stale = start != self.start && self.holds(Rule::AskedSinceStart);
        if !follows_sender || self.reign.is_some() || is_stale {
            return Vec::new();
        }
        if term < self.promise && self.holds(Rule::PromiseBinds) {
            return Vec::new();
        }
        let is_behind = own.stream != position.stream || own.offset < position.offset;
        if is_behind && self.holds(Rule::GrantNeedsAllData) {
            return Vec::new();
        }
        self.candidacy = None;
        self.log_term = term;
        self.is_voter = true;
        self.frozen = None;
        let configuration = configuration.filter(|told| told.term == term);
        if let Some(told) = configuration {
            self.configuration = self.configuration.max(told);
        }
        let grant = Message::Grant {
            term,
            generation,
            number: configuration.map_or(0, |told| told.number),
        };
        self.promise_and_send(term, [(from, grant)])
    }

    /// A replica confirms, and has the configuration with this number on disk.
    pub fn granted(&mut self, from: MemberId, term: Ballot, generation: Generation, number: u32) {
        let binds = self.holds(Rule::GrantBoundToLink);
        if self.term() != Some(term) {
            return;
        }
        let Some(reign) = &mut self.reign else { return };
        let current = reign.generations.get(&from).copied().unwrap_or_default();
        if generation != current && binds {
            return;
        }
        reign.grants.insert(from);
        let is_it = |proposal: &&mut Proposal| proposal.configuration.number == number;
        let Some(proposal) = reign.proposed.as_mut().filter(is_it) else {
            return;
        };
        proposal.holders.insert(from);
        let replicas = proposal.configuration.replicas;
        if replicas.and(proposal.holders) == replicas {
            reign.usable = replicas;
            reign.proposed = None;
        }
    }

    /// Whether this replica has confirmed on its present link.
    pub fn has_granted(&self, replica: MemberId) -> bool {
        let reign = self.reign.as_ref().filter(|_| self.term().is_some());
        reign.is_some_and(|reign| reign.grants.contains(replica))
    }

    /// The replicas whose acknowledgements count: they have confirmed on their present links, and
    /// are in the configuration.
    pub fn counting(&self) -> Members {
        let reign = self.reign.as_ref().filter(|_| self.term().is_some());
        reign.map_or(Members::NONE, |reign| reign.grants.and(reign.usable))
    }

    /// The offset up to which waits may be released: K replicas that count have acknowledged it.
    /// `acknowledged` has what each connected replica has acknowledged on its present link.
    pub fn releasable(
        &self,
        acknowledged: impl IntoIterator<Item = (MemberId, u64)>,
    ) -> Option<u64> {
        self.term()?;
        let counting = self.counting();
        let mut offsets: Vec<u64> = acknowledged
            .into_iter()
            .filter(|&(replica, _)| counting.contains(replica))
            .map(|(_, offset)| offset)
            .collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        let index = usize::from(self.group.acknowledgements()).checked_sub(1)?;
        offsets.get(index).copied()
    }
}
