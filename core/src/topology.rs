//! What one look at the cluster's topology shows: the nodes, their addresses, and who owns which slots.
//!
//! A look is two replies of this server, taken in one go so that they agree:
//!
//! - `CLUSTER SHARDS` knows each node's addresses: the endpoint that redirections name, the plain and the TLS
//!   port, and whether a replica is fit to be listed. It cannot be trusted with the slots. It prints one set of
//!   slots for a shard without saying whose they are, and on Redis 7.2 and 7.4 the set of the shard's first
//!   node: after a failover that is the failed primary, and the slots vanish. Redis 8.0 takes the first node
//!   that has not failed, and so shows no slots where all have. A failover under way has two primaries in a shard.
//! - `CLUSTER NODES` prints each node's slots from the very table that redirections and `CLUSTER SLOTS` read,
//!   whatever the node's health, and each replica's primary. It cannot be trusted with the addresses: it has one
//!   port of the two, chosen by who asks.
//!
//! `CLUSTER SLOTS` would give both at once, but only inside a command handler (elsewhere it crashes Valkey 8), and
//! through a module's call with the wrong port on Redis 7.0 (always the main one) and 7.2.0 and 7.2.1 (the plain one).
//! What no look outside a handler shows are the addresses that Valkey announces to IPv6 clients alone.
//!
//! Nodes that were upgraded from Redis 7.0 have no shard yet, and `CLUSTER SHARDS` leaves them out, for good in the
//! case of a primary that answers for itself. They are placed by their line in `CLUSTER NODES`.

mod nodes;
mod resp;
mod shards;

use crate::slot::SLOTS;
use std::borrow::Cow;
use std::cell::LazyCell;

/// The nodes of a cluster, by id, and the slots each one owns.
///
/// A look borrows the names from the replies it was read from: most looks find nothing new, and are dropped
/// once they have been compared with what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology<'a> {
    /// Sorted by id, each id once. Nodes that `CLUSTER NODES` does not know are left out.
    pub nodes: Vec<Node<'a>>,
    /// In slot order, disjoint, and each as long as it can be. Slots in none of them have no owner.
    pub ranges: Vec<SlotRange>,
}

/// One node as redirections would name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its node id: 40 hexadecimal digits, but taken as it comes.
    pub id: Cow<'a, [u8]>,
    /// The address it announces, empty where this server does not know it (most often its own).
    pub ip: Cow<'a, [u8]>,
    /// What `cluster-preferred-endpoint-type` makes of it: the address, the host name (`?` where it
    /// has none), or nothing, which stands for the address the client is connected to.
    pub endpoint: Cow<'a, [u8]>,
    /// The port for plain connections, if it has one.
    pub port: Option<u16>,
    /// The port for TLS connections, if it has one.
    pub tls_port: Option<u16>,
    /// The id of the primary it replicates; none for a primary.
    pub primary: Option<Cow<'a, [u8]>>,
    /// Whether it is fit to be listed.
    pub health: Health,
    /// `CLUSTER SHARDS` lists it. If not, one of its ports is known at the most.
    pub is_listed: bool,
}

/// How the lines of `CLUSTER NODES` name the nodes that `CLUSTER SHARDS` does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// `cluster-preferred-endpoint-type`
    pub preferred: Preferred,
    /// The lines have TLS ports: that is so where a TLS connection asked.
    pub tls: bool,
}

/// What redirections name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    /// `ip`
    Ip,
    /// `hostname`
    HostName,
    /// `unknown-endpoint`
    Unknown,
}

/// Whether `CLUSTER SLOTS` lists a replica: only while it is online. Owners are listed whatever their health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Neither of the others.
    Online,
    /// A replica without a replication offset yet.
    Loading,
    /// Known by the cluster to have failed, or of a health that is not known here.
    Failed,
}

/// The slots `first..=last`, owned by `nodes[node]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
    /// Index into [`Topology::nodes`].
    pub node: usize,
}

