//! Keeps the newest looks at the topology, and the slot map that each kind of connection gets.
//!
//! Input: looks ([`MapCache::take_look`]), each with the address family of the connection that took
//! it. Output: the maps, and the kinds of connection whose map a look has changed. A look stays
//! current for `slothint-max-age-ms`. If that is 0, it stays current until the end of its
//! event-loop turn.
//!
//! One look gives the maps of plain and of TLS connections. From Valkey 8 on a node may announce
//! one address to IPv6 connections and another to all others (see [`AddressFamily`]). A look inside
//! the command of an IPv6 client shows the addresses for IPv6. Any other look, also one outside of
//! commands, shows the addresses for connections that are not IPv6. IPv6 connections get the nodes
//! and slots of the newest look. If that look was taken by others, a node keeps its IPv6 address as
//! long as its address for others stays the same. Example for one node:
//!
//! | look by | shows | IPv6 connections get |
//! |---|---|---|
//! | IPv6 | fd00::1 | fd00::1 |
//! | others | 10.0.0.1 | fd00::1 |
//! | others | 10.0.0.1 | fd00::1 |
//! | others | 10.0.0.2 | 10.0.0.2: the node has moved, and its new IPv6 address is unknown |
//! | IPv6 | fd00::2 | fd00::2 |

use super::{AddressFamily, Connection, MissingPort, SlotMap};
use crate::topology::{Node, Topology};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A point in time, and the event-loop turn it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds on the caller's clock.
    pub ms: u64,
    /// The number of the event-loop turn.
    pub turn: u64,
}

/// The newest looks, and the maps built from them.
#[derive(Debug)]
pub struct MapCache {
    missing_port: MissingPort,
    /// The newest look of each family.
    looks: BTreeMap<AddressFamily, Look>,
    /// The first look by others after the last IPv6 look. The two looks show the two addresses
    /// that a node has at the same time.
    first_v4_after_v6: Option<Arc<Topology<'static>>>,
    /// The family of the newest look.
    newest: AddressFamily,
    /// The maps of the kinds of connection that have requested one.
    maps: BTreeMap<Connection, Arc<SlotMap>>,
    /// The number of looks so far.
    looks_taken: u64,
}

#[derive(Debug)]
struct Look {
    topology: Arc<Topology<'static>>,
    at: Moment,
}

/// The look that the map of a kind of connection is built from.
struct View<'a> {
    topology: &'a Topology<'static>,
    /// The map is for IPv6 connections, and others took the look.
    needs_v6_addresses: bool,
}

impl MapCache {
    /// An empty cache. `missing_port` is what the server gives for a missing port.
    pub fn new(missing_port: MissingPort) -> Self {
        Self {
            missing_port,
            looks: BTreeMap::new(),
            first_v4_after_v6: None,
            newest: AddressFamily::V4,
            maps: BTreeMap::new(),
            looks_taken: 0,
        }
    }

    /// True if the last look by connections of that family is still current: it is younger than
    /// `max_age_ms`. If `max_age_ms` is 0: it was taken in this event-loop turn.
    pub fn is_current(&self, family: AddressFamily, now: Moment, max_age_ms: u64) -> bool {
        self.looks
            .get(&family)
            .is_some_and(|look| match max_age_ms {
                0 => look.at.turn == now.turn,
                // A look is not current if the clock has gone backward since.
                _ => now
                    .ms
                    .checked_sub(look.at.ms)
                    .is_some_and(|age| age < max_age_ms),
            })
    }

    /// When the last look by connections of that family ceases to be current, in milliseconds.
    /// `None` before the first look. Only for a `max_age_ms` above 0.
    pub fn expires_ms(&self, family: AddressFamily, max_age_ms: u64) -> Option<u64> {
        let look = self.looks.get(&family)?;
        Some(look.at.ms.saturating_add(max_age_ms))
    }

