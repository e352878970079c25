//! Shared by the tests: keys that are their own values, and traffic that checks every answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use redis_durable_client::{Client, Command, Error, Session};
use testkit::{eventually, Cluster, Role, Server};

/// A client with one seed.
pub fn client_of(server: &Server) -> Client {
    Client::open([format!("redis://{}", server.addr())]).expect("a client")
}

/// A user `app` with the password `pw` at every node, with these rules on top of all permissions,
/// and the address of a node for it.
pub fn with_user(cluster: &Cluster, rules: &[&str], node: &Server) -> String {
    for node in &cluster.nodes {
        let mut command = vec!["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"];
        command.extend(rules);
        node.run::<()>(&command);
    }
    format!("redis://app:pw@{}", node.addr())
}

/// A command that makes the node of this key close the connection after the reply to it. The
/// commands behind it are not executed.
pub fn hang_up(key: &str) -> Command {
    let kill = ["KILL", "TYPE", "normal", "SKIPME", "no"];
    Command::new("CLIENT").arg(&kill).routed_by(key)
}

/// Whether the client would send a command of the key to this server.
pub fn goes_to(client: &Client, key: &str, server: &Server) -> bool {
    let node = client.node_of(key).map(|node| node.to_string());
    node.is_some_and(|node| node.ends_with(&format!(":{}", server.port())))
}

