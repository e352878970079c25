//! A system of servers: how it is formed, who is its primary, and whether it is whole.
//!
//! Three kinds. The shard that is written to has the nodes P, A and B in each.
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
use crate::network::Network;
use crate::node::{Node, Programs, PORT, SILENCE};

/// Nodes of the shard that is written to.
pub const SHARD: usize = 3;
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
    /// They are a failover group.
    pub is_group: bool,
}

impl System {
    /// Starts and forms a system. `subnet` is the third byte of its addresses.
    pub fn start(kind: Kind, subnet: u8, programs: &Programs) -> Result<System> {
        let address = |last: u8| Ipv4Addr::new(10, 77, subnet, last);
        let mut network = Network::new()?;
        // The clients' own. It is never cut.
        network.add(Arc::new(Host::own(address(1))?))?;
        let names: &[&str] = match kind {
            Kind::Plain => &["P", "A", "B"],
            Kind::Sentinel => &["P", "A", "B", "S", "T", "U"],
            Kind::Cluster => &["P", "A", "B", "Q", "R"],
        };
        let mut nodes = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let last = 11 + u8::try_from(index).context("few nodes")?;
            let host = Arc::new(Host::new(address(last))?);
            let number = network.add(Arc::clone(&host))?;
            let is_sentinel = kind == Kind::Sentinel && index >= SHARD;
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
            is_group: false,
        };
        for node in &system.nodes {
            node.wait_until_it_answers()?;
        }
        if kind == Kind::Cluster {
            system.form_cluster()?;
        }
        system.wait_until_whole()?;
        if programs.failover && kind == Kind::Cluster {
            let primary = system.primary()?;
            primary.run::<()>(&["DURABLE.FAILOVER", "START"])?;
            system.is_group = true;
            system.wait_until_whole()?;
        }
        Ok(system)
    }

    /// The nodes of the shard that is written to.
    pub fn shard(&self) -> &[Node] {
        self.nodes.get(..SHARD).unwrap_or(&self.nodes)
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

    /// Makes the network whole, starts every node that has ended, and waits until there is one
    /// primary with two replicas in step.
    pub fn restore(&self) -> Result<()> {
        self.network.heal();
        for node in &self.nodes {
            node.empty_disk();
            node.thaw();
            node.start()?;
        }
        self.wait_until_whole()
    }

    /// One primary, and both others are its replicas and in step.
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
    fn repair(&self) {
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

    fn check_whole(&self) -> Result<()> {
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
            replicas.len() == SHARD - 1,
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
            ensure!(well == SHARD - 1, "{} knows {well} replicas", primary.name);
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
            online >= SHARD - 1,
            "{online} replicas count on {}",
            primary.name
        );
        for node in self.shard().iter().filter(|_| self.is_group) {
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
        for node in self.nodes.get(SHARD..).unwrap_or_default() {
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
        let owners: Vec<&Node> = [0, 3, 4]
            .iter()
            .filter_map(|&index| self.nodes.get(index))
            .collect();
        let ranges = [FIRST_SLOTS, (5461, 10922), (10923, 16383)];
        for (epoch, (node, (first, last))) in owners.iter().zip(ranges).enumerate() {
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
    let mut line = format!("loadmodule \"{module}\" expected-replicas 2");
    if programs.failover && kind == Kind::Cluster {
        line.push_str(" failover yes");
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
