//! Ballots: numbers that no two members choose.

use serde::{Deserialize, Serialize};

/// A member, by its place in the group's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId(pub u8);

/// The number of an election. The order is by the counter, then by the member that chose it. So two
/// members that count alike have different ballots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Counts elections.
    pub counter: u64,
    /// Who chose it. `None` only in [`Ballot::ZERO`].
    pub author: Option<MemberId>,
}

impl Ballot {
    /// Below every other ballot: nothing was promised or confirmed.
    pub const ZERO: Ballot = Ballot {
        counter: 0,
        author: None,
    };

    /// The ballot that `author` chooses after having promised this one. `None` after the last.
    pub fn next(self, author: MemberId) -> Option<Ballot> {
        Some(Ballot {
            counter: self.counter.checked_add(1)?,
            author: Some(author),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ballot_is_above_and_different_for_each_member() {
        let (one, two) = (MemberId(1), MemberId(2));
        let first = Ballot::ZERO.next(one).expect("there is one");
        let other = Ballot::ZERO.next(two).expect("there is one");
        assert!(Ballot::ZERO < first && first < other);
        assert!(other < first.next(one).expect("there is one"));
        let last = Ballot {
            counter: u64::MAX,
            author: Some(one),
        };
        assert_eq!(last.next(one), None);
    }
}
