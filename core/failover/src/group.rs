//! The size of a group, and how many members must agree.

/// N members, K acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    members: u8,
    acknowledgements: u8,
}

impl Group {
    /// `members` with the primary, and the number of replicas that must have a write before it is
    /// released. `None` unless 1 ≤ K < N.
    pub fn new(members: u8, acknowledgements: u8) -> Option<Group> {
        (acknowledgements >= 1 && acknowledgements < members).then_some(Group {
            members,
            acknowledgements,
        })
    }

    /// N.
    pub fn members(self) -> u8 {
        self.members
    }

    /// K.
    pub fn acknowledgements(self) -> u8 {
        self.acknowledgements
    }

    /// V = N − K: the votes that an election needs.
    pub fn votes(self) -> u8 {
        self.members.saturating_sub(self.acknowledgements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_and_its_acknowledgers_and_the_voters_share_a_member() {
        for members in 2..=9 {
            for acknowledgements in 1..members {
                let group = Group::new(members, acknowledgements).expect("it is valid");
                assert!(acknowledgements + 1 + group.votes() > members);
            }
        }
        assert_eq!(Group::new(3, 0), None);
        assert_eq!(Group::new(3, 3), None);
        assert_eq!(Group::new(1, 1), None);
    }
}
