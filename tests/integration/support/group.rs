//! A shard of three nodes that is a failover group, in a cluster with two other primaries.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use testkit::{eventually, Cluster, ClusterBuilder, Server, ServerBuilder, Tls};

/// The nodes of the shard. The first is its primary at the beginning.
const SHARD: [usize; 3] = [0, 3, 4];
/// A further node, if there is one.
const SPARE: usize = 5;

/// The arguments of the module on a member.
pub const IN_A_GROUP: &[&str] = &["failover", "yes", "expected-replicas", "2"];

/// A cluster with a shard of three.
pub struct Group {
    pub cluster: Cluster,
    /// The members by their place in the cluster.
    pub members: [usize; 3],
    /// The certificates, which a node needs when it starts again.
    _tls: Option<Rc<Tls>>,
}

/// What a member says of itself and the others.
pub type Status = HashMap<String, redis::Value>;

impl Group {
    /// A shard whose members have `durable.failover yes`, and no group yet.
    pub fn unformed() -> Group {
        Group::with(IN_A_GROUP)
    }

    /// A group that is ready for a failover, and a further replica that is no member.
    pub fn with_spare(arguments: &'static [&'static str]) -> Group {
        let group = Group::of(6, arguments);
        group.form();
        let [primary, ..] = group.shard();
        group.makes_a_replica(group.spare(), primary);
        eventually("the further replica to be in step", || online(primary) == 3);
        group.wait_for_size(3);
        group
    }

    /// The further node.
    pub fn spare(&self) -> &Server {
        &self.cluster.nodes[SPARE]
    }

    /// A shard whose nodes load the module with these arguments.
    pub fn with(arguments: &'static [&'static str]) -> Group {
        Group::of(5, arguments)
    }

    /// A shard of which the last node has no module.
    pub fn with_one_bare_node() -> Group {
        let configure = |number: usize, builder: ServerBuilder| {
            let has_module = number != SHARD[2];
            builder.module(has_module)
        };
        Group::in_cluster(nodes(5, IN_A_GROUP, configure).start())
    }

    /// A formed group whose nodes know each other by their IPv6 addresses.
    pub fn over_ipv6() -> Group {
        let configure = |_: usize, builder: ServerBuilder| builder.config("bind", "::1 127.0.0.1");
        let cluster = nodes(5, IN_A_GROUP, configure)
            .meet_at(|_, node| ("::1".into(), node.port()))
            .start();
        Group::in_cluster(cluster).ready()
    }

    /// A formed group whose nodes speak with each other by TLS only.
    pub fn over_tls() -> Group {
        let tls = Rc::new(Tls::for_servers(5));
        let (meet, keep) = (Rc::clone(&tls), Rc::clone(&tls));
        let configure = move |number: usize, builder: ServerBuilder| {
            tls.configure(number, builder)
                .config("tls-cluster", "yes")
                .config("tls-replication", "yes")
        };
        let cluster = nodes(5, IN_A_GROUP, configure)
            .meet_at(move |number, _| ("127.0.0.1".into(), meet.port(number)))
            .start();
        let mut group = Group::in_cluster(cluster);
        group._tls = Some(keep);
        group.ready()
    }

    fn ready(self) -> Group {
        self.form();
        self.watch();
        self
    }

    fn of(count: usize, arguments: &'static [&'static str]) -> Group {
        Group::in_cluster(nodes(count, arguments, |_, builder| builder).start())
    }

    fn in_cluster(cluster: Cluster) -> Group {
        let members = SHARD;
        let group = Group {
            cluster,
            members,
            _tls: None,
        };
        let [primary, one, two] = group.shard();
        let id = group.cluster.id_of(primary).to_owned();
        for replica in [one, two] {
            group.makes_a_replica(replica, primary);
        }
        eventually("both replicas to be in step", || online(primary) == 2);
        eventually("the primary to know its replicas", || {
            let lines: Vec<String> = primary.run(&["CLUSTER", "REPLICAS", &id]);
            lines.len() == 2
        });
        group.wait_for_size(group.cluster.nodes.len() - 2);
        group
    }

    /// Waits until all nodes know that so many have slots. A majority of these has to vote for a
    /// promotion: one that takes a replica for a primary waits for votes that nobody gives.
    fn wait_for_size(&self, primaries: usize) {
        let expected = format!("cluster_size:{primaries}\r\n");
        eventually("all nodes to know the primaries", || {
            let mut nodes = self.cluster.nodes.iter();
            nodes.all(|node| node.run::<String>(&["CLUSTER", "INFO"]).contains(&expected))
        });
    }

    fn makes_a_replica(&self, replica: &Server, primary: &Server) {
        let id = self.cluster.id_of(primary);
        replica.run::<()>(&["CLUSTER", "FLUSHSLOTS"]);
        eventually("the node to become a replica", || {
            replica.try_run::<()>(&["CLUSTER", "REPLICATE", id]).is_ok()
        });
    }

    /// A group that is ready for a failover.
    pub fn formed() -> Group {
        let group = Group::unformed();
        group.form();
        group
    }

    /// Forms the group, and waits until it is ready. On a busy disk the members may not answer in
    /// time; then START is sent again, as an operator would.
    pub fn form(&self) {
        let [primary, ..] = self.shard();
        self.form_by(primary);
    }

    /// As [`Group::form`], where another member is the primary.
    pub fn form_by(&self, primary: &Server) {
        eventually("START to form the group", || {
            let started = primary.try_run::<String>(&["DURABLE.FAILOVER", "START"]);
            started.is_ok_and(|reply| reply == "OK") || info(primary, "state") == "primary"
        });
        self.wait_until_ready();
        eventually("both replicas to count", || info(primary, "grants") == "2");
    }

    /// A formed group that notices within a second or two that a node has failed.
    pub fn watchful() -> Group {
        Group::unformed().ready()
    }

    /// Makes the nodes notice within a second or two that one has failed. Also after a failed
    /// election they try again soon: the server waits for some node timeouts.
    pub fn watch(&self) {
        for node in &self.cluster.nodes {
            node.run::<()>(&["CONFIG", "SET", "cluster-node-timeout", "1500"]);
        }
    }

    /// The nodes of the shard.
    pub fn shard(&self) -> [&Server; 3] {
        self.members.map(|index| &self.cluster.nodes[index])
    }

    /// Waits until all members could take part in a failover, and the primary takes durable writes.
    pub fn wait_until_ready(&self) {
        eventually("the group to be ready for a failover", || {
            let mut members = self.shard().into_iter();
            let are_ready = members.all(|member| info(member, "ready") == "1");
            are_ready && self.holder().is_some_and(counts_one)
        });
    }

    /// The member that is a primary and holds a term.
    pub fn holder(&self) -> Option<&Server> {
        let mut alive = self.shard().into_iter().filter(|member| member.is_alive());
        alive.find(|member| info(member, "state") == "primary")
    }

    /// Waits until another member than `old` holds a term, and a replica has confirmed. Returns it.
    pub fn wait_for_another(&self, old: &Server) -> &Server {
        let mut found = None;
        eventually("another member to hold a term", || {
            let alive = self.shard().into_iter().filter(|member| member.is_alive());
            let mut others = alive.filter(|member| member.port() != old.port());
            found = others.find(|one| info(one, "state") == "primary" && counts_one(one));
            found.is_some()
        });
        found.expect("it was found")
    }

    /// A key of the shard.
    pub fn key(&self) -> String {
        let mut keys = (0..).map(|number| format!("key{number}"));
        // The first of five or six primaries has the first sixth of the slots at least.
        let is_own = |key: &String| self.cluster.slot_of(key) < 2500;
        keys.find(is_own).expect("there is one")
    }
}

