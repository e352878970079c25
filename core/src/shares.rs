//! How many waits each user has, for `durable.max-waiters-per-user`.
//!
//! Users are kept by name, and only while they have waits.

use std::collections::HashMap;
use std::sync::Arc;

/// The name of a user, shared by all waits of that user.
pub type User = Arc<[u8]>;

/// The number of waits by user.
#[derive(Debug, Default)]
pub struct UserShares {
    waits: HashMap<User, usize>,
    total: usize,
}

impl UserShares {
    /// Counts one more wait of that user. The caller has to pass the returned name to
    /// [`end`](Self::end) once, when the wait ends.
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

    /// A counted wait of that user ended.
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

    /// The number of counted waits of that user.
    pub fn of(&self, user: &[u8]) -> usize {
        self.waits.get(user).copied().unwrap_or(0)
    }

    /// The number of counted waits of all users.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Above this capacity an empty map frees its memory.
const KEPT_CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_user_without_waits_is_forgotten() {
        let mut shares = UserShares::default();
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
        fn counts_equal_those_of_a_searched_list(steps in prop::collection::vec((any::<bool>(), 0..5u8), 0..200)) {
            let (mut shares, mut list) = (UserShares::default(), Vec::new());
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