/// How often a server has executed a command, by its name in lower case.
pub fn calls(server: &Server, command: &str) -> u64 {
    let text = server.run::<String>(&["INFO", "commandstats"]);
    let line = format!("cmdstat_{command}:calls=");
    let count = text
        .split(&line)
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// Makes `replica` the primary of its shard by CLUSTER FAILOVER.
pub fn fail_over(replica: &Server) {
    eventually("the failover to be accepted", || {
        let _ = replica.try_run::<()>(&["CLUSTER", "FAILOVER"]);
        replica.role() == Role::Primary
    });
}

/// The same, and waits until all nodes know the new primary and it has a replica.
pub fn promote(cluster: &Cluster, replica: &Server) {
    fail_over(replica);
    cluster.wait_until_agreed();
    wait_for_replica(replica);
}

/// Waits until one replica acknowledges. Replicas follow a new primary a moment after they know of
/// it, and until then it refuses commands that wait for them.
pub fn wait_for_replica(primary: &Server) {
    eventually("a replica that acknowledges", || {
        let links = primary.replica_links();
        links.iter().any(|link| link.acked_offset > 0)
    });
}

/// Takes a replica out of the cluster, as `redis-cli --cluster del-node` does. It stays up, and
/// knows nobody.
pub fn leave(cluster: &Cluster, leaver: &Server) {
    let others = || {
        cluster
            .nodes
            .iter()
            .filter(|node| node.port() != leaver.port())
    };
    for node in others() {
        node.run::<()>(&["CLUSTER", "FORGET", cluster.id_of(leaver)]);
    }
    leaver.run::<()>(&["CLUSTER", "RESET", "SOFT"]);
    eventually("the node to be gone", || {
        others().all(|node| {
            let nodes = node.run::<String>(&["CLUSTER", "NODES"]);
            !nodes.contains(&format!(":{}@", leaver.port()))
        })
    });
}

/// A slot in the middle of a reshard: of its two keys, the first has moved to the other primary.
/// Each key has itself as its value.
pub fn half_moved(
    cluster: &Cluster,
    client: &Client,
    from: &Server,
    to: &Server,
) -> (u16, [String; 2]) {
    let tag = keys_of(cluster, from, 1).remove(0);
    let keys = [format!("{{{tag}}}a"), format!("{{{tag}}}b")];
    set_to_themselves(&mut client.session(), &keys);
    let slot = cluster.slot_of(&tag);
    cluster.begin_to_move(slot, from, to);
    migrate(&keys[..1], from, to);
    (slot, keys)
}

pub fn keys_in(slot: u16, node: &Server) -> Vec<String> {
    node.run(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"])
}

/// Moves these keys of a slot that is being moved.
pub fn migrate(keys: &[String], from: &Server, to: &Server) {
    let port = to.port().to_string();
    let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "KEYS"];
    command.extend(keys.iter().map(String::as_str));
    from.run::<()>(&command);
}

/// Moves what is left of a slot, and gives it to its new owner.
pub fn end(cluster: &Cluster, slot: u16, from: &Server, to: &Server) {
    loop {
        let keys = keys_in(slot, from);
        if keys.is_empty() {
            break;
        }
        migrate(&keys, from, to);
    }
    for node in [to, from] {
        node.run::<()>(&[
            "CLUSTER",
            "SETSLOT",
            &slot.to_string(),
            "NODE",
            cluster.id_of(to),
        ]);
    }
}

/// Keys all over the slots, the same ones in each run.
pub fn keys(count: usize) -> Vec<String> {
    let mut random = fastrand_like(7);
    (0..count).map(|_| format!("key:{:x}", random())).collect()
}

/// `count` keys that belong to the slots of `owner`.
pub fn keys_of(cluster: &Cluster, owner: &Server, count: usize) -> Vec<String> {
    let client = client_of(owner);
    client.session().prefill_all().expect("a map");
    let port = format!(":{}", owner.port());
    let own = |key: &String| {
        client
            .node_of(key)
            .is_some_and(|node| node.to_string().ends_with(&port))
    };
    assert!(cluster
        .primaries()
        .iter()
        .any(|node| node.port() == owner.port()));
    keys(count * 10)
        .into_iter()
        .filter(own)
        .take(count)
        .collect()
}

/// Sets each key to its own name.
#[track_caller]
pub fn set_to_themselves(session: &mut Session, keys: &[String]) {
    for (key, result) in keys
        .iter()
        .zip(session.set_many(keys.iter().map(|key| (key, key))))
    {
        result.unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

/// Asserts that each key has its own name as its value. Anything after a `#` is ignored.
#[track_caller]
pub fn assert_own_values(session: &mut Session, keys: &[String]) {
    for (key, result) in keys.iter().zip(session.get_many(keys)) {
        let value = result.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_own(key, value.as_deref());
    }
}

#[track_caller]
pub fn assert_own(key: &str, value: Option<&[u8]>) {
    let value = value.map(String::from_utf8_lossy);
    let name = value.as_deref().and_then(|value| value.split('#').next());
    assert_eq!(name, Some(key), "the value of {key}");
}

/// Reads and writes from one thread until it is stopped.
pub struct Traffic {
    stop: AtomicBool,
    rounds: AtomicU64,
}

impl Traffic {
    pub fn new() -> Traffic {
        Traffic {
            stop: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
        }
    }

    /// Each value read has to be the key's own. A write may end with an unknown outcome, but with
    /// no other error.
    pub fn start<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        client: Client,
        keys: &'s [String],
    ) -> ScopedJoinHandle<'s, ()> {
        scope.spawn(move || {
            let _end = EndOnPanic(self);
            let mut session = client.session();
            while !self.stop.load(Ordering::Relaxed) {
                let round = self.rounds.load(Ordering::Relaxed);
                for chunk in keys.chunks(50) {
                    assert_own_values(&mut session, chunk);
                    let set = |key: &String| Command::set(key, format!("{key}#{round}"));
                    let sets: Vec<Command> = chunk.iter().map(set).collect();
                    for result in session.batch(&sets) {
                        match result {
                            Ok(_) | Err(Error::OutcomeUnknown { .. }) => {}
                            Err(error) => panic!("a write ended with: {error}"),
                        }
                    }
                }
                self.rounds.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// How often all keys were read and written.
    pub fn rounds(&self) -> u64 {
        assert!(!self.stop.load(Ordering::Relaxed), "the traffic has ended");
        self.rounds.load(Ordering::Relaxed)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Ends the traffic if its thread panics. Otherwise a test would wait for more of it in vain.
struct EndOnPanic<'t>(&'t Traffic);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A small generator of its own: the tests need no randomness, only spread.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    }
}
