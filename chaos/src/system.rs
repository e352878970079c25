//! A system of servers: how it is formed, who is its primary, and whether it is whole.
//!
//! Three kinds. The shard that is written to has the nodes P, A and B in each. A failover group may
//! have more: C, D.
//!
//! | kind | other nodes |
//! |---|---|
//! | `plain` | none |
//! | `sentinel` | three Sentinels: S, T, U |
//! | `cluster` | two primaries of other shards: Q, R |

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use redis::Value;

use crate::host::Host;
use crate::interrupt;
use crate::member::Size;
use crate::network::Network;
use crate::node::{Node, Programs, PORT, SILENCE};

/// Nodes of the shard that is written to, if it is no failover group.
const SHARD: usize = 3;
/// The names of the nodes of the shard.
const NAMES: [&str; 5] = ["P", "A", "B", "C", "D"];
/// After this time without an answer a node counts as failed, in milliseconds.
pub const NODE_TIMEOUT: u64 = 1500;
/// The name of the primary in Sentinel.
pub const MASTER: &str = "shard";
/// The slots of P.
const FIRST_SLOTS: (u16, u16) = (0, 5460);
/// A system that is not whole after this time is made anew.
const PATIENCE: Duration = Duration::from_secs(40);
/// After this time an operator would look why a replica does not come back.
const OPERATOR: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Sentinel,
    Cluster,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Sentinel => "sentinel",
            Kind::Cluster => "cluster",
        }
    }
}

pub struct System {
    pub kind: Kind,
    pub network: Network,
    /// P, A and B first.
    pub nodes: Vec<Node>,
    /// How many of them are the shard that is written to.
    members: usize,
    /// They are a failover group of this size.
    pub group: Option<Size>,
}

