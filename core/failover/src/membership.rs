//! One member is exchanged for another node: REPLACE.
//!
//! The new node takes the **place** of the old one in the list of members. A member hears only
//! members that go by the same list. A term holder does the exchange in four steps:
//!
//! 1. It makes a configuration without the place.
//! 2. It writes the new list to its disk, and tells it to the other members.
//! 3. The replicas of that configuration go by the new list, and confirm their data again.
//! 4. The new node **joins**: it is a witness that has promised the term.
//!
//! The term holder and K replicas are K + 1 members. So fewer than V are left that go by the old
//! list: they elect nobody, and the old node is heard by nobody else. What was released is on these
//! K + 1, and a later election by the new list includes one of them. Before step 4 the place is at
//! most empty, as if its node were down. Step 1 comes first so that the group survives the loss of
//! the primary in step 3: the old node's data are not needed then.
//!
//! If the primary dies in between, members may go by different lists. The one that was confirmed in
//! the later term counts: a new term holder may go by the old list, and then the exchange is
//! undone. Once a new node may join, nobody can hold a later term by the old list.
//!
//! Example with N = 3 and K = 1: B is exchanged for C. P goes on with the configuration {A}, and
//! writes the list {P, A, C}. A confirms by that list. Now C joins. P dies, and C votes for A,
//! which has every released write. With the configuration {A, B} a write could be on P and B only.
//! If A had not confirmed by the new list, it could still be elected by B.

use serde::{Deserialize, Serialize};

use super::member::{Action, Member};
use super::message::Message;
use super::{Ballot, MemberId, Members, Rule};

/// Which list of members a node goes by. Of two lists that were confirmed in one term, the greater
/// one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The term in which the list was made.
    pub term: Ballot,
    /// Counts the lists of that term, from 1.
    pub number: u32,
}

impl Version {
    /// The list with which a group is formed.
    pub const FIRST: Version = Version {
        term: Ballot::ZERO,
        number: 1,
    };

    /// The next list, made in a term. `None` after the last.
    pub fn next(self, term: Ballot) -> Option<Version> {
        let number = if self.term == term { self.number } else { 0 };
        let number = number.checked_add(1)?;
        let next = Version { term, number };
        (next > self).then_some(next)
    }
}

/// What the rules need of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// Which list it is.
    pub version: Version,
    /// The place whose node has changed, until the new node is known to be a member.
    pub joining: Option<MemberId>,
}

impl Membership {
    /// Of a group that was just formed.
    pub const FIRST: Membership = Membership {
        version: Version::FIRST,
        joining: None,
    };
}

impl Member {
    /// The list that it goes by.
    pub fn membership(&self) -> Membership {
        self.membership
    }

    /// The term in which its list was confirmed, as far as it knows: its data or its configuration
    /// were confirmed in it by a member that goes by the same list, or the list was made in it.
    pub fn list_term(&self) -> Ballot {
        let of_list = self.membership.version.term;
        self.log_term.max(of_list).max(self.configuration.term)
    }

    /// Whether a list counts more than the own one. `confirmed_in` is the teller's
    /// [`list_term`](Self::list_term).
    pub fn prefers(&self, told: Version, confirmed_in: Ballot) -> bool {
        let own = (self.list_term(), self.membership.version);
        (confirmed_in.max(told.term), told) > own || !self.holds(Rule::ConfirmedListCounts)
    }

    /// Goes by another list from now on. `changed` are the places whose nodes differ: what the
    /// nodes there have said is forgotten.
    pub fn change(&mut self, list: Membership, changed: Members) -> Vec<Action> {
        self.membership = list;
        self.candidacy = None;
        // A node must not get what was meant for another one.
        self.outbox.retain(|&(to, _)| !changed.contains(to));
        changed.iter().for_each(|place| self.forget(place));
        if self.holds(Rule::ConfirmedByList) {
            self.needs_confirmations();
        }
        self.promise_and_send(self.promise, [])
    }

    /// The node in this place is a member: it was heard. No need to keep that on disk.
    pub fn has_joined(&mut self, place: MemberId) {
        if self.membership.joining == Some(place) {
            self.membership.joining = None;
        }
    }

    /// The place whose new node may join, and what to tell it. To be repeated from time to time.
    pub fn may_join(&self) -> Option<(MemberId, Message)> {
        let (term, list) = (self.term()?, self.membership);
        let place = list.joining?;
        let is_out = |replicas: Members| !replicas.contains(place);
        let is_written = self.persisted_state().covers(self.kept());
        let may = is_written && self.in_force().is_some_and(is_out);
        may.then_some((place, Message::Join { term, list }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_a_later_term_is_later() {
        let term = |counter| Ballot {
            counter,
            author: Some(MemberId(0)),
        };
        let one = Version::FIRST.next(term(3)).expect("there is one");
        let two = one.next(term(3)).expect("there is one");
        let three = two.next(term(4)).expect("there is one");
        assert!(Version::FIRST < one && one < two && two < three);
        assert_eq!((one.number, two.number, three.number), (1, 2, 1));
        assert_eq!(three.next(term(3)), None);
    }
}
