//! How many of the waits are whose: each user may have a share of them.
//!
//! Users are kept by their names, and none of whom nothing is counted.

use std::collections::HashMap;
use std::sync::Arc;

/// The name of a user that waits are counted for.
pub type User = Arc<[u8]>;

/// Waits by user.
#[derive(Debug, Default)]
pub struct Shares {
    waits: HashMap<User, usize>,
    total: usize,
}

impl Shares {
    /// Counts one more wait of that user. What is returned goes back by [`end`](Self::end), once.
    pub fn begin(&mut self, user: &[u8]) -> User {
        let user = match self.waits.get_key_value(user) {
            Some((known, _)) => known.clone(),
            None => user.into(),
        };
        let count = self.waits.entry(user.clone()).or_default();
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(1);
        user
    }

    /// A counted wait of that user has ended.
    pub fn end(&mut self, user: &[u8]) {
        let Some(count) = self.waits.get_mut(user) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.waits.remove(user);
        }
        self.total = self.total.saturating_sub(1);
        if self.waits.is_empty() {
            self.waits.shrink_to(KEPT_CAPACITY);
        }
    }

    /// How many waits of that user are counted.
    pub fn of(&self, user: &[u8]) -> usize {
        self.waits.get(user).copied().unwrap_or(0)
    }

    /// How many waits are counted.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Above this capacity an empty map gives its memory back.
const KEPT_CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_user_of_whom_nothing_is_counted_is_forgotten() {
        let mut shares = Shares::default();
        let (first, second) = (shares.begin(b"alice"), shares.begin(b"alice"));
        assert!(Arc::ptr_eq(&first, &second), "one copy of the name");
        assert_eq!((shares.of(b"alice"), shares.of(b"bob")), (2, 0));
        shares.end(&first);
        assert_eq!((shares.of(b"alice"), shares.total()), (1, 1));
        shares.end(&second);
        assert!(shares.waits.is_empty());
        shares.end(b"alice");
        assert_eq!(shares.total(), 0);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_list_that_is_searched(steps in prop::collection::vec((any::<bool>(), 0..5u8), 0..200)) {
            let (mut shares, mut list) = (Shares::default(), Vec::new());
            for (begins, user) in steps {
                if begins {
                    shares.begin(&[user]);
                    list.push(user);
                } else {
                    shares.end(&[user]);
                    if let Some(at) = list.iter().position(|&own| own == user) {
                        list.swap_remove(at);
                    }
                }
                prop_assert_eq!(shares.total(), list.len());
                for user in 0..5u8 {
                    let count = list.iter().filter(|&&own| own == user).count();
                    prop_assert_eq!(shares.of(&[user]), count);
                    prop_assert_eq!(shares.waits.contains_key(&[user][..]), count > 0);
                }
            }
        }
    }
}
