//! A formed cluster: every node knows every other, and all nodes agree about the slots.

use std::collections::BTreeSet;

use crate::builder::ServerBuilder;
use crate::cluster_view::{cluster_info_has, shard_sizes, slot_ranges};
use crate::eventually::eventually;
use crate::replicated::wait_until_in_step;
use crate::server::Server;
use crate::state::Role;

const SLOTS: usize = 16384;
/// `cluster-node-timeout` where a test wants no failures: no busy machine is silent for so long.
const PATIENT_MS: &str = "60000";
/// `cluster-node-timeout` where a test wants failures, and while the cluster is formed: nodes with
/// a short timeout exchange news more often. With a much shorter one a busy machine looks like a
/// failure.
const QUICK_MS: &str = "2000";
/// A command that every primary executes and sends to its replicas, whatever slots it owns. In a
/// cluster, PUBLISH is not sent to the replicas but over the cluster bus.
const NUDGE: [&str; 2] = ["FUNCTION", "FLUSH"];

pub struct Cluster {
    /// The initial primaries in the order of their slots, then the replicas: the first replica of
    /// each primary, then the second of each.
    pub nodes: Vec<Server>,
    ids: Vec<String>,
}

type Hook = Box<dyn Fn(usize, ServerBuilder) -> ServerBuilder>;
type MeetingPlace = Box<dyn Fn(usize, &Server) -> (String, u16)>;

/// The description of a cluster. [`Cluster::builder`] makes one.
pub struct ClusterBuilder {
    primaries: usize,
    replicas_per_primary: usize,
    hook: Hook,
    meet_at: MeetingPlace,
}

impl Cluster {
    /// Starts a cluster whose nodes all have the module.
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

    /// The running nodes that are primaries now, by their own ROLE.
    #[track_caller]
    pub fn primaries(&self) -> Vec<&Server> {
        self.nodes
            .iter()
            .filter(|node| node.is_alive() && node.role() == Role::Primary)
            .collect()
    }

    /// The replicas that `primary` lists as online now.
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
        &self.ids
            [number.unwrap_or_else(|| panic!("{} is not a node of this cluster", server.name()))]
    }

    /// The owner of a slot, as the first running node reports it.
    #[track_caller]
    pub fn owner_of_slot(&self, slot: u16) -> &Server {
        let node = self
            .nodes
            .iter()
            .find(|node| node.is_alive())
            .expect("no node of the cluster is running");
        let ranges = slot_ranges(node);
        let range = ranges
            .iter()
            .find(|(first, last, ..)| (*first..=*last).contains(&slot));
        let range =
            range.unwrap_or_else(|| panic!("{} knows no owner of slot {slot}", node.name()));
        self.node_by_port(range.2)
    }

    /// Begins to move a slot, as `redis-cli --cluster reshard` does. `from` still owns it.
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
            .expect("no node of the cluster is running");
        node.run(&["CLUSTER", "KEYSLOT", key])
    }

    #[track_caller]
    pub fn owner_of_key(&self, key: &str) -> &Server {
        self.owner_of_slot(self.slot_of(key))
    }

    /// Makes the nodes detect failures and the replicas take over. Before this call a test may kill
    /// or pause a node without any effect on the others. After it, a node that a very busy machine
    /// delays can look failed. Must not be called while a node is paused: every running node has to
    /// answer.
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

    /// Waits until every running node reports cluster_state:ok, and all report the same slots with
    /// the same owners and replicas.
    #[track_caller]
    pub fn wait_until_agreed(&self) {
        let running: Vec<&Server> = self.nodes.iter().filter(|node| node.is_alive()).collect();
        eventually(
            "all nodes to report cluster_state:ok and the same slots",
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
        // Done before CLUSTER SLOTS is checked, because it leaves out a replica at offset 0.
        let replicas = (self.nodes.len() - primaries) / primaries;
        for node in &self.nodes[..primaries] {
            wait_until_in_step(node, replicas, &NUDGE);
        }
        let complete = |node: &Server| {
            let ranges = slot_ranges(node);
            ranges.len() == primaries && ranges.iter().all(|(.., ports)| ports.len() == replicas)
        };
        eventually("every node to list every replica in CLUSTER SLOTS", || {
            self.nodes.iter().all(complete)
        });
        // A node learns the id of a shard from the shard's primary and from its replicas. For a
        // moment the two ids differ. Valkey 8.1 does not start again from a nodes.conf that was
        // written at that moment.
        eventually(
            "every node to list the replicas in their primaries' shards",
            || {
                let sizes = vec![1 + replicas; primaries];
                self.nodes.iter().all(|node| shard_sizes(node) == sizes)
            },
        );
        // Still with the short timeout: a node marked as failed recovers after twice the timeout.
        self.wait_until_agreed();
        self.set("cluster-node-timeout", PATIENT_MS);
    }

    /// Divides the slots among the primaries as redis-cli does. Gives each node a configuration
    /// epoch of its own, so that the nodes need not resolve conflicts between equal epochs.
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

    /// Introduces each node to all others, and waits until they know one another. Gossip alone is
    /// slow with the long timeout. With the short one, a handshake that a busy machine delays is
    /// dropped.
    fn introduce(&self, meet_at: &MeetingPlace) {
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            let bus = node
                .bus_port()
                .expect("a node in cluster mode without a bus port");
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
        // Replicas first: otherwise lines about a lost primary would fill the end of their logs.
        while self.nodes.pop().is_some() {}
    }
}

impl ClusterBuilder {
    /// Changes the description of each node. The number is its index in `nodes`.
    pub fn node(mut self, hook: impl Fn(usize, ServerBuilder) -> ServerBuilder + 'static) -> Self {
        self.hook = Box::new(hook);
        self
    }

    /// The host and port under which each node is introduced to the others, instead of 127.0.0.1
    /// and its port: an IPv6 address, or the TLS port where TLS protects the cluster bus.
    pub fn meet_at(mut self, place: impl Fn(usize, &Server) -> (String, u16) + 'static) -> Self {
        self.meet_at = Box::new(place);
        self
    }

    /// Starts the nodes, forms the cluster, and waits until all nodes agree about it.
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
                    // Replicas change their primary only when a test moves them.
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
