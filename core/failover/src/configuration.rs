//! Which replicas can have what a term has released, and when an election has heard enough of them.
//!
//! A term holder releases only what replicas of its **configuration** have acknowledged. It writes
//! the configuration to its disk, and so does each of those replicas, before it counts. A member that
//! restarts loses its vote on data, but not the configuration: it votes as a **witness**. The votes
//! of an election then tell which replicas the released writes may be on.
//!
//! Example with N = 3 and K = 1: B restarts. P goes on with the configuration {A}. P dies. A asks B,
//! whose vote is a witness's. That makes two votes, they know of no configuration but {A}, and A has
//! kept its memory: A has every released write, and is elected. With the configuration {A, B} it
//! would have to wait: B could have acknowledged a write that A has not got.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Ballot, Group, MemberId, Membership};

/// A set of members.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Members(u16);

impl Members {
    /// Nobody.
    pub const NONE: Members = Members(0);

    fn bit(member: MemberId) -> u16 {
        1_u16.checked_shl(member.0.into()).unwrap_or(0)
    }

    /// Adds one.
    pub fn insert(&mut self, member: MemberId) {
        self.0 |= Members::bit(member);
    }

    /// Removes one.
    pub fn remove(&mut self, member: MemberId) {
        self.0 &= !Members::bit(member);
    }

    /// Whether it is one of them.
    pub fn contains(self, member: MemberId) -> bool {
        self.0 & Members::bit(member) != 0
    }

    /// How many.
    pub fn count(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or(0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, others: Members) -> Members {
        Members(self.0 & others.0)
    }

    /// Those that are not in the other one.
    #[must_use]
    pub fn without(self, others: Members) -> Members {
        Members(self.0 & !others.0)
    }

    /// In order of their places.
    pub fn iter(self) -> impl Iterator<Item = MemberId> {
        (0..16)
            .map(MemberId)
            .filter(move |&member| self.contains(member))
    }
}

impl FromIterator<MemberId> for Members {
    fn from_iter<I: IntoIterator<Item = MemberId>>(members: I) -> Members {
        let mut all = Members::NONE;
        members.into_iter().for_each(|member| all.insert(member));
        all
    }
}

/// The replicas that may count in a term. A later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// The term.
    pub term: Ballot,
    /// Counts the configurations of the term, from 1.
    pub number: u32,
    /// The replicas, K at least.
    pub replicas: Members,
}

impl Configuration {
    /// Before the first: nothing was released.
    pub const NONE: Configuration = Configuration {
        term: Ballot::ZERO,
        number: 0,
        replicas: Members::NONE,
    };
}

/// What a member keeps over a restart: it is on disk before the member acts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kept {
    /// The highest ballot that it has voted for, stood in, or followed.
    pub promise: Ballot,
    /// The latest configuration that it is or was in, or has made.
    pub configuration: Configuration,
    /// The list of members that it goes by.
    pub list: Membership,
}

impl Kept {
    /// Of a member of a new group that has promised this, and knows of no configuration.
    pub fn promised(promise: Ballot) -> Kept {
        Kept {
            promise,
            configuration: Configuration::NONE,
            list: Membership::FIRST,
        }
    }

    /// Of a node that joins a group in this term, in the place of another one.
    pub fn joining(term: Ballot, list: Membership) -> Kept {
        Kept {
            list,
            ..Kept::promised(term)
        }
    }

    /// Whether all of `other` is in it, or something later, by the same list of members.
    pub fn covers(self, other: Kept) -> bool {
        self.promise >= other.promise
            && self.configuration >= other.configuration
            && self.list.version == other.list.version
    }
}

/// What a vote says about the voter's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Credentials {
    /// The term in which its data were confirmed. `None` for a witness.
    pub confirmed_in: Option<Ballot>,
    /// The latest configuration that it has on disk.
    pub configuration: Configuration,
}

/// What an election lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Votes.
    Votes {
        /// There are so many.
        have: usize,
        /// It takes so many.
        need: usize,
    },
    /// Members with data: released writes may be on others.
    Data {
        /// So many members of the latest known configuration have kept their data.
        have: usize,
        /// It takes so many.
        need: usize,
    },
}

/// Whether these votes elect a candidate that is not behind any voter with data.
///
/// # Errors
/// What is missing.
pub fn suffices(group: Group, votes: &BTreeMap<MemberId, Credentials>) -> Result<(), Shortage> {
    let (have, need) = (votes.len(), usize::from(group.votes()));
    if have < need {
        return Err(Shortage::Votes { have, need });
    }
    has_data(group, votes)
}

/// Whether released writes are on voters that have kept their data.
///
/// Any V of the votes are an election by themselves. So if all together do not suffice, those are left
/// out that know of the latest configuration. It was not in force if V others do not know of it: for
/// example if the primary died before anybody else had it, and votes now as a witness.
pub(super) fn has_data(
    group: Group,
    votes: &BTreeMap<MemberId, Credentials>,
) -> Result<(), Shortage> {
    let shortage = match covers(group, votes) {
        Ok(()) => return Ok(()),
        Err(shortage) => shortage,
    };
    let known: BTreeSet<Configuration> = votes.values().map(|vote| vote.configuration).collect();
    let is_enough = |latest: Configuration| {
        let mut some = votes.clone();
        some.retain(|_, vote| vote.configuration <= latest);
        some.len() >= usize::from(group.votes()) && covers(group, &some).is_ok()
    };
    if known.into_iter().any(is_enough) {
        Ok(())
    } else {
        Err(shortage)
    }
}