/// A reply that is not what this server's version, or any, is known to answer. Says what was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl<'a> Topology<'a> {
    /// Reads a look: the raw RESP replies to `CLUSTER SHARDS` and `CLUSTER NODES`, in either version of the protocol.
    /// Fields, flags and health words it does not know are passed over, since servers add some. `endpoints` is asked
    /// only where a node is not listed as one of a shard.
    pub fn read(
        shards: &'a [u8],
        nodes: &'a [u8],
        endpoints: impl FnOnce() -> Endpoints,
    ) -> Result<Self, Unreadable> {
        let endpoints = LazyCell::new(endpoints);
        let mut topology = Self {
            nodes: Vec::new(),
            ranges: Vec::new(),
        };
        let mut owners = vec![NO_OWNER; usize::from(SLOTS)];
        // Both lists are sorted by id. Should two nodes claim one slot, every server then picks the same one.
        let mut places = shards::read(shards)?.into_iter().peekable();
        for claim in nodes::read(nodes)? {
            while places.next_if(|place| place.id < claim.id).is_some() {}
            let listed = places.next_if(|place| place.id == claim.id);
            let is_listed = listed.is_some();
            let Some(place) = listed.or_else(|| claim.place(*endpoints)) else {
                continue;
            };
            let index = u32::try_from(topology.nodes.len()).unwrap_or(NO_OWNER);
            for range in claim.slots() {
                let (first, last) = range?;
                let claimed = owners
                    .get_mut(usize::from(first)..=usize::from(last))
                    .unwrap_or_default();
                claimed
                    .iter_mut()
                    .filter(|owner| **owner == NO_OWNER)
                    .for_each(|owner| *owner = index);
            }
            topology.nodes.push(Node {
                id: claim.id.into(),
                ip: place.ip.into(),
                endpoint: place.endpoint.into(),
                port: place.port,
                tls_port: place.tls_port,
                primary: claim.primary.map(Cow::from),
                health: place.health,
                is_listed,
            });
        }
        topology.ranges = ranges(&owners);
        Ok(topology)
    }

    /// The node of that id.
    pub fn node(&self, id: &[u8]) -> Option<&Node<'a>> {
        let at = self
            .nodes
            .binary_search_by(|node| node.id.as_ref().cmp(id))
            .ok()?;
        self.nodes.get(at)
    }

    /// Takes over from an earlier look the port of the other kind, for nodes that are not listed: their lines tell one
    /// port a look.
    pub fn keep_ports_of(&mut self, earlier: &Topology<'_>) {
        for node in self.nodes.iter_mut().filter(|node| !node.is_listed) {
            let Some(known) = earlier.node(&node.id).filter(|known| known.ip == node.ip) else {
                continue;
            };
            node.port = node.port.or(known.port);
            node.tls_port = node.tls_port.or(known.tls_port);
        }
    }

    /// The same, to be kept when the replies are gone.
    pub fn into_owned(self) -> Topology<'static> {
        let own = |name: Cow<'a, [u8]>| Cow::Owned(name.into_owned());
        let node = |node: Node<'a>| Node {
            id: own(node.id),
            ip: own(node.ip),
            endpoint: own(node.endpoint),
            port: node.port,
            tls_port: node.tls_port,
            primary: node.primary.map(own),
            health: node.health,
            is_listed: node.is_listed,
        };
        Topology {
            nodes: self.nodes.into_iter().map(node).collect(),
            ranges: self.ranges,
        }
    }
}

/// Marks the slots that nobody has claimed.
const NO_OWNER: u32 = u32::MAX;

/// The runs of slots that have the same owner, leaving out those that have none.
fn ranges(owners: &[u32]) -> Vec<SlotRange> {
    let mut ranges: Vec<SlotRange> = Vec::new();
    for (slot, &owner) in (0..SLOTS).zip(owners) {
        let Ok(node) = usize::try_from(owner) else {
            continue;
        };
        if owner == NO_OWNER {
            continue;
        }
        match ranges.last_mut() {
            Some(range) if range.node == node && range.last.checked_add(1) == Some(slot) => {
                range.last = slot
            }
            _ => ranges.push(SlotRange {
                first: slot,
                last: slot,
                node,
            }),
        }
    }
    ranges
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "the server's answer about the cluster cannot be read: {}",
            self.0
        )
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
pub(crate) mod tests;
