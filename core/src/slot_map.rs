//! The slot map as one kind of connection sees it: who owns each slot, under which host and port, and the
//! token that names this content.
//!
//! Hosts and ports are what this server's `MOVED` and `CLUSTER SLOTS` tell such a connection. A map never changes;
//! a changed topology makes a new one.

mod cache;
mod connections;
mod hint;
mod token;
mod trackers;
mod watchers;

pub use cache::{MapCache, Moment};
pub use connections::Connections;
pub use hint::{Hint, KeyHint};
pub use token::parse as parse_token;
pub use trackers::{Trackers, TOPOLOGY_KEY};
pub use watchers::Watchers;

use crate::slot::SLOTS;
use crate::topology::{Health, Node, Topology};

/// Who owns which slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    token: i64,
    owners: Vec<Owner>,
    ranges: Vec<OwnedRange>,
    /// For each slot the index of its owner, or [`NO_OWNER`].
    index: Box<[u16]>,
}

/// A node that owns slots, with the replicas that `CLUSTER SLOTS` lists for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// How to reach it.
    pub address: Address,
    /// Sorted by id.
    pub replicas: Vec<Address>,
}

/// How a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `None` is the address the client is connected to: the server writes it as nil, or as an empty
    /// string where it does not know its own. `?` is a missing host name, as in `MOVED`.
    pub host: Option<Box<[u8]>>,
    /// The port for this kind of connection; 0 where the server would say 0.
    pub port: u16,
    /// The node's id.
    pub id: Box<[u8]>,
}

/// The slots `first..=last`, owned by `owners()[owner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedRange {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
    /// Index into the owners.
    pub owner: u16,
}

/// What it is about a connection that decides which hosts and ports it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// It is encrypted, so it is told TLS ports.
    pub tls: bool,
    /// Where it comes from; always [`Family::V4`] on servers that do not care.
    pub family: Family,
}

/// From Valkey 8 on a node may announce one address to IPv6 connections and another to all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, a Unix socket, or no connection at all.
    #[default]
    V4,
    /// IPv6, also where it carries an IPv4 address.
    V6,
}

/// What the server tells of a node that has no port for the kind of connection that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPort {
    /// Port 0: from Redis 7.2 on.
    Zero,
    /// The port for the other kind: Redis 7.0, so a TLS connection to a cluster without `tls-cluster`
    /// is told plain ports.
    OtherKind,
}

/// An address and a range are an array of three or a little more.
const ELEMENTS_OF_A_LINE: usize = 4;

/// Marks the slots without an owner. No map has that many owners, since each has a slot.
const NO_OWNER: u16 = u16::MAX;

impl SlotMap {
    /// The map of `topology` for connections of kind `connection`. `host_of` gives the host that stands
    /// for a node, empty for the address the client is connected to.
    fn build<'t>(
        topology: &'t Topology<'_>,
        tls: bool,
        missing_port: MissingPort,
        host_of: impl Fn(&'t Node<'t>) -> &'t [u8],
    ) -> Self {
        let address = |node: &'t Node<'t>| Address::of(node, host_of(node), tls, missing_port);
        // Nodes come sorted by id, so owners and replicas are sorted too.
        let mut owners: Vec<Owner> = Vec::new();
        let mut owner_of_node = vec![NO_OWNER; topology.nodes.len()];
        for range in &topology.ranges {
            if let Some(owner) = owner_of_node.get_mut(range.node) {
                *owner = 0;
            }
        }
        for (node, owner) in topology.nodes.iter().zip(&mut owner_of_node) {
            if *owner == NO_OWNER {
                continue;
            }
            *owner = u16::try_from(owners.len()).unwrap_or(NO_OWNER);
            owners.push(Owner {
                address: address(node),
                replicas: Vec::new(),
            });
        }
        for replica in topology
            .nodes
            .iter()
            .filter(|node| node.health == Health::Online)
        {
            let Some(primary) = &replica.primary else {
                continue;
            };
            let Ok(owner) =
                owners.binary_search_by(|owner| owner.address.id.as_ref().cmp(primary.as_ref()))
            else {
                continue;
            };
            if let Some(owner) = owners.get_mut(owner) {
                owner.replicas.push(address(replica));
            }
        }
        let ranges: Vec<OwnedRange> = topology
            .ranges
            .iter()
            .filter_map(|range| {
                let owner = *owner_of_node.get(range.node)?;
                Some(OwnedRange {
                    first: range.first,
                    last: range.last,
                    owner,
                })
            })
            .collect();
        Self {
            token: token::of(&owners, &ranges),
            index: index(&ranges),
            owners,
            ranges,
        }
    }

    /// Positive, never 0, and below 2^53. Equal tokens, equal maps: it is a hash of everything in
    /// the map.
    pub fn token(&self) -> i64 {
        self.token
    }

    /// The nodes that own slots, sorted by id.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// Who owns which slots, in slot order.
    pub fn ranges(&self) -> &[OwnedRange] {
        &self.ranges
    }

    /// About how many elements a reply has that tells the whole map.
    pub fn reply_elements(&self) -> usize {
        let replicas = self.owners.iter().map(|owner| owner.replicas.len());
        let addresses = replicas.fold(self.owners.len(), usize::saturating_add);
        addresses
            .saturating_add(self.ranges.len())
            .saturating_mul(ELEMENTS_OF_A_LINE)
    }

    /// The node that owns `slot`, if any does.
    pub fn owner(&self, slot: u16) -> Option<&Owner> {
        self.owners.get(usize::from(self.owner_of(slot)?))
    }

    /// The index of the node that owns `slot`, if any does.
    pub fn owner_of(&self, slot: u16) -> Option<u16> {
        self.index
            .get(usize::from(slot))
            .copied()
            .filter(|&owner| owner != NO_OWNER)
    }
}

impl Address {
    /// The error by which the server sends a command for `slot` here. It writes an IPv6 address
    /// without brackets, and nothing for the address the client is connected to.
    pub fn moved(&self, slot: u16) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or_default();
        let before = format!("MOVED {slot} ");
        let after = format!(":{}", self.port);
        [before.as_bytes(), host, after.as_bytes()].concat()
    }

    /// `host` is empty for the address the client is connected to.
    fn of(node: &Node<'_>, host: &[u8], tls: bool, missing_port: MissingPort) -> Self {
        Self {
            host: Some(host).filter(|host| !host.is_empty()).map(Into::into),
            port: port(node, tls, missing_port),
            id: node.id.as_ref().into(),
        }
    }
}

fn port(node: &Node<'_>, tls: bool, missing: MissingPort) -> u16 {
    let (own, other) = if tls {
        (node.tls_port, node.port)
    } else {
        (node.port, node.tls_port)
    };
    match missing {
        MissingPort::Zero => own.unwrap_or(0),
        MissingPort::OtherKind => own.or(other).unwrap_or(0),
    }
}

fn index(ranges: &[OwnedRange]) -> Box<[u16]> {
    let mut index = vec![NO_OWNER; usize::from(SLOTS)];
    for range in ranges {
        let slots = usize::from(range.first)..=usize::from(range.last);
        index.get_mut(slots).unwrap_or_default().fill(range.owner);
    }
    index.into()
}

#[cfg(test)]
pub(crate) mod tests;