/// Primaries from which a shard is made.
fn nodes(
    count: usize,
    arguments: &'static [&'static str],
    configure: impl Fn(usize, ServerBuilder) -> ServerBuilder + 'static,
) -> ClusterBuilder {
    Cluster::builder(count, 0).node(move |number, builder| {
        let builder = builder
            .module_args(arguments)
            .config("cluster-require-full-coverage", "no")
            .config("repl-diskless-sync-delay", "0")
            .config("cluster-replica-no-failover", "no")
            .config("cluster-allow-replica-migration", "yes");
        configure(number, builder)
    })
}

/// How many replicas are in step.
fn online(primary: &Server) -> usize {
    let text: String = primary.run(&["INFO", "replication"]);
    text.matches("state=online").count()
}

/// Whether a durable command that requires one replica would be accepted now.
fn counts_one(primary: &Server) -> bool {
    let text = primary
        .try_run::<String>(&["INFO", "durable"])
        .unwrap_or_default();
    // A node that has restarted takes the cluster for failed for two seconds.
    let cluster = primary
        .try_run::<String>(&["CLUSTER", "INFO"])
        .unwrap_or_default();
    text.contains("durable_requirement_met:1") && cluster.contains("cluster_state:ok")
}

/// A field of INFO without `durable_failover_`; empty if there is none, or no answer.
pub fn info(server: &Server, field: &str) -> String {
    let text = server
        .try_run::<String>(&["INFO", "durable"])
        .unwrap_or_default();
    let prefix = format!("durable_failover_{field}:");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_default().trim().to_owned()
}

/// DURABLE.FAILOVER STATUS.
pub fn status(server: &Server) -> Status {
    server.run(&["DURABLE.FAILOVER", "STATUS"])
}

/// Whether this member is in the configuration that `of` knows.
pub fn is_configured(of: &Server, member: &Server) -> bool {
    shown(of, member)["configured"] == redis::Value::Int(1)
}

/// How long ago `of` has heard this member's state, in milliseconds.
pub fn heard_ms_ago(of: &Server, member: &Server) -> u128 {
    match shown(of, member)["heard-ms-ago"] {
        redis::Value::Int(age) => u128::try_from(age).unwrap_or(u128::MAX),
        _ => panic!("not a number"),
    }
}

/// What `of` shows of a member.
fn shown(of: &Server, member: &Server) -> Status {
    let members: Vec<Status> =
        redis::from_redis_value(status(of)["members"].clone()).expect("maps");
    let address = member.addr();
    let is_it = |one: &Status| {
        let text: String = redis::from_redis_value(one["address"].clone()).expect("a text");
        text == address
    };
    members.into_iter().find(is_it).expect("it is a member")
}

/// The file in which a member keeps its group and its promise.
pub fn file_of(member: &Server) -> PathBuf {
    member.dir().join("nodes.conf.durable")
}
