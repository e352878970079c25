//! Who waits for the map to change, and for how long.
//!
//! One look serves all watchers of one kind of connection, and costs nothing for each of them while
//! their map stays the same. Those who know the same map stand together, so that a change finds whom it
//! concerns without looking at anybody else, and they can be told in portions.

use super::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};

/// Watchers by client id; `H` is what it takes to answer one.
#[derive(Debug)]
pub struct Watchers<H> {
    waiting: BTreeMap<u64, Watcher<H>>,
    /// The ids of those who know the map of that token, by their kind of connection.
    knowing: BTreeMap<(Connection, i64), BTreeSet<u64>>,
    /// Deadline and client id of those that have a deadline.
    deadlines: BTreeSet<(u64, u64)>,
}

#[derive(Debug)]
struct Watcher<H> {
    connection: Connection,
    token: i64,
    deadline_ms: Option<u64>,
    handle: H,
}

impl<H> Watchers<H> {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            knowing: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Client `id` waits for another map than that of `token`, until `deadline_ms` or for ever. A client
    /// waits once: gives back the handle of its earlier wait, which there is only if that was never ended.
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
        self.knowing
            .entry((connection, token))
            .or_default()
            .insert(id);
        let watcher = Watcher {
            connection,
            token,
            deadline_ms,
            handle,
        };
        self.waiting.insert(id, watcher);
        earlier
    }

    /// Whether client `id` waits already.
    pub fn contains(&self, id: u64) -> bool {
        self.waiting.contains_key(&id)
    }

    /// The handle of client `id`, if it waits.
    pub fn handle(&self, id: u64) -> Option<&H> {
        self.waiting.get(&id).map(|watcher| &watcher.handle)
    }

    /// Client `id` waits no more, whatever the reason. None if it did not wait.
    pub fn remove(&mut self, id: u64) -> Option<H> {
        let watcher = self.waiting.remove(&id)?;
        if let Some(deadline) = watcher.deadline_ms {
            self.deadlines.remove(&(deadline, id));
        }
        let known = (watcher.connection, watcher.token);
        if let Some(ids) = self.knowing.get_mut(&known) {
            ids.remove(&id);
            if ids.is_empty() {
                self.knowing.remove(&known);
            }
        }
        Some(watcher.handle)
    }

    /// Takes out watchers of that kind of connection who know another map than that of `token`, `limit`
    /// of them at the most, with their ids. Less than that, and there are no more.
    pub fn take(&mut self, connection: Connection, token: i64, limit: usize) -> Vec<(u64, H)> {
        let older = (
            Included((connection, i64::MIN)),
            Excluded((connection, token)),
        );
        let newer = (
            Excluded((connection, token)),
            Included((connection, i64::MAX)),
        );
        let outdated = self.knowing.range(older).chain(self.knowing.range(newer));
        let ids: Vec<u64> = outdated
            .flat_map(|(_, ids)| ids)
            .copied()
            .take(limit)
            .collect();
        let take = |id| Some((id, self.remove(id)?));
        ids.into_iter().filter_map(take).collect()
    }

    /// The clients whose deadline has come, the earliest first. They stay until [`Self::remove`].
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

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
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
        family: super::super::Family::V4,
    };
    const TLS: Connection = Connection {
        tls: true,
        family: super::super::Family::V4,
    };

    #[test]
    fn a_change_takes_out_those_who_know_another_map_of_their_kind() {
        let mut watchers = Watchers::new();
        watchers.add(1, PLAIN, 7, Some(10), 'a');
        watchers.add(2, TLS, 7, None, 'b');
        watchers.add(3, PLAIN, 6, None, 'c');
        watchers.add(4, PLAIN, 8, None, 'd');
        // Those with the smaller token first.
        assert_eq!(watchers.take(PLAIN, 8, 9), [(3, 'c'), (1, 'a')]);
        assert_eq!(watchers.len(), 2);
        assert_eq!(watchers.next_deadline_ms(), None);
        assert_eq!(watchers.take(PLAIN, 8, 9), []);
        assert_eq!(watchers.remove(2), Some('b'));
        assert_eq!(watchers.remove(4), Some('d'));
        assert!(watchers.is_empty());
    }

    #[test]
    fn deadlines_come_in_order_and_stay_until_removed() {
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
    fn a_client_waits_once() {
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
    fn a_change_is_told_in_portions_and_forgets_nobody() {
        let mut watchers = Watchers::new();
        for id in 0..10 {
            watchers.add(id, PLAIN, 7 + i64::try_from(id % 3).unwrap(), None, ());
        }
        let mut told = Vec::new();
        loop {
            let portion = watchers.take(PLAIN, 8, 3);
            assert!(portion.len() <= 3);
            told.extend(portion.iter().map(|&(id, ())| id));
            if portion.len() < 3 {
                break;
            }
        }
        told.sort_unstable();
        assert_eq!(told, [0, 2, 3, 5, 6, 8, 9]);
        assert_eq!(watchers.len(), 3);
        assert_eq!(watchers.knowing.len(), 1);
    }
}
