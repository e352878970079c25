//! The slot map for one kind of connection: the owner of each slot, its host and port, its
//! replicas, and a token that identifies this content.
//!
//! Input: a [`Topology`]. Hosts and ports are those that this server's `MOVED` and `CLUSTER SLOTS`
//! give to the same kind of connection (plain or TLS, IPv4 or IPv6). A map is immutable; a changed
//! topology makes a new one, with another token.

mod cache;
mod connections;
mod hint;
mod rows;
mod token;
mod trackers;
mod watchers;

pub use cache::{MapCache, Moment};
pub use connections::Connections;
pub use hint::{Hint, KeyHint};
pub use rows::Metadata;
pub use token::parse as parse_token;
pub use trackers::{Trackers, TOPOLOGY_KEY};
pub use watchers::Watchers;

use crate::slot::SLOTS;
use crate::topology::{Health, Node, PreferredEndpoint, Topology};

/// The owners of all slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    token: i64,
    owners: Vec<Owner>,
    ranges: Vec<OwnedRange>,
    /// For each slot the index of its owner in `owners`, or [`NO_OWNER`].
    owner_by_slot: Box<[u16]>,
}

/// A node that owns slots, with the replicas that `CLUSTER SLOTS` lists for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node itself.
    pub address: Address,
    /// Its replicas, sorted by id.
    pub replicas: Vec<Address>,
}

/// A node's host, port and id, and what else `CLUSTER SLOTS` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `None` stands for the address that the client is connected to. The server writes it as nil,
    /// or as an empty string if it does not know its own address. `?` is a missing host name, as in
    /// `MOVED`.
    pub host: Option<Box<[u8]>>,
    /// The port for this kind of connection. 0 if the server would give 0.
    pub port: u16,
    /// The node's id.
    pub id: Box<[u8]>,
    /// What `CLUSTER SLOTS` tells besides.
    pub metadata: Metadata,
}

/// The slots `first..=last`, owned by `owners()[owner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedRange {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
    /// Index into [`SlotMap::owners`].
    pub owner: u16,
}

/// The kind of a connection. It determines the hosts and ports that the server gives to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// A TLS connection, which gets TLS ports.
    pub tls: bool,
    /// The address family that it connects from.
    pub family: AddressFamily,
}

/// The address family of a connection. From Valkey 8 on a node may announce one address to IPv6
/// connections and another to all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// IPv4, a Unix socket, or no connection at all.
    #[default]
    V4,
    /// IPv6, including IPv4 addresses mapped to IPv6.
    V6,
}

/// The port that the server gives for a node without a port for that kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPort {
    /// Port 0: Redis 7.2 and later, and Valkey.
    Zero,
    /// The port for the other kind of connection: Redis 7.0. There a TLS connection to a cluster
    /// without `tls-cluster` gets plain ports.
    OtherKind,
}

/// An estimate: in a reply an address or a range is an array of three elements or a few more.
const ELEMENTS_PER_ENTRY: usize = 4;

/// Marks slots without an owner, and nodes without slots. Each owner has one of the 16,384 slots,
/// so this is never an owner's index.
const NO_OWNER: u16 = u16::MAX;

impl SlotMap {
    /// Builds the map of `topology` for plain or TLS connections. `ip_of` gives the address of a
    /// node; an empty one is not known.
    fn build<'t>(
        topology: &'t Topology<'_>,
        tls: bool,
        missing_port: MissingPort,
        ip_of: impl Fn(&'t Node<'t>) -> &'t [u8],
    ) -> Self {
        let address = |node: &'t Node<'t>| Address {
            host: host(node, ip_of(node), topology.preferred),
            port: port(node, tls, missing_port),
            id: node.id.as_ref().into(),
            metadata: Metadata::of(topology.preferred, ip_of(node), &node.hostname),
        };
        // Nodes are sorted by id, so owners and replicas are sorted too.
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
            owner_by_slot: owner_by_slot(&ranges),
            owners,
            ranges,
        }
    }

    /// A hash of everything in the map except metadata, from 1 to 2^53 - 1. Equal maps have equal
    /// tokens. Maps with equal tokens almost certainly differ in nothing but metadata.
    pub fn token(&self) -> i64 {
        self.token
    }

    /// The nodes that own slots, sorted by id.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// The slot ranges with their owners, in slot order.
    pub fn ranges(&self) -> &[OwnedRange] {
        &self.ranges
    }

    /// The approximate number of elements of a reply with the whole map.
    pub fn reply_elements(&self) -> usize {
        let replicas = self.owners.iter().map(|owner| owner.replicas.len());
        let addresses = replicas.fold(self.owners.len(), usize::saturating_add);
        addresses
            .saturating_add(self.ranges.len())
            .saturating_mul(ELEMENTS_PER_ENTRY)
    }

    /// The node that owns `slot`. `None` if the slot has no owner.
    pub fn owner(&self, slot: u16) -> Option<&Owner> {
        self.owners.get(usize::from(self.owner_of(slot)?))
    }

    /// The index in [`owners`](Self::owners) of the node that owns `slot`.
    pub(crate) fn owner_of(&self, slot: u16) -> Option<u16> {
        self.owner_by_slot
            .get(usize::from(slot))
            .copied()
            .filter(|&owner| owner != NO_OWNER)
    }
}

impl Address {
    /// The error that redirects a command for `slot` to this node, as the server writes it:
    /// `MOVED 42 10.0.0.1:6379`. An IPv6 address has no brackets. The host is empty for the address
    /// that the client is connected to.
    pub fn moved(&self, slot: u16) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or_default();
        let before = format!("MOVED {slot} ");
        let after = format!(":{}", self.port);
        [before.as_bytes(), host, after.as_bytes()].concat()
    }
}

/// The host of a node with this address. `None` stands for the address that the client is connected
/// to.
fn host(node: &Node<'_>, ip: &[u8], preferred: PreferredEndpoint) -> Option<Box<[u8]>> {
    // A host name is the same for all connections, an address is not.
    let is_address = preferred == PreferredEndpoint::Ip && node.endpoint == node.ip;
    let host = if is_address { ip } else { &node.endpoint };
    Some(host).filter(|host| !host.is_empty()).map(Into::into)
}

/// The port of a node for plain or TLS connections.
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

fn owner_by_slot(ranges: &[OwnedRange]) -> Box<[u16]> {
    let mut owners = vec![NO_OWNER; usize::from(SLOTS)];
    for range in ranges {
        let slots = usize::from(range.first)..=usize::from(range.last);
        owners.get_mut(slots).unwrap_or_default().fill(range.owner);
    }
    owners.into()
}

/// The places of the ones in a word, in ascending order: 0 and 2 for 5.
fn bits(word: u64) -> impl Iterator<Item = u16> {
    let mut left = word;
    std::iter::from_fn(move || {
        let lowest = (left != 0).then(|| left.trailing_zeros())?;
        left &= left.wrapping_sub(1);
        u16::try_from(lowest).ok()
    })
}

#[cfg(test)]
pub(crate) mod tests;