impl System {
    /// Starts and forms a system. `subnet` is the third byte of its addresses.
    pub fn start(kind: Kind, subnet: u8, programs: &Programs) -> Result<System> {
        let address = |last: u8| Ipv4Addr::new(10, 77, subnet, last);
        let mut network = Network::new()?;
        // The clients' own. It is never cut.
        network.add(Arc::new(Host::own(address(1))?))?;
        let group = programs.group.filter(|_| kind == Kind::Cluster);
        let members = group.map_or(SHARD, |size| size.replicas + 1);
        let others: &[&str] = match kind {
            Kind::Plain => &[],
            Kind::Sentinel => &["S", "T", "U"],
            Kind::Cluster => &["Q", "R"],
        };
        let names: Vec<&str> = NAMES
            .into_iter()
            .take(members)
            .chain(others.iter().copied())
            .collect();
        let mut nodes = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let last = 11 + u8::try_from(index).context("few nodes")?;
            let host = Arc::new(Host::new(address(last))?);
            let number = network.add(Arc::clone(&host))?;
            let is_sentinel = kind == Kind::Sentinel && index >= members;
            let settings = if is_sentinel {
                sentinel_settings(address(last), address(11))
            } else {
                server_settings(kind, address(last), index, address(11), programs)
            };
            let arguments: &[&str] = if is_sentinel { &["--sentinel"] } else { &[] };
            let node = Node::new(name, host, number, programs, &settings, arguments)?;
            node.start()?;
            nodes.push(node);
        }
        let mut system = System {
            kind,
            network,
            nodes,
            members,
            group: None,
        };
        for node in &system.nodes {
            node.wait_until_it_answers()?;
        }
        if kind == Kind::Cluster {
            system.form_cluster()?;
        }
        system.wait_until_whole()?;
        if group.is_some() {
            let primary = system.primary()?;
            primary.run::<()>(&["DURABLE.FAILOVER", "START"])?;
            system.group = group;
            system.wait_until_whole()?;
        }
        Ok(system)
    }

    /// The nodes of the shard that is written to.
    pub fn shard(&self) -> &[Node] {
        self.nodes.get(..self.members).unwrap_or(&self.nodes)
    }

    /// All others: Sentinels, or primaries of other shards.
    pub fn others(&self) -> &[Node] {
        self.nodes.get(self.members..).unwrap_or_default()
    }

    pub fn is_group(&self) -> bool {
        self.group.is_some()
    }

    fn replicas(&self) -> usize {
        self.members.saturating_sub(1)
    }

    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.with_context(|| format!("there is no node {name}"))
    }

    /// The nodes of the shard that say they are primaries. More than one during some faults.
    pub fn primaries(&self) -> Vec<&Node> {
        self.shard()
            .iter()
            .filter(|node| role(node) == Some(Role::Primary))
            .collect()
    }

    /// The primary of the shard, if there is one.
    pub fn primary(&self) -> Result<&Node> {
        match self.primaries().as_slice() {
            [primary] => Ok(primary),
            several => bail!("{} nodes of the shard are primaries", several.len()),
        }
    }

    /// The other nodes of the shard.
    pub fn replicas_of<'a>(&'a self, primary: &'a Node) -> impl Iterator<Item = &'a Node> {
        self.shard().iter().filter(|node| node.name != primary.name)
    }

    /// The nodes that have ended although nobody ended them, or whose module has panicked.
    pub fn crashed(&self) -> Vec<&str> {
        let has_panicked = |node: &Node| node.log().contains("panicked at");
        let crashed = self.nodes.iter();
        let crashed = crashed.filter(|node| node.has_crashed() || has_panicked(node));
        crashed.map(|node| node.name.as_str()).collect()
    }

    /// Makes the network whole, and starts every node that has ended.
    pub fn revive(&self) -> Result<()> {
        self.network.heal();
        for node in &self.nodes {
            node.empty_disk();
            node.thaw();
            node.start()?;
        }
        Ok(())
    }

    /// One primary, and all others are its replicas and in step. A failover group is ready.
    pub fn wait_until_whole(&self) -> Result<()> {
        let begin = Instant::now();
        let mut is_repaired = false;
        loop {
            interrupt::check()?;
            if begin.elapsed() > OPERATOR && !is_repaired {
                is_repaired = true;
                self.repair();
            }
            match self.check_whole() {
                Ok(()) => return Ok(()),
                Err(error) if begin.elapsed() > PATIENCE => {
                    return Err(error.context("the system did not become whole"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(30)),
            }
        }
    }

    /// Redis 8.0.2 can leave a replica following another replica after two failovers in a row. An
    /// operator attaches it to the primary.
    pub fn repair(&self) {
        let Ok(primary) = self.primary() else {
            return;
        };
        let Some(id) = primary.run::<String>(&["CLUSTER", "MYID"]).ok() else {
            return;
        };
        for node in self.replicas_of(primary) {
            node.try_run(&["CLUSTER", "REPLICATE", &id]);
        }
    }

    /// Why it is not whole.
    pub fn check_whole(&self) -> Result<()> {
        let primary = self.primary()?;
        let reply: Value = primary.run(&["ROLE"])?;
        let replicas = match &reply {
            Value::Array(parts) => parts.get(2).cloned(),
            _ => None,
        };
        let Some(Value::Array(replicas)) = replicas else {
            bail!("ROLE of {} has no replicas", primary.name);
        };
        ensure!(
            replicas.len() == self.replicas(),
            "{} replicas are connected",
            replicas.len()
        );
        for node in self.replicas_of(primary) {
            let info: String = node.run(&["INFO", "replication"])?;
            ensure!(
                info.contains("master_link_status:up"),
                "{} is not connected",
                node.name
            );
            ensure!(
                info.contains(&format!("master_host:{}", primary.address())),
                "{} follows another primary",
                node.name
            );
        }
        if self.kind == Kind::Cluster {
            for node in &self.nodes {
                let info: String = node.run(&["CLUSTER", "INFO"])?;
                ensure!(
                    info.contains("cluster_state:ok"),
                    "{}: the cluster is down",
                    node.name
                );
            }
            // A primary ignores the request for a manual failover of a replica that it does not
            // know yet.
            let id: String = primary.run(&["CLUSTER", "MYID"])?;
            let known: Vec<String> = primary.run(&["CLUSTER", "REPLICAS", &id])?;
            let well = known.iter().filter(|line| !has_failed(line)).count();
            ensure!(
                well == self.replicas(),
                "{} knows {well} replicas",
                primary.name
            );
        }
        if self.kind == Kind::Sentinel {
            self.check_sentinels(primary)?;
        }
        let counted: String = primary.run(&["INFO", "durable"])?;
        let mut lines = counted.lines();
        let online = lines.find_map(|line| line.strip_prefix("durable_replicas_online:"));
        let online: usize = online
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0);
        ensure!(
            online >= self.replicas(),
            "{online} replicas count on {}",
            primary.name
        );
        for node in self.shard().iter().filter(|_| self.is_group()) {
            let info: String = node.run(&["INFO", "durable"])?;
            ensure!(
                info.contains("durable_failover_ready:1"),
                "{} is not ready for a failover",
                node.name
            );
        }
        Ok(())
    }

    /// All Sentinels know this primary, both replicas and each other.
    fn check_sentinels(&self, primary: &Node) -> Result<()> {
        for node in self.others() {
            let reply: Vec<String> = node.run(&["SENTINEL", "get-master-addr-by-name", MASTER])?;
            ensure!(
                reply.first() == Some(&primary.address().to_string()),
                "{} knows another primary",
                node.name
            );
            let info: String = node.run(&["INFO", "sentinel"])?;
            ensure!(
                info.contains("slaves=2,sentinels=3") && info.contains("status=ok"),
                "{} does not see all nodes",
                node.name
            );
        }
        Ok(())
    }

    fn form_cluster(&self) -> Result<()> {
        let owners = self.nodes.first().into_iter().chain(self.others());
        let ranges = [FIRST_SLOTS, (5461, 10922), (10923, 16383)];
        for (epoch, (node, (first, last))) in owners.zip(ranges).enumerate() {
            let (first, last) = (first.to_string(), last.to_string());
            node.run::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
            node.run::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()])?;
        }
        let first = self.nodes.first().context("there is a first node")?;
        for node in self.nodes.iter().skip(1) {
            let address = node.address().to_string();
            first.run::<()>(&["CLUSTER", "MEET", &address, &PORT.to_string()])?;
        }
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        self.wait_for("the nodes to know each other", || {
            self.nodes.iter().all(|node| {
                let info = node.run::<String>(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains(&known) && info.contains("cluster_state:ok")
            })
        })?;
        let id: String = first.run(&["CLUSTER", "MYID"])?;
        for node in self.shard().iter().skip(1) {
            node.run::<()>(&["CLUSTER", "REPLICATE", &id])?;
        }
        Ok(())
    }

    /// Waits until `condition` is true.
    pub fn wait_for(&self, what: &str, condition: impl Fn() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !condition() {
            interrupt::check()?;
            ensure!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Whether a line of CLUSTER NODES has the flag `fail` or `fail?`. `nofailover` is another one.
fn has_failed(line: &str) -> bool {
    let flags = line.split(' ').nth(2).unwrap_or_default();
    flags.split(',').any(|flag| flag.starts_with("fail"))
}

/// What a node says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica,
}

/// `None` if it does not answer.
pub fn role(node: &Node) -> Option<Role> {
    // A process that has ended would let the connection wait.
    if !node.is_running() {
        return None;
    }
    let Ok(Value::Array(parts)) = node.run_within::<Value>(&["ROLE"], SILENCE) else {
        return None;
    };
    match parts.first() {
        Some(Value::BulkString(word)) if word == b"master" => Some(Role::Primary),
        Some(_) => Some(Role::Replica),
        None => None,
    }
}

fn server_settings(
    kind: Kind,
    address: Ipv4Addr,
    index: usize,
    primary: Ipv4Addr,
    programs: &Programs,
) -> Vec<String> {
    let mut lines = vec![
        "save \"\"".to_owned(),
        "appendonly yes".to_owned(),
        "appendfsync everysec".to_owned(),
        "auto-aof-rewrite-percentage 0".to_owned(),
        "repl-diskless-sync-delay 0".to_owned(),
        "repl-ping-replica-period 1".to_owned(),
        "repl-timeout 10".to_owned(),
        "repl-backlog-size 16mb".to_owned(),
        "enable-module-command yes".to_owned(),
        "enable-debug-command yes".to_owned(),
        format!("replica-announce-ip {address}"),
        load_module(kind, programs),
    ];
    match kind {
        Kind::Cluster => lines.extend([
            "cluster-enabled yes".to_owned(),
            format!("cluster-announce-ip {address}"),
            format!("cluster-node-timeout {NODE_TIMEOUT}"),
            "cluster-allow-replica-migration no".to_owned(),
        ]),
        Kind::Plain | Kind::Sentinel if index > 0 => {
            lines.push(format!("replicaof {primary} {PORT}"));
        }
        Kind::Plain | Kind::Sentinel => {}
    }
    lines
}

fn load_module(kind: Kind, programs: &Programs) -> String {
    let module = programs.module.display();
    let group = programs.group.filter(|_| kind == Kind::Cluster);
    let replicas = group.map_or(SHARD - 1, |size| size.replicas);
    let mut line = format!("loadmodule \"{module}\" expected-replicas {replicas}");
    if let Some(size) = group {
        line.push_str(&format!(
            " failover yes failover-replicas {0} replicas {0}",
            size.guaranteed
        ));
    }
    if let Some(mistake) = &programs.mistake {
        line.push_str(" mistake ");
        line.push_str(mistake);
    }
    line
}

fn sentinel_settings(address: Ipv4Addr, primary: Ipv4Addr) -> Vec<String> {
    vec![
        format!("sentinel monitor {MASTER} {primary} {PORT} 2"),
        format!("sentinel down-after-milliseconds {MASTER} {NODE_TIMEOUT}"),
        format!("sentinel failover-timeout {MASTER} 4000"),
        format!("sentinel parallel-syncs {MASTER} 2"),
        format!("sentinel announce-ip {address}"),
    ]
}
