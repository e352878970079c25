//! Keeps the slot maps between looks at the topology: how long a look counts, and what it changed.
//!
//! One look feeds the maps of plain and of TLS connections. IPv6 connections need one of their own only where
//! the server announces other addresses to them (see [`Family`]): there a look inside an IPv6 client's command
//! shows what IPv6 clients are told, and every other look what all others are told.

use super::{Address, Connection, Family, MissingPort, SlotMap};
use crate::topology::{Node, Topology};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A point in time, and the event-loop turn it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds of any clock that counts on evenly.
    pub ms: u64,
    /// Goes up by one with every turn of the server's event loop.
    pub turn: u64,
}

/// The newest looks and the maps made of them.
#[derive(Debug)]
pub struct MapCache {
    missing_port: MissingPort,
    looks: BTreeMap<Family, Look>,
    /// What the first look of other connections showed after the last one of IPv6 connections.
    beside_v6: Option<Arc<Topology<'static>>>,
    /// Which of the looks is the newest.
    newest: Family,
    /// Only for those kinds of connection that have asked.
    maps: BTreeMap<Connection, Arc<SlotMap>>,
    looked: u64,
}

#[derive(Debug)]
struct Look {
    topology: Arc<Topology<'static>>,
    at: Moment,
}

/// A look, as one kind of connection has it.
struct View<'a> {
    topology: &'a Topology<'static>,
    /// Connections of another family took it.
    from_others: bool,
}

impl MapCache {
    /// An empty cache, for a server that tells this of ports that are missing.
    pub fn new(missing_port: MissingPort) -> Self {
        Self {
            missing_port,
            looks: BTreeMap::new(),
            beside_v6: None,
            newest: Family::V4,
            maps: BTreeMap::new(),
            looked: 0,
        }
    }

    /// Whether connections of that family can still be answered from the cache. A look counts for
    /// `max_age_ms`, or with 0 until the end of its event-loop turn.
    pub fn is_current(&self, family: Family, now: Moment, max_age_ms: u64) -> bool {
        self.looks
            .get(&family)
            .is_some_and(|look| match max_age_ms {
                0 => look.at.turn == now.turn,
                // A clock that went backwards makes the look old, not new for longer.
                _ => now
                    .ms
                    .checked_sub(look.at.ms)
                    .is_some_and(|age| age < max_age_ms),
            })
    }

    /// When the newest look for connections of that family stops counting; none before the first.
    pub fn expires_ms(&self, family: Family, max_age_ms: u64) -> Option<u64> {
        let look = self.looks.get(&family)?;
        Some(look.at.ms.saturating_add(max_age_ms))
    }

    /// Takes what a look showed to connections of that family, and gives the kinds of connection whose map
    /// changed by it, among those that have ever asked for one.
    pub fn accept(
        &mut self,
        mut topology: Topology<'_>,
        family: Family,
        at: Moment,
    ) -> Vec<Connection> {
        self.looked = self.looked.saturating_add(1);
        if let Some(look) = self.looks.get(&family) {
            topology.keep_ports_of(&look.topology);
        }
        let same = self
            .looks
            .get(&family)
            .map(|look| &look.topology)
            .filter(|known| ***known == topology);
        let nothing_new = same.is_some() && self.newest == family;
        let topology = same
            .cloned()
            .unwrap_or_else(|| Arc::new(topology.into_owned()));
        match family {
            Family::V6 => self.beside_v6 = None,
            Family::V4 => {
                self.beside_v6.get_or_insert_with(|| Arc::clone(&topology));
            }
        }
        self.newest = family;
        self.looks.insert(family, Look { topology, at });
        if nothing_new {
            return Vec::new();
        }
        let known: Vec<Connection> = self.maps.keys().copied().collect();
        known
            .into_iter()
            .filter(|&connection| self.renew(connection))
            .collect()
    }

    /// The map as connections of that kind see it, from the newest look; none before the first.
    pub fn map(&mut self, connection: Connection) -> Option<Arc<SlotMap>> {
        if !self.maps.contains_key(&connection) {
            self.renew(connection);
        }
        self.maps.get(&connection).map(Arc::clone)
    }

    /// The map as connections of that kind were last told it; none if none ever asked.
    pub fn known(&self, connection: Connection) -> Option<&SlotMap> {
        self.maps.get(&connection).map(AsRef::as_ref)
    }

    /// How many looks it took.
    pub fn looked(&self) -> u64 {
        self.looked
    }

    /// Counts looks from 0 again.
    pub fn forget_looked(&mut self) {
        self.looked = 0;
    }

    fn renew(&mut self, connection: Connection) -> bool {
        let Some(map) = self.build(connection) else {
            return false;
        };
        if self
            .maps
            .get(&connection)
            .is_some_and(|known| **known == map)
        {
            return false;
        }
        self.maps.insert(connection, Arc::new(map));
        true
    }

    fn build(&self, connection: Connection) -> Option<SlotMap> {
        let view = self.view(connection)?;
        Some(SlotMap::build(
            view.topology,
            connection.tls,
            self.missing_port,
            |node| self.host_for(&view, node),
        ))
    }

    /// How connections of that kind are told to reach the node of that id, whether it owns slots or not.
    pub fn address(&self, connection: Connection, id: &[u8]) -> Option<Address> {
        let view = self.view(connection)?;
        let node = view.topology.node(id)?;
        let host = self.host_for(&view, node);
        Some(Address::of(node, host, connection.tls, self.missing_port))
    }

    /// What the newest look shows to connections of that kind.
    fn view(&self, connection: Connection) -> Option<View<'_>> {
        let for_v6 = connection.family == Family::V6;
        let seen_by = if for_v6 && self.looks.contains_key(&Family::V6) {
            self.newest
        } else {
            Family::V4
        };
        let look = self.looks.get(&seen_by);
        Some(View {
            topology: &look.or_else(|| self.looks.get(&self.newest))?.topology,
            from_others: for_v6 && seen_by == Family::V4,
        })
    }

    fn host_for<'a>(&'a self, view: &View<'a>, node: &'a Node<'_>) -> &'a [u8] {
        if view.from_others {
            self.told_v6(node)
        } else {
            &node.endpoint
        }
    }

    /// The host that IPv6 connections are told for `node` of a look that others took. As long as the address that
    /// others are told stays what it was beside the last IPv6 look, that look still holds; after that, the new one
    /// is the best guess until an IPv6 client asks.
    fn told_v6<'a>(&'a self, node: &'a Node<'_>) -> &'a [u8] {
        let then = self
            .beside_v6
            .as_ref()
            .and_then(|topology| topology.node(&node.id));
        let unmoved = node.endpoint == node.ip && then.is_some_and(|then| then.ip == node.ip);
        let v6 = self
            .looks
            .get(&Family::V6)
            .and_then(|look| look.topology.node(&node.id));
        v6.filter(|_| unmoved).map_or(&node.endpoint, |v6| &v6.ip)
    }
}

#[cfg(test)]
mod tests;
