//! A primary's side: confirmations of replicas, what they make releasable, and whom it serves.
//!
//! An acknowledgement counts if the replica has confirmed (granted) in this term that it has
//! everything that the primary had, and its link has not changed since. Each change of a link is a
//! new generation of that link, so a grant from before the change does not count.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::member::{Action, Member, Message, Position};
use super::{Ballot, MemberId, Rule};

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
    grants: BTreeSet<MemberId>,
    /// Members that may be served, and the position at which.
    admissions: BTreeMap<MemberId, (Ballot, PositionKey)>,
}

type PositionKey = (u128, u64);

fn key(position: Position) -> PositionKey {
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
        self.grants.clear();
        self.admissions.clear();
        self.term.take().is_some()
    }
}

impl Member {
    /// The link of a replica came or went. The event has to come before any acknowledgement over a
    /// new link.
    pub fn link_changed(&mut self, replica: MemberId) {
        let binds = self.holds(Rule::GrantBoundToLink);
        let Some(reign) = &mut self.reign else { return };
        if binds {
            let generation = reign.generations.entry(replica).or_default();
            generation.0 = generation.0.saturating_add(1);
            reign.grants.remove(&replica);
        }
        reign.admissions.remove(&replica);
    }

    /// What to send to a connected replica that has not granted. `position` is the end of the
    /// stream. To be asked again from time to time: messages may be lost.
    pub fn challenge(&self, replica: MemberId, position: Position) -> Option<Message> {
        let (term, reign) = (self.term()?, self.reign.as_ref()?);
        (!reign.grants.contains(&replica)).then(|| Message::Challenge {
            term,
            generation: reign.generations.get(&replica).copied().unwrap_or_default(),
            position,
        })
    }

    /// A challenge arrives. `own` is the own position, and `follows_sender` is true if the link to
    /// that very primary is up.
    pub fn challenged(
        &mut self,
        from: MemberId,
        (term, generation): (Ballot, Generation),
        position: Position,
        own: Position,
        follows_sender: bool,
    ) -> Vec<Action> {
        if !follows_sender || self.reign.is_some() {
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
        self.promise_and_send(term, [(from, Message::Grant { term, generation })])
    }

    /// A replica confirms.
    pub fn granted(&mut self, from: MemberId, term: Ballot, generation: Generation) {
        let binds = self.holds(Rule::GrantBoundToLink);
        if self.term() != Some(term) {
            return;
        }
        let Some(reign) = &mut self.reign else { return };
        let current = reign.generations.get(&from).copied().unwrap_or_default();
        if generation == current || !binds {
            reign.grants.insert(from);
        }
    }

    /// Whether this replica has confirmed on its present link.
    pub fn has_granted(&self, replica: MemberId) -> bool {
        let reign = self.reign.as_ref().filter(|_| self.term().is_some());
        reign.is_some_and(|reign| reign.grants.contains(&replica))
    }

    /// How many replicas have confirmed on their present links.
    pub fn grants(&self) -> usize {
        let reign = self.reign.as_ref().filter(|_| self.term().is_some());
        reign.map_or(0, |reign| reign.grants.len())
    }

    /// The offset up to which waits may be released: K replicas that have granted have acknowledged
    /// it. `acknowledged` has what each connected replica has acknowledged on its present link.
    pub fn releasable(
        &self,
        acknowledged: impl IntoIterator<Item = (MemberId, u64)>,
    ) -> Option<u64> {
        self.term()?;
        let grants = &self.reign.as_ref()?.grants;
        let mut offsets: Vec<u64> = acknowledged
            .into_iter()
            .filter(|(replica, _)| grants.contains(replica))
            .map(|(_, offset)| offset)
            .collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        let index = usize::from(self.group.acknowledgements()).checked_sub(1)?;
        offsets.get(index).copied()
    }

    /// Whether a replica that asks for the stream from `asked` is served. `None` is a replica
    /// without data. `own` are the streams that this primary can continue, and how far.
    ///
    /// Who has read a part of an own stream loses nothing: it is brought up to date, or gets a copy
    /// that includes what it has. Any other position needs an admission. The server does not tell
    /// which member asks, so the position has to be one that a member was admitted with. If there
    /// is none, all members are asked; the replica tries again by itself.
    ///
    /// # Errors
    /// It is not served. Carry out the actions.
    pub fn serves(&self, asked: Option<Position>, own: &[Position]) -> Result<(), Vec<Action>> {
        let Some(term) = self.term() else {
            if !self.holds(Rule::ClosedServesNobody) {
                return Ok(());
            }
            return Err(Vec::new());
        };
        let Some(position) = asked.filter(|_| self.holds(Rule::Admission)) else {
            return Ok(());
        };
        let is_part =
            |own: &Position| own.stream == position.stream && own.offset >= position.offset;
        if own.iter().any(is_part) {
            return Ok(());
        }
        let mut admissions = self
            .reign
            .iter()
            .flat_map(|reign| reign.admissions.values());
        if admissions.any(|&admitted| admitted == (term, key(position))) {
            return Ok(());
        }
        let ask = |member| Action::Send(member, Message::AskAdmission { term });
        Err(self.others().map(ask).collect())
    }

    /// A term holder asks whether it may replace the data of this replica, which end at `own`.
    pub fn admission_asked(&mut self, from: MemberId, term: Ballot, own: Position) -> Vec<Action> {
        if term < self.promise || self.reign.is_some() {
            return Vec::new();
        }
        if term > self.promise {
            self.candidacy = None;
        }
        let admit = Message::Admit {
            term,
            position: own,
        };
        self.promise_and_send(term, [(from, admit)])
    }

    /// A replica may be served.
    pub fn admitted(&mut self, from: MemberId, term: Ballot, position: Position) {
        if self.term() != Some(term) {
            return;
        }
        if let Some(reign) = &mut self.reign {
            reign.admissions.insert(from, (term, key(position)));
        }
    }
}
