//! A formed cluster: every node knows every other, and all agree about the slots.

use std::collections::{BTreeSet, HashMap};

use redis::Value;

use crate::builder::ServerBuilder;
use crate::eventually::eventually;
use crate::replicated::wait_until_in_step;
use crate::server::Server;
use crate::state::Role;

const SLOTS: usize = 16384;
/// After how long a silent node is taken for failed, where the test does not want that: never, however busy the machine
/// is.
const PATIENT_MS: &str = "60000";
/// Where it does, and while the cluster is formed, since nodes that have to hear from one another in this time have their
/// news sooner, too. Much shorter, and a busy machine looks like a failure.
const QUICK_MS: &str = "2000";
/// Reaches the replicas from every node, whatever its slots. Messages travel on the bus instead.
const NUDGE: [&str; 2] = ["FUNCTION", "FLUSH"];

pub struct Cluster {
    /// The primaries of the beginning first, in the order of their slots, then the replicas: first
    /// one for each primary, then the next one for each.
    pub nodes: Vec<Server>,
    ids: Vec<String>,
}

type Hook = Box<dyn Fn(usize, ServerBuilder) -> ServerBuilder>;
type MeetingPlace = Box<dyn Fn(usize, &Server) -> (String, u16)>;

/// Describes a cluster. Made by [`Cluster::builder`].
pub struct ClusterBuilder {
    primaries: usize,
    replicas_per_primary: usize,
    hook: Hook,
    meet_at: MeetingPlace,
}

/// The slots as one node tells them: first slot, last slot, owner's port, replicas' ports.
type SlotRanges = BTreeSet<(u16, u16, u16, BTreeSet<u16>)>;

impl Cluster {
    /// All nodes have the module.
    #[track_caller]
    pub fn start(primaries: usize, replicas_per_primary: usize) -> Cluster {
        Cluster::builder(primaries, replicas_per_primary).start()
    }

    pub fn builder(primaries: usize, replicas_per_primary: usize) -> ClusterBuilder {
        ClusterBuilder {
            primaries,
            replicas_per_primary,
            hook: Box::new(|_, builder| builder),
            meet_at: Box::new(|_, node| ("127.0.0.1".into(), node.port())),
        }
    }

    /// The nodes that run and say that they are primaries, now.
    #[track_caller]
    pub fn primaries(&self) -> Vec<&Server> {
        self.nodes
            .iter()
            .filter(|node| node.is_alive() && node.role() == Role::Primary)
            .collect()
    }

    /// The replicas that `primary` has online, now.
    #[track_caller]
    pub fn replicas_of(&self, primary: &Server) -> Vec<&Server> {
        let links = primary.replica_links();
        self.nodes
            .iter()
            .filter(|node| links.iter().any(|link| link.port == node.port()))
            .collect()
    }

    /// The node with this cluster node id.
    #[track_caller]
    pub fn node_by_id(&self, id: &str) -> &Server {
        let number = self.ids.iter().position(|known| known == id);
        &self.nodes[number.unwrap_or_else(|| panic!("no node of this cluster has the id {id}"))]
    }

    #[track_caller]
    pub fn node_by_port(&self, port: u16) -> &Server {
        let node = self.nodes.iter().find(|node| node.port() == port);
        node.unwrap_or_else(|| panic!("no node of this cluster has the port {port}"))
    }

    /// The cluster node id of one of the nodes.
    #[track_caller]
    pub fn id_of(&self, server: &Server) -> &str {
        let number = self
            .nodes
            .iter()
            .position(|node| node.port() == server.port());
        &self.ids[number.unwrap_or_else(|| panic!("{} is not of this cluster", server.name()))]
    }

    /// The owner of a slot, as the first node that runs sees it.
    #[track_caller]
    pub fn owner_of_slot(&self, slot: u16) -> &Server {
        let node = self
            .nodes
            .iter()
            .find(|node| node.is_alive())
            .expect("a node of the cluster runs");
        let ranges = slot_ranges(node);
        let range = ranges
            .iter()
            .find(|(first, last, ..)| (*first..=*last).contains(&slot));
        let range =
            range.unwrap_or_else(|| panic!("{} knows no owner of slot {slot}", node.name()));
        self.node_by_port(range.2)
    }