    /// Stores a look that a connection of that family took. Returns the kinds of connection whose
    /// map has another token by this look, among those that have requested a map before.
    pub fn take_look(
        &mut self,
        mut topology: Topology<'_>,
        family: AddressFamily,
        at: Moment,
    ) -> Vec<Connection> {
        self.looks_taken = self.looks_taken.saturating_add(1);
        if let Some(look) = self.looks.get(&family) {
            topology.add_ports_of(&look.topology);
        }
        let same = self
            .looks
            .get(&family)
            .map(|look| &look.topology)
            .filter(|known| ***known == topology);
        let is_unchanged = same.is_some() && self.newest == family;
        let topology = same
            .cloned()
            .unwrap_or_else(|| Arc::new(topology.into_owned()));
        match family {
            AddressFamily::V6 => self.first_v4_after_v6 = None,
            AddressFamily::V4 => {
                self.first_v4_after_v6
                    .get_or_insert_with(|| Arc::clone(&topology));
            }
        }
        self.newest = family;
        self.looks.insert(family, Look { topology, at });
        if is_unchanged {
            return Vec::new();
        }
        let kinds: Vec<Connection> = self.maps.keys().copied().collect();
        kinds
            .into_iter()
            .filter(|&connection| self.rebuild(connection))
            .collect()
    }

    /// The map for connections of that kind, from the look that `view` selects. `None` before the
    /// first look.
    pub fn map(&mut self, connection: Connection) -> Option<Arc<SlotMap>> {
        if !self.maps.contains_key(&connection) {
            self.rebuild(connection);
        }
        self.maps.get(&connection).map(Arc::clone)
    }

    /// The map for connections of that kind, if [`map`](Self::map) was called for it before.
    pub fn last_map(&self, connection: Connection) -> Option<&SlotMap> {
        self.maps.get(&connection).map(AsRef::as_ref)
    }

    /// The number of looks so far.
    pub fn looks_taken(&self) -> u64 {
        self.looks_taken
    }

    /// Starts to count looks from 0 again.
    pub fn reset_looks_taken(&mut self) {
        self.looks_taken = 0;
    }

    /// Builds the map for connections of that kind. Returns true if it has another token than
    /// before.
    fn rebuild(&mut self, connection: Connection) -> bool {
        let Some(map) = self.build(connection) else {
            return false;
        };
        let known = self.maps.get(&connection);
        if known.is_some_and(|known| **known == map) {
            return false;
        }
        // Metadata may have changed alone. Clients that wait for another token are not told so.
        let has_new_token = known.is_none_or(|known| known.token() != map.token());
        self.maps.insert(connection, Arc::new(map));
        has_new_token
    }

    fn build(&self, connection: Connection) -> Option<SlotMap> {
        let view = self.view(connection)?;
        Some(SlotMap::build(
            view.topology,
            connection.tls,
            self.missing_port,
            |node| self.ip(&view, node),
        ))
    }

    /// The look for connections of that kind. IPv6 connections get the newest look. All others get
    /// the newest look by others, or an IPv6 look while there is no other.
    fn view(&self, connection: Connection) -> Option<View<'_>> {
        let is_v6 = connection.family == AddressFamily::V6;
        let taken_by = if is_v6 && self.looks.contains_key(&AddressFamily::V6) {
            self.newest
        } else {
            AddressFamily::V4
        };
        let look = self.looks.get(&taken_by);
        Some(View {
            topology: &look.or_else(|| self.looks.get(&self.newest))?.topology,
            needs_v6_addresses: is_v6 && taken_by == AddressFamily::V4,
        })
    }

    fn ip<'a>(&'a self, view: &View<'a>, node: &'a Node<'_>) -> &'a [u8] {
        if view.needs_v6_addresses {
            self.v6_ip(node)
        } else {
            &node.ip
        }
    }

    /// The address of `node` for IPv6 connections, in a look by others: see the head of this file.
    fn v6_ip<'a>(&'a self, node: &'a Node<'_>) -> &'a [u8] {
        let before = self
            .first_v4_after_v6
            .as_ref()
            .and_then(|topology| topology.node(&node.id));
        let is_unmoved = before.is_some_and(|before| before.ip == node.ip);
        let v6 = self
            .looks
            .get(&AddressFamily::V6)
            .and_then(|look| look.topology.node(&node.id));
        v6.filter(|_| is_unmoved).map_or(&node.ip, |v6| &v6.ip)
    }
}

#[cfg(test)]
mod tests;
