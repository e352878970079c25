//! The topology of a cluster: its nodes, their addresses, and the owner of each slot.
//!
//! Input: two replies of this server. They agree, because nothing else is executed between them.
//!
//! | reply | used for | not used for |
//! |---|---|---|
//! | `CLUSTER SHARDS` | endpoint, host name, both ports, health | slots |
//! | `CLUSTER NODES` | slots, the primary of each replica | addresses |
//!
//! The addresses of `CLUSTER NODES` are incomplete. It prints one of the two ports, by the kind of
//! connection that asks.
//!
//! The slots of `CLUSTER SHARDS` are unreliable. It prints one set of slots for each shard, without
//! its owner, and during a failover a shard has two primaries. Redis 7.2 and 7.4 print the slots of
//! the shard's first node: after a failover this is the failed primary, and the slots are missing.
//! Redis 8.0 prints those of the first node that has not failed, so none if all have failed.
//! `CLUSTER NODES` prints the slots of each node from the table that redirections and `CLUSTER
//! SLOTS` use, whatever the node's health.
//!
//! `CLUSTER SLOTS` would give all of this at once, but only inside a command handler: elsewhere it
//! crashes Valkey 8. For a module it also gives a wrong port: always the main one on Redis 7.0,
//! always the plain one on 7.2.0 and 7.2.1.
//!
//! Nodes that were upgraded from Redis 7.0 have no shard yet, and `CLUSTER SHARDS` omits them. If
//! the answering server is such a primary, it omits itself for good. These nodes get their address
//! from `CLUSTER NODES`.
//!
//! Outside of a command handler no reply has the addresses that Valkey announces only to IPv6
//! connections.

mod nodes;
mod shards;

pub use crate::resp::Unreadable;
use crate::slot::SLOTS;
pub use nodes::epochs;
use std::borrow::Cow;
use std::cell::LazyCell;

/// The nodes of a cluster, and the slots that each one owns.
///
/// Names are borrowed from the replies: most looks show nothing new and are dropped after a
/// comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology<'a> {
    /// Sorted by id, each id once. Nodes without a line in `CLUSTER NODES` are left out.
    pub nodes: Vec<Node<'a>>,
    /// In slot order, disjoint, each as long as possible. Slots outside of all ranges have no
    /// owner.
    pub ranges: Vec<SlotRange>,
    /// `cluster-preferred-endpoint-type` of the answering server.
    pub preferred: PreferredEndpoint,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its node id. Servers use 40 hexadecimal digits; this is not checked.
    pub id: Cow<'a, [u8]>,
    /// The address that it announces. Empty if the answering server does not know it: most often
    /// a server does not know its own address.
    pub ip: Cow<'a, [u8]>,
    /// The host for redirections, by `cluster-preferred-endpoint-type`: the address, or the host
    /// name (`?` if it has none), or empty for the address that the client is connected to.
    pub endpoint: Cow<'a, [u8]>,
    /// The host name that it announces. Empty if there is none.
    pub hostname: Cow<'a, [u8]>,
    /// The port for plain connections, if it has one.
    pub port: Option<u16>,
    /// The port for TLS connections, if it has one.
    pub tls_port: Option<u16>,
    /// The id of its primary. `None` for a primary.
    pub primary: Option<Cow<'a, [u8]>>,
    /// Decides whether `CLUSTER SLOTS` lists the node, if it is a replica.
    pub health: Health,
    /// `CLUSTER SHARDS` lists it. Otherwise one look shows at most one of its ports.
    pub is_listed: bool,
}

/// The values of `cluster-preferred-endpoint-type`: what redirections have as host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreferredEndpoint {
    /// `ip`
    #[default]
    Ip,
    /// `hostname`
    HostName,
    /// `unknown-endpoint`
    Unknown,
}

/// The health of a node. `CLUSTER SLOTS` lists a replica only while it is online. It always lists
/// the owners of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Neither of the others.
    Online,
    /// A replica without a replication offset yet.
    Loading,
    /// Failed, as far as the cluster knows, or a health that this module does not know.
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

