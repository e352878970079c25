//! Who waits for the map to change, and for how long.
//!
//! One look serves all watchers of one kind of connection, and costs nothing for each of them while
//! their map stays the same.

use super::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Watchers by client id; `H` is what it takes to answer one.
#[derive(Debug)]
pub struct Watchers<H> {
    waiting: BTreeMap<u64, Watcher<H>>,
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

    /// Client `id` waits no more, whatever the reason. None if it did not wait.
    pub fn remove(&mut self, id: u64) -> Option<H> {
        let watcher = self.waiting.remove(&id)?;
        if let Some(deadline) = watcher.deadline_ms {
            self.deadlines.remove(&(deadline, id));
        }
        Some(watcher.handle)
    }

    /// Takes out the watchers of that kind of connection who know another map than that of `token`,
    /// with their ids and in the order of these.
    pub fn take(&mut self, connection: Connection, token: i64) -> Vec<(u64, H)> {
        let outdated =
            |watcher: &Watcher<H>| watcher.connection == connection && watcher.token != token;
        let of_kind = self.waiting.iter().filter(|(_, watcher)| outdated(watcher));
        let ids: Vec<u64> = of_kind.map(|(&id, _)| id).collect();
        let take = |id| Some((id, self.remove(id)?));
        ids.into_iter().filter_map(take).collect()
    }

    /// The ids of those whose deadline has come, earliest first. They stay until [`Self::remove`].
    pub fn expired(&self, now_ms: u64) -> Vec<u64> {
        self.deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now_ms)
            .map(|&(_, id)| id)
            .collect()
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
        assert_eq!(watchers.take(PLAIN, 8), [(1, 'a'), (3, 'c')]);
        assert_eq!(watchers.len(), 2);
        assert_eq!(watchers.next_deadline_ms(), None);
        assert_eq!(watchers.take(PLAIN, 8), []);
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
        assert_eq!(watchers.expired(19), []);
        assert_eq!(watchers.expired(20), [2]);
        assert_eq!(watchers.expired(30), [2, 1]);
        watchers.remove(2);
        assert_eq!(watchers.expired(u64::MAX), [1]);
        assert_eq!(watchers.next_deadline_ms(), Some(30));
    }

    #[test]
    fn a_client_waits_once() {
        let mut watchers = Watchers::new();
        assert_eq!(watchers.add(1, PLAIN, 7, Some(30), 'a'), None);
        assert_eq!(watchers.add(1, TLS, 7, Some(40), 'b'), Some('a'));
        assert_eq!(watchers.len(), 1);
        assert_eq!(watchers.expired(100), [1]);
        assert_eq!(watchers.next_deadline_ms(), Some(40));
        assert_eq!(watchers.remove(9), None);
    }
}