/// V votes include a member of each configuration in which writes were released, or its author. So
/// the latest one that they know is that one or a later one. What was released before it was proposed
/// is on each of its replicas that has it on disk: one of them has to be among the voters. What was
/// released later was acknowledged by K of its replicas: all but K − 1 have to be among the voters,
/// and have kept their data. The author has everything by itself. So has a member whose data were
/// confirmed in a later term.
fn covers(group: Group, votes: &BTreeMap<MemberId, Credentials>) -> Result<(), Shortage> {
    let latest = votes.values().map(|vote| vote.configuration).max();
    let latest = latest.unwrap_or(Configuration::NONE);
    let has_everything = |(&member, vote): (&MemberId, &Credentials)| {
        let is_author = latest.term.author == Some(member);
        vote.confirmed_in > Some(latest.term) || is_author && vote.confirmed_in == Some(latest.term)
    };
    if votes.iter().any(has_everything) {
        return Ok(());
    }
    let kept = latest.replicas.iter().filter_map(|member| {
        let vote = votes.get(&member)?;
        (vote.confirmed_in == Some(latest.term)).then_some(vote)
    });
    let kept: Vec<&Credentials> = kept.collect();
    let has_it = kept.iter().any(|vote| vote.configuration == latest);
    let may_lack = usize::from(group.acknowledgements()).saturating_sub(1);
    let need = latest.replicas.count().saturating_sub(may_lack).max(1);
    if has_it && kept.len() >= need {
        return Ok(());
    }
    Err(Shortage::Data {
        have: kept.len(),
        need,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: MemberId = MemberId(0);
    const A: MemberId = MemberId(1);
    const B: MemberId = MemberId(2);

    fn term(counter: u64) -> Ballot {
        Ballot {
            counter,
            author: Some(P),
        }
    }

    fn of(number: u32, replicas: &[MemberId]) -> Configuration {
        Configuration {
            term: term(5),
            number,
            replicas: replicas.iter().copied().collect(),
        }
    }

    fn elected(
        (members, acknowledgements): (u8, u8),
        votes: &[(MemberId, Option<u64>, Configuration)],
    ) -> bool {
        let group = Group::new(members, acknowledgements).expect("a group");
        let votes = votes.iter().map(|&(member, confirmed_in, configuration)| {
            let confirmed_in = confirmed_in.map(term);
            (
                member,
                Credentials {
                    confirmed_in,
                    configuration,
                },
            )
        });
        suffices(group, &votes.collect()).is_ok()
    }

    #[test]
    fn a_witness_votes_for_the_only_replica_of_the_latest_configuration() {
        let (both, one) = (of(1, &[A, B]), of(2, &[A]));
        assert!(elected((3, 1), &[(A, Some(5), one), (B, None, both)]));
        assert!(elected((3, 1), &[(A, Some(5), one), (P, None, one)]));
        assert!(!elected((3, 1), &[(A, Some(5), one)]));
    }

    #[test]
    fn a_replica_that_has_restarted_may_have_acknowledged_what_others_lack() {
        let both = of(1, &[A, B]);
        assert!(!elected((3, 1), &[(A, Some(5), both), (B, None, both)]));
        assert!(elected((3, 1), &[(A, Some(5), both), (B, Some(5), both)]));
        // With K = 2 each of them has everything.
        assert!(elected((3, 2), &[(A, Some(5), both)]));
        assert!(!elected((3, 2), &[(B, None, both)]));
    }

    #[test]
    fn the_latest_configuration_that_a_voter_knows_decides() {
        let (old, new) = (of(1, &[A]), of(2, &[B]));
        assert!(!elected((3, 1), &[(A, Some(5), old), (B, None, new)]));
        assert!(!elected((3, 1), &[(A, Some(5), old), (P, None, new)]));
        assert!(elected((3, 1), &[(A, Some(5), old), (B, Some(5), new)]));
    }

    #[test]
    fn a_replica_that_has_not_got_the_latest_configuration_counts_beside_one_that_has() {
        let (old, new) = (of(1, &[A]), of(2, &[A, B]));
        assert!(elected((3, 1), &[(A, Some(5), new), (B, Some(5), old)]));
        assert!(!elected((3, 1), &[(A, Some(5), new), (B, None, old)]));
    }

    #[test]
    fn what_only_a_witness_knows_of_was_not_in_force() {
        let (old, new) = (of(1, &[A, B]), of(2, &[A]));
        let two = [(A, Some(5), old), (B, Some(5), old)];
        assert!(elected((3, 1), &two));
        assert!(elected((3, 1), &[two[0], two[1], (P, None, new)]));
        assert!(!elected((3, 1), &[two[1], (P, None, new)]));
    }

    #[test]
    fn the_author_and_whoever_follows_a_later_term_have_everything() {
        let both = of(1, &[A, B]);
        assert!(elected((3, 1), &[(P, Some(5), both), (B, None, both)]));
        assert!(elected((3, 1), &[(A, Some(6), both), (B, None, both)]));
        assert!(!elected((3, 1), &[(A, Some(4), both), (B, None, both)]));
    }

    #[test]
    fn witnesses_alone_elect_nobody() {
        let none = Configuration::NONE;
        assert!(!elected((3, 1), &[(A, None, none), (B, None, none)]));
        assert!(elected((3, 1), &[(A, Some(1), none), (B, None, none)]));
    }
}