    /// Begins to move a slot, as `redis-cli --cluster reshard` does: it still belongs to `from`.
    #[track_caller]
    pub fn begin_to_move(&self, slot: u16, from: &Server, to: &Server) {
        let set = |node: &Server, state: &str, other: &Server| {
            let slot = slot.to_string();
            node.run::<()>(&["CLUSTER", "SETSLOT", &slot, state, self.id_of(other)]);
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
    }

    /// The slot of a key, as the server computes it.
    #[track_caller]
    pub fn slot_of(&self, key: &str) -> u16 {
        let node = self
            .nodes
            .iter()
            .find(|node| node.is_alive())
            .expect("a node of the cluster runs");
        node.run(&["CLUSTER", "KEYSLOT", key])
    }

    #[track_caller]
    pub fn owner_of_key(&self, key: &str) -> &Server {
        self.owner_of_slot(self.slot_of(key))
    }

    /// From here on nodes notice each other's failures, and replicas take over. Until then a node may be killed or
    /// stand still, and the others go by what they knew. A machine that is too busy for a moment is a failure from
    /// here on, too. Call it while all nodes that run can answer.
    #[track_caller]
    pub fn notice_failures(&self) {
        self.set("cluster-replica-no-failover", "no");
        self.set("cluster-node-timeout", QUICK_MS);
    }

    #[track_caller]
    fn set(&self, setting: &str, value: &str) {
        for node in self.nodes.iter().filter(|node| node.is_alive()) {
            node.run::<()>(&["CONFIG", "SET", setting, value]);
        }
    }

    /// Waits until every running node says cluster_state:ok and all of them tell the same slots with
    /// the same owners and replicas.
    #[track_caller]
    pub fn wait_until_agreed(&self) {
        let running: Vec<&Server> = self.nodes.iter().filter(|node| node.is_alive()).collect();
        eventually(
            "all nodes to say that the cluster is ok, and to agree about it",
            || {
                running
                    .iter()
                    .all(|node| cluster_info_has(node, "cluster_state:ok"))
                    && running
                        .windows(2)
                        .all(|pair| slot_ranges(pair[0]) == slot_ranges(pair[1]))
            },
        );
    }

    fn form(&self, primaries: usize, meet_at: &MeetingPlace) {
        self.assign_slots(primaries);
        self.introduce(meet_at);
        self.set("cluster-node-timeout", QUICK_MS);
        for (number, node) in self.nodes.iter().enumerate().skip(primaries) {
            let primary = &self.ids[number % primaries];
            eventually(&format!("{} to replicate {primary}", node.name()), || {
                node.try_run::<()>(&["CLUSTER", "REPLICATE", primary])
                    .is_ok()
            });
        }
        // Before the nodes are asked: a replica at offset 0 is left out of CLUSTER SLOTS.
        let replicas = (self.nodes.len() - primaries) / primaries;
        for node in &self.nodes[..primaries] {
            wait_until_in_step(node, replicas, &NUDGE);
        }
        let complete = |node: &Server| {
            let ranges = slot_ranges(node);
            ranges.len() == primaries && ranges.iter().all(|(.., ports)| ports.len() == replicas)
        };
        eventually("every node to know every replica", || {
            self.nodes.iter().all(complete)
        });
        // Nodes hear of a shard's name from its primary and from its replicas, and for a moment of different ones.
        // Valkey 8.1 does not start again from a file that was written in between.
        eventually(
            "every node to put the replicas into their primaries' shards",
            || {
                let sizes = vec![1 + replicas; primaries];
                self.nodes.iter().all(|node| shard_sizes(node) == sizes)
            },
        );
        // While they are quick: what was taken for failed is given another chance after twice the timeout.
        self.wait_until_agreed();
        self.set("cluster-node-timeout", PATIENT_MS);
    }

    /// Each primary gets its share of the slots, as redis-cli would divide them. Configuration epochs are given out at the same time,
    /// or the nodes would first have to settle them among themselves.
    fn assign_slots(&self, primaries: usize) {
        for (number, node) in self.nodes.iter().enumerate() {
            node.run::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            if number < primaries {
                let bound = |part: usize| (part * SLOTS + primaries / 2) / primaries;
                let (first, last) = (
                    bound(number).to_string(),
                    (bound(number + 1) - 1).to_string(),
                );
                node.run::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            }
        }
    }

    /// Makes each node known to all others, and waits until it is. None is left to hear of another by gossip, which takes
    /// its time among patient nodes; among quick ones a handshake that a busy machine delays is given up for good.
    fn introduce(&self, meet_at: &MeetingPlace) {
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            let bus = node
                .bus_port()
                .expect("a node in cluster mode has a bus port");
            let (host, port) = meet_at(number, node);
            let (port, bus) = (port.to_string(), bus.to_string());
            for other in &self.nodes[..number] {
                other.run::<()>(&["CLUSTER", "MEET", &host, &port, &bus]);
            }
        }
        let known: BTreeSet<&str> = self.ids.iter().map(String::as_str).collect();
        eventually("all nodes to know one another", || {
            self.nodes.iter().all(|node| {
                let text: String = node.run(&["CLUSTER", "NODES"]);
                let seen: BTreeSet<&str> = text
                    .lines()
                    .filter_map(|line| line.split(' ').next())
                    .collect();
                seen == known && !text.contains("handshake") && !text.contains("noaddr")
            })
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The replicas first: their complaints about a lost primary would hide the end of their logs.
        while self.nodes.pop().is_some() {}
    }
}

impl ClusterBuilder {
    /// Changes how each node is started; the number counts from 0, as in `nodes`.
    pub fn node(mut self, hook: impl Fn(usize, ServerBuilder) -> ServerBuilder + 'static) -> Self {
        self.hook = Box::new(hook);
        self
    }

    /// At which host and port each node is introduced to the first, instead of 127.0.0.1 and its port: its
    /// IPv6 address, or its TLS port where the cluster's own links are encrypted.
    pub fn meet_at(mut self, place: impl Fn(usize, &Server) -> (String, u16) + 'static) -> Self {
        self.meet_at = Box::new(place);
        self
    }

    /// Starts the nodes, forms the cluster, and waits until everything about it is settled.
    #[track_caller]
    pub fn start(self) -> Cluster {
        let count = self.primaries * (1 + self.replicas_per_primary);
        let nodes: Vec<Server> = (0..count)
            .map(|number| {
                let builder = Server::builder()
                    .name(&format!("node {number}"))
                    .cluster(true)
                    .config("cluster-node-timeout", PATIENT_MS)
                    .config("cluster-replica-no-failover", "yes")
                    // A replica changes its primary when the test says so, not by itself.
                    .config("cluster-allow-replica-migration", "no");
                (self.hook)(number, builder).start()
            })
            .collect();
        let ids = nodes
            .iter()
            .map(|node| node.run(&["CLUSTER", "MYID"]))
            .collect();
        let cluster = Cluster { nodes, ids };
        cluster.form(self.primaries, &self.meet_at);
        cluster
    }
}

fn cluster_info_has(node: &Server, line: &str) -> bool {
    let text: String = node.run(&["CLUSTER", "INFO"]);
    text.lines().any(|own| own == line)
}

/// How many nodes each shard has, by CLUSTER SHARDS.
#[track_caller]
fn shard_sizes(node: &Server) -> Vec<usize> {
    let shards: Vec<HashMap<String, Value>> = node.run(&["CLUSTER", "SHARDS"]);
    let size = |shard: &HashMap<String, Value>| match shard.get("nodes") {
        Some(Value::Array(nodes)) => nodes.len(),
        other => panic!("the nodes of a shard of {} are {other:?}", node.name()),
    };
    shards.iter().map(size).collect()
}

/// CLUSTER SLOTS by port, since all nodes are on one host; nodes differ for good in the order.
#[track_caller]
fn slot_ranges(node: &Server) -> SlotRanges {
    // Each node may be followed by metadata, so the rest of it is taken as it comes.
    let ranges: Vec<Vec<Value>> = node.run(&["CLUSTER", "SLOTS"]);
    let port = |entry: &Value| -> Option<u16> {
        let Value::Array(fields) = entry else {
            return None;
        };
        redis::from_redis_value_ref(fields.get(1)?).ok()
    };
    let read = |range: &Vec<Value>| {
        let first = redis::from_redis_value_ref(range.first()?).ok()?;
        let last = redis::from_redis_value_ref(range.get(1)?).ok()?;
        let owner = port(range.get(2)?)?;
        Some((
            first,
            last,
            owner,
            range[3..].iter().filter_map(port).collect(),
        ))
    };
    let understood: Option<SlotRanges> = ranges.iter().map(read).collect();
    understood.unwrap_or_else(|| panic!("CLUSTER SLOTS of {} is {ranges:?}", node.name()))
}
