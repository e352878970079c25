//! The clients that wait for the slot map to change (`SLOTHINT.WATCH`), and until when.
//!
//! Watchers are grouped by the kind of their connection and the token that they know. So after a
//! change the watchers with another token are found without a scan of the rest, and can be answered
//! in portions, by the per-turn budget. A look that shows no change does no work per watcher.
//! Example: the map now has token 8. Watchers that know 7 or 9 are taken out, those that know 8
//! stay.

use super::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};

/// Watchers by client id. `H` is the handle by which the caller answers a client.
#[derive(Debug)]
pub struct Watchers<H> {
    watchers: BTreeMap<u64, Watcher<H>>,
    /// Client ids, by kind of connection and known token.
    by_token: BTreeMap<(Connection, i64), BTreeSet<u64>>,
    /// Deadlines in milliseconds with client ids. Not all watchers have one.
    deadlines: BTreeSet<(u64, u64)>,
}

#[derive(Debug)]
struct Watcher<H> {
    connection: Connection,
    /// The token that the client knows.
    token: i64,
    deadline_ms: Option<u64>,
    handle: H,
}

impl<H> Watchers<H> {
    /// No watchers.
    pub fn new() -> Self {
        Self {
            watchers: BTreeMap::new(),
            by_token: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Adds the client `id`, which waits until its map has another token than `token`, or until
    /// `deadline_ms`; without a deadline it waits for ever. If the client waits already, the new
    /// wait replaces the earlier one, whose handle is returned.
    pub fn add(
        &mut self,
        id: u64,
        connection: Connection,
        token: i64,
        deadline_ms: Option<u64>,
        handle: H,
    ) -> Option<H> {
        let earlier = self.remove(id);
        self.deadlines
            .extend(deadline_ms.map(|deadline| (deadline, id)));
        self.by_token
            .entry((connection, token))
            .or_default()
            .insert(id);
        let watcher = Watcher {
            connection,
            token,
            deadline_ms,
            handle,
        };
        self.watchers.insert(id, watcher);
        earlier
    }

    /// True if the client `id` waits.
    pub fn contains(&self, id: u64) -> bool {
        self.watchers.contains_key(&id)
    }

    /// The handle of the client `id`, if it waits.
    pub fn handle(&self, id: u64) -> Option<&H> {
        self.watchers.get(&id).map(|watcher| &watcher.handle)
    }

    /// Ends the wait of the client `id`. Returns `None` if it did not wait.
    pub fn remove(&mut self, id: u64) -> Option<H> {
        let watcher = self.watchers.remove(&id)?;
        if let Some(deadline) = watcher.deadline_ms {
            self.deadlines.remove(&(deadline, id));
        }
        let key = (watcher.connection, watcher.token);
        if let Some(ids) = self.by_token.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_token.remove(&key);
            }
        }
        Some(watcher.handle)
    }

    /// Takes out at most `limit` watchers of that kind of connection that know another token than
    /// `token`. Returns their ids and handles. Fewer than `limit` means that there are no more.
    pub fn take_outdated(
        &mut self,
        connection: Connection,
        token: i64,
        limit: usize,
    ) -> Vec<(u64, H)> {
        let smaller = (
            Included((connection, i64::MIN)),
            Excluded((connection, token)),
        );
        let greater = (
            Excluded((connection, token)),
            Included((connection, i64::MAX)),
        );
        let outdated = self.by_token.range(smaller);
        let outdated = outdated.chain(self.by_token.range(greater));
        let ids: Vec<u64> = outdated
            .flat_map(|(_, ids)| ids)
            .copied()
            .take(limit)
            .collect();
        let take = |id| Some((id, self.remove(id)?));
        ids.into_iter().filter_map(take).collect()
    }

    /// The clients whose deadline has passed, the earliest first. They stay until
    /// [`remove`](Self::remove).
    pub fn expired(&self, now_ms: u64) -> impl Iterator<Item = u64> + '_ {
        self.deadlines
            .iter()
            .take_while(move |(deadline, _)| *deadline <= now_ms)
            .map(|&(_, id)| id)
    }

    /// The earliest deadline.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// The number of watchers.
    pub fn len(&self) -> usize {
        self.watchers.len()
    }

    /// True if there are no watchers.
    pub fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }
}

impl<H> Default for Watchers<H> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Connection = Connection {
        tls: false,
        family: super::super::AddressFamily::V4,
    };
    const TLS: Connection = Connection {
        tls: true,
        family: super::super::AddressFamily::V4,
    };

    #[test]
    fn a_change_takes_out_the_watchers_of_its_kind_that_know_another_token() {
        let mut watchers = Watchers::new();
        watchers.add(1, PLAIN, 7, Some(10), 'a');
        watchers.add(2, TLS, 7, None, 'b');
        watchers.add(3, PLAIN, 6, None, 'c');
        watchers.add(4, PLAIN, 8, None, 'd');
        // Watchers with smaller tokens come first.
        assert_eq!(watchers.take_outdated(PLAIN, 8, 9), [(3, 'c'), (1, 'a')]);
        assert_eq!(watchers.len(), 2);
        assert_eq!(watchers.next_deadline_ms(), None);
        assert_eq!(watchers.take_outdated(PLAIN, 8, 9), []);
        assert_eq!(watchers.remove(2), Some('b'));
        assert_eq!(watchers.remove(4), Some('d'));
        assert!(watchers.is_empty());
    }

    #[test]
    fn expired_watchers_come_in_order_and_stay_until_removed() {
        let mut watchers = Watchers::new();
        watchers.add(1, PLAIN, 7, Some(30), ());
        watchers.add(2, TLS, 7, Some(20), ());
        watchers.add(3, PLAIN, 7, None, ());
        assert_eq!(watchers.next_deadline_ms(), Some(20));
        assert_eq!(watchers.expired(19).next(), None);
        assert_eq!(watchers.expired(20).next(), Some(2));
        watchers.remove(2);
        assert_eq!(watchers.expired(29).next(), None);
        assert_eq!(watchers.expired(u64::MAX).next(), Some(1));
        assert_eq!(watchers.next_deadline_ms(), Some(30));
    }

    #[test]
    fn a_second_wait_of_a_client_replaces_the_first() {
        let mut watchers = Watchers::new();
        assert_eq!(watchers.add(1, PLAIN, 7, Some(30), 'a'), None);
        assert_eq!(watchers.add(1, TLS, 7, Some(40), 'b'), Some('a'));
        assert_eq!(watchers.len(), 1);
        assert_eq!(watchers.expired(100).next(), Some(1));
        assert_eq!(watchers.handle(1), Some(&'b'));
        assert_eq!(watchers.next_deadline_ms(), Some(40));
        assert_eq!(watchers.remove(9), None);
    }

    #[test]
    fn watchers_taken_in_portions_are_complete() {
        let mut watchers = Watchers::new();
        for id in 0..10 {
            watchers.add(id, PLAIN, 7 + i64::try_from(id % 3).unwrap(), None, ());
        }
        let mut taken = Vec::new();
        loop {
            let portion = watchers.take_outdated(PLAIN, 8, 3);
            assert!(portion.len() <= 3);
            taken.extend(portion.iter().map(|&(id, ())| id));
            if portion.len() < 3 {
                break;
            }
        }
        taken.sort_unstable();
        assert_eq!(taken, [0, 2, 3, 5, 6, 8, 9]);
        assert_eq!(watchers.len(), 3);
        assert_eq!(watchers.by_token.len(), 1);
    }
}
