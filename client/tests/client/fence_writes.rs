//! Which writes a fence covers: all writes of its session to its slot since the last fence. If it
//! cannot cover them all, it reports that they may be lost.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error, Session};
use testkit::{eventually, Cluster, Role, Server};

use crate::support::{client_of, goes_to, keys_of, migrate, wait_for_replica};

fn fence(key: &str, milliseconds: u32) -> Command {
    let options = ["REPLICAS", "1", "TIMEOUT", &milliseconds.to_string()];
    Command::new("DURABLE.WAIT").routed_by(key).arg(&options)
}

#[track_caller]
fn assert_unknown(result: Result<redis::Value, Error>) {
    let error = result.expect_err("no answer that leaves out a write");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
}

/// The first shard has two replicas, and the session has a connection to its primary.
struct Shard {
    cluster: Cluster,
    tag: String,
    client: Client,
    session: Session,
}

impl Shard {
    fn start() -> Shard {
        let cluster = Cluster::start(3, 2);
        let tag = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
        let client = client_of(&cluster.nodes[1]);
        let mut session = client.session();
        session.prefill_all().unwrap();
        session.run(&Command::get(&tag)).unwrap();
        Shard {
            cluster,
            tag,
            client,
            session,
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{{{}}}{name}", self.tag)
    }

    /// From here on the replicas do not get what the primary executes. The existing connection
    /// still works, new ones do not.
    fn isolate(&self) -> redis::Connection {
        let primary = &self.cluster.nodes[0];
        let mut connection = primary.conn();
        let mut run = |command: &[&str]| {
            let (name, arguments) = command.split_first().expect("a name");
            let mut command = redis::cmd(name);
            command
                .arg(arguments)
                .query::<redis::Value>(&mut connection)
        };
        run(&["CONFIG", "SET", "requirepass", "x"]).unwrap();
        run(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
        for replica in [3, 6] {
            eventually("the link to be down", || {
                is_cut_off(&self.cluster.nodes[replica])
            });
        }
        connection
    }

    /// The replica takes over with the data that it has, the other one follows it, and the client
    /// learns of it.
    fn replace(&mut self) {
        let replica = &self.cluster.nodes[3];
        replica.run::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
        eventually("the takeover", || replica.role() == Role::Primary);
        wait_for_replica(replica);
        eventually("the new map", || {
            self.session.prefill_all().unwrap();
            goes_to(&self.client, &self.tag, &self.cluster.nodes[3])
        });
    }
}

fn is_cut_off(replica: &Server) -> bool {
    let text = replica.run::<String>(&["INFO", "replication"]);
    text.contains("master_link_status:down")
}

#[test]
fn a_fence_after_writes_on_two_connections_reports_that_they_may_be_lost() {
    let mut shard = Shard::start();
    let (a, b) = (shard.key("a"), shard.key("b"));
    let _primary = shard.isolate();
    shard.session.run(&Command::set(&a, "1")).unwrap();
    shard.replace();
    shard.session.run(&Command::set(&b, "2")).unwrap();
    assert_unknown(shard.session.run(&fence(&a, 0)));
    let value: Option<String> = shard.session.query(&Command::get(&a)).unwrap();
    assert_eq!(value, None, "the first write is lost");
    // That is reported once: the next fence covers what comes after.
    shard.session.run(&fence(&a, 0)).unwrap();
    shard.session.run(&Command::set(&a, "3")).unwrap();
    shard.session.run(&fence(&a, 0)).unwrap();
}

#[test]
fn a_write_that_may_be_repeated_counts_for_the_fence_after_it() {
    let mut shard = Shard::start();
    let a = shard.key("a");
    let _primary = shard.isolate();
    let set = Command::set(&a, "1").repeatable();
    shard.session.run(&set).unwrap();
    shard.replace();
    assert_unknown(shard.session.run(&fence(&a, 0)));
    let value: Option<String> = shard.session.query(&Command::get(&a)).unwrap();
    assert_eq!(value, None, "the write is lost");
    shard.session.run(&set).unwrap();
    shard.session.run(&fence(&a, 0)).unwrap();
}

#[test]
fn a_fence_after_a_crash_amid_its_batch_covers_none_of_the_writes() {
    let mut shard = Shard::start();
    let a = shard.key("a");
    shard.cluster.notice_failures();
    let mut primary = shard.isolate();
    // So large that only one is under way at a time.
    let large = "x".repeat(300_000);
    let write = |at: u32| Command::new("SETRANGE").key(&a).arg(at).arg(&large);
    let mut commands: Vec<Command> = (0..2000).map(write).collect();
    commands.push(fence(&a, 0));
    let (cluster, session) = (&shard.cluster, &mut shard.session);
    let mut results = std::thread::scope(|scope| {
        let batch = scope.spawn(|| session.batch(&commands));
        eventually("some writes", || {
            let mut strlen = redis::cmd("STRLEN");
            let length = strlen.arg(&a).query::<usize>(&mut primary).unwrap();
            length > large.len() + 10
        });
        cluster.nodes[0].kill();
        batch.join().expect("results")
    });
    assert_unknown(results.pop().unwrap());
    let failed = |result: &&Result<_, _>| result.is_err();
    assert!(results[0].is_ok(), "{:?}", results[0]);
    assert!(results.last().unwrap().is_ok(), "written after the crash");
    assert!(results.iter().filter(failed).count() <= 1);
    session.run(&fence(&a, 0)).unwrap();
}

#[test]
fn a_fence_after_a_write_that_went_to_another_node_by_ask_reports_that_it_may_be_lost() {
    let cluster = Cluster::start(2, 1);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let tag = keys_of(&cluster, from, 1).remove(0);
    let (a, b) = (format!("{{{tag}}}a"), format!("{{{tag}}}b"));
    let client = client_of(from);
    let mut session = client.session();
    session.prefill_all().unwrap();
    for key in [&a, &b] {
        session.run(&Command::set(key, "0")).unwrap();
    }
    session.run(&fence(&a, 0)).unwrap();
    cluster.begin_to_move(cluster.slot_of(&tag), from, to);
    migrate(std::slice::from_ref(&a), from, to);
    // The importing node's replica acknowledges nothing, the other node's replica everything.
    cluster.nodes[3].pause();
    session.run(&Command::set(&a, "1")).unwrap();
    assert_eq!(client.stats().asked, 1);
    session.run(&Command::set(&b, "1")).unwrap();
    let apart = session.run(&fence(&a, 0));
    let batch = [Command::set(&a, "2"), Command::set(&b, "2"), fence(&a, 0)];
    let in_a_batch = session.batch(&batch).pop().unwrap();
    let only_here = session.batch(&batch[1..]);
    cluster.nodes[3].resume();
    assert_unknown(apart);
    assert_unknown(in_a_batch);
    assert!(only_here.iter().all(Result::is_ok), "{only_here:?}");
}

#[test]
fn a_fence_behind_a_write_follows_it_to_the_primary_that_replaced_a_dead_one() {
    let mut shard = Shard::start();
    let (cluster, a) = (&shard.cluster, shard.key("a"));
    let client = Client::builder([format!("redis://{}", cluster.nodes[1].addr())])
        .unwrap()
        .retry_for(Duration::ZERO)
        .build();
    client.session().prefill_all().unwrap();
    cluster.notice_failures();
    cluster.nodes[0].kill();
    client.session().run(&Command::get(&a)).unwrap_err();
    let replicas = [&cluster.nodes[3], &cluster.nodes[6]];
    let replacement = || {
        replicas
            .into_iter()
            .find(|node| node.role() == Role::Primary)
    };
    eventually("a replica to take over", || replacement().is_some());
    cluster.wait_until_agreed();
    wait_for_replica(replacement().expect("the one that took over"));
    assert!(goes_to(&client, &a, &cluster.nodes[0]), "not known yet");
    let both = [Command::set(&a, "v"), fence(&a, 0)];
    shard.session = client.session();
    let results = shard.session.batch(&both);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