impl<'a> Topology<'a> {
    /// Reads the raw replies to `CLUSTER SHARDS` and `CLUSTER NODES`, in RESP2 or RESP3. Unknown
    /// fields and flags are ignored, since servers add some. An unknown health counts as failed.
    ///
    /// `preferred` is `cluster-preferred-endpoint-type`, `None` if it cannot be read: then the
    /// endpoints show it, but not those of nodes in no shard. `has_tls_ports` tells whether the
    /// ports in `CLUSTER NODES` are TLS ports: a TLS connection asked, or no connection did and
    /// `tls-cluster` is on. It is called only if a node is in no shard.
    pub fn read(
        shards: &'a [u8],
        nodes: &'a [u8],
        preferred: Option<PreferredEndpoint>,
        has_tls_ports: impl FnOnce() -> bool,
    ) -> Result<Self, Unreadable> {
        let has_tls_ports = LazyCell::new(has_tls_ports);
        let mut topology = Self {
            nodes: Vec::new(),
            ranges: Vec::new(),
            preferred: preferred.unwrap_or_default(),
        };
        let mut owners = vec![NO_OWNER; usize::from(SLOTS)];
        // Both lists are sorted by id. If two nodes claim a slot, the lower id gets it on every
        // server.
        let mut shard_nodes = shards::read(shards)?.into_iter().peekable();
        for line in nodes::read(nodes)? {
            while shard_nodes.next_if(|node| node.id < line.id).is_some() {}
            let listed = shard_nodes.next_if(|node| node.id == line.id);
            let is_listed = listed.is_some();
            let Some(node) =
                listed.or_else(|| line.as_shard_node(topology.preferred, *has_tls_ports))
            else {
                continue;
            };
            let index = u32::try_from(topology.nodes.len()).unwrap_or(NO_OWNER);
            for range in line.slots() {
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
                id: line.id.into(),
                ip: node.ip.into(),
                endpoint: node.endpoint.into(),
                hostname: node.hostname.into(),
                port: node.port,
                tls_port: node.tls_port,
                primary: line.primary.map(Cow::from),
                health: node.health,
                is_listed,
            });
        }
        topology.ranges = ranges(&owners);
        if preferred.is_none() {
            topology.preferred = shown_preference(&topology.nodes);
        }
        Ok(topology)
    }

    /// The node with this id.
    pub fn node(&self, id: &[u8]) -> Option<&Node<'a>> {
        let at = self
            .nodes
            .binary_search_by(|node| node.id.as_ref().cmp(id))
            .ok()?;
        self.nodes.get(at)
    }

    /// Adds missing ports from an earlier look. A node that `CLUSTER SHARDS` does not list has one
    /// port in each look, the plain or the TLS one.
    pub(crate) fn add_ports_of(&mut self, earlier: &Topology<'_>) {
        for node in self.nodes.iter_mut().filter(|node| !node.is_listed) {
            let Some(known) = earlier.node(&node.id).filter(|known| known.ip == node.ip) else {
                continue;
            };
            node.port = node.port.or(known.port);
            node.tls_port = node.tls_port.or(known.tls_port);
        }
    }

    /// A copy that does not borrow from the replies.
    pub fn into_owned(self) -> Topology<'static> {
        let own = |name: Cow<'a, [u8]>| Cow::Owned(name.into_owned());
        let node = |node: Node<'a>| Node {
            id: own(node.id),
            ip: own(node.ip),
            endpoint: own(node.endpoint),
            hostname: own(node.hostname),
            port: node.port,
            tls_port: node.tls_port,
            primary: node.primary.map(own),
            health: node.health,
            is_listed: node.is_listed,
        };
        Topology {
            nodes: self.nodes.into_iter().map(node).collect(),
            ranges: self.ranges,
            preferred: self.preferred,
        }
    }
}

/// The kind of host that the endpoints of these nodes show. `Ip` if they are all addresses: most
/// often that is the setting.
fn shown_preference(nodes: &[Node<'_>]) -> PreferredEndpoint {
    let mut listed = nodes.iter().filter(|node| node.is_listed);
    match listed.find(|node| node.endpoint != node.ip) {
        None => PreferredEndpoint::Ip,
        Some(node) if node.endpoint.is_empty() => PreferredEndpoint::Unknown,
        Some(_) => PreferredEndpoint::HostName,
    }
}

/// Marks slots without an owner.
const NO_OWNER: u32 = u32::MAX;

/// The ranges of slots with the same owner. Slots without an owner are left out.
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

#[cfg(test)]
pub(crate) mod tests;
