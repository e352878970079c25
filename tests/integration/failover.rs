//! The primary shuts down or becomes a replica while clients wait. No client gets OK for a write
//! that is lost, each gets a reply or sees its connection end, and no wait is left.

use testkit::differences::UNBLOCKS_LATE_AFTER_FAILOVER;
use testkit::{eventually, Cluster, RawConn, Replicated, Role, Server};

use crate::support::{
    builder, connections, get, info, packet, replicated, say, send, unload_and_load_again,
    wait_for_waiters,
};

const LINES: [&str; 4] = [
    "DURABLE.SET k v",
    "DURABLE.CALL SET k2 v",
    "DURABLE.GET k",
    "DURABLE.WAIT",
];

fn waiting(group: &Replicated) -> Vec<RawConn> {
    let mut clients = connections(&group.primary, LINES.len());
    group.replicas[0].pause();
    for (number, (client, line)) in clients.iter_mut().zip(LINES).enumerate() {
        send(client, line);
        wait_for_waiters(&group.primary, number as i64 + 1);
    }
    clients
}

/// Asserts that each client gets the server's UNBLOCKED and then the end of the connection.
fn turned_away(clients: &mut [RawConn]) {
    for (client, line) in clients.iter_mut().zip(LINES) {
        let last =
            String::from_utf8(client.read_until_closed()).expect("a reply that is not UTF-8");
        assert!(
            last.starts_with("-UNBLOCKED ") && last.lines().count() == 1,
            "{line}: {last}"
        );
    }
}

fn ended_in_order(server: &Server) {
    eventually("the server to end", || !server.is_alive());
    let log = server.log();
    assert!(log.contains("ready to exit, bye bye"), "{log}");
    assert!(
        !log.contains("crashed") && !log.contains("ASSERTION"),
        "{log}"
    );
}

#[test]
fn a_shutdown_with_waiting_clients_is_an_orderly_one_and_claims_nothing() {
    for how in ["NOW", "NOW NOSAVE", "NOW FORCE"] {
        let group = replicated(1);
        let mut clients = waiting(&group);
        send(&mut group.primary.raw(), &format!("SHUTDOWN {how}"));
        for client in &mut clients {
            assert_eq!(client.read_until_closed(), b"", "SHUTDOWN {how}");
        }
        ended_in_order(&group.primary);
        group.replicas[0].resume();
    }
}

#[test]
fn a_shutdown_that_waits_for_the_replicas_lets_them_acknowledge() {
    let group = replicated(1);
    let mut clients = waiting(&group);
    let mut operator = group.primary.raw();
    send(&mut operator, "SHUTDOWN");
    group
        .primary
        .wait_for_log("Waiting for replicas before shutting down");
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        // Either acknowledged just before the end or not answered.
        let last =
            String::from_utf8(client.read_until_closed()).expect("a reply that is not UTF-8");
        let known =
            last.is_empty() || ["+OK\r\n", "$1\r\nv\r\n", ":1\r\n"].contains(&last.as_str());
        assert!(known, "{line}: {last}");
    }
    ended_in_order(&group.primary);
    eventually("the write to reach the replica", || {
        get(&group.replicas[0], "k2").is_some()
    });
}

#[test]
fn a_shutdown_that_is_aborted_goes_on_as_before() {
    let group = replicated(1);
    let mut clients = waiting(&group);
    let (mut stopping, mut operator) = (group.primary.raw(), group.primary.raw());
    send(&mut stopping, "SHUTDOWN");
    group
        .primary
        .wait_for_log("Waiting for replicas before shutting down");
    assert_eq!(say(&mut operator, "SHUTDOWN ABORT"), "+OK\r\n");
    assert!(stopping.read_reply_bytes().starts_with(b"-ERR "));
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    unload_and_load_again(&group.primary);
}

#[test]
fn a_failover_turns_the_waiting_clients_away_or_answers_them() {
    let group = replicated(2);
    let (primary, chosen) = (&group.primary, &group.replicas[0]);
    // The writes need both replicas and one is paused, so the waits last longer than the failover.
    group.replicas[1].pause();
    let mut clients = connections(primary, 10);
    for client in &mut clients {
        send(client, "DURABLE.INCR n REPLICAS 2");
    }
    wait_for_waiters(primary, 10);
    let to = format!("FAILOVER TO 127.0.0.1 {}", chosen.port());
    assert_eq!(say(&mut primary.raw(), &to), "+OK\r\n");
    for client in &mut clients {
        let last = String::from_utf8(client.read_reply_bytes()).expect("a reply that is not UTF-8");
        assert!(last.starts_with("-UNBLOCKED "), "{last}");
        // Others close the connection, too.
        if !primary.has(UNBLOCKS_LATE_AFTER_FAILOVER) {
            assert_eq!(client.read_until_closed(), b"");
        }
    }
    eventually("the chosen replica to become primary", || {
        chosen.role() == Role::Primary
    });
    eventually("the old primary to become a replica", || {
        primary.role() == Role::Replica
    });
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "demoted_total"), 10);
    // The clients did not learn the outcome. In fact all writes survived.
    assert_eq!(get(chosen, "n").as_deref(), Some("10"));
    let mut conn = chosen.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 0");
    eventually(
        "the old primary to acknowledge a write of the new one",
        || say(&mut conn, "DURABLE.SET k v") == "+OK\r\n",
    );
    unload_and_load_again(primary);
    group.replicas[1].resume();
}

#[test]
fn a_failover_that_is_aborted_goes_on_as_before() {
    let group = replicated(1);
    let mut clients = waiting(&group);
    let mut operator = group.primary.raw();
    assert_eq!(say(&mut operator, "FAILOVER"), "+OK\r\n");
    // The server pauses writes and waits for the replica, like the clients.
    for _ in 0..10 {
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
    }
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    assert_eq!(say(&mut operator, "FAILOVER ABORT"), "+OK\r\n");
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    assert_eq!(say(&mut operator, "DURABLE.SET k v"), "+OK\r\n");
    unload_and_load_again(&group.primary);
}

#[test]
fn a_demotion_turns_every_kind_of_waiting_client_away() {
    let group = replicated(1);
    let other = Server::builder().name("the new primary").start();
    let mut clients = waiting(&group);
    group.primary.replica_of(&other);
    turned_away(&mut clients);
    assert_eq!(info(&group.primary, "demoted_total"), LINES.len() as i64);
    assert_eq!(info(&group.primary, "waiters"), 0);
    unload_and_load_again(&group.primary);
    group.replicas[0].resume();
}

/// Clients that each write keys of their own and then quit.
struct Writers<'s> {
    primary: &'s Server,
    prefix: &'s str,
    batches: usize,
    clients: Vec<RawConn>,
}

/// The number of writes of each client.
const EACH: usize = 500;

impl<'s> Writers<'s> {
    /// All keys begin with `prefix`.
    fn start(primary: &'s Server, prefix: &'s str) -> Writers<'s> {
        let mut writers = Writers {
            primary,
            prefix,
            batches: 0,
            clients: Vec::new(),
        };
        writers.begin_batch();
        writers
    }

    fn begin_batch(&mut self) {
        self.batches += 1;
        self.clients = connections(self.primary, 10);
        for number in 0..self.clients.len() {
            let sets = (0..EACH).map(|round| format!("DURABLE.SET {} v", self.key(number, round)));
            let lines: Vec<String> = sets.chain(["QUIT".to_owned()]).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            self.clients[number].send_bytes(&packet(&lines));
        }
    }

    fn key(&self, client: usize, round: usize) -> String {
        format!("{}{}:{client}:{round}", self.prefix, self.batches)
    }

    /// Writes until some writes fail, each with one of the errors in `known`. Returns the keys
    /// whose writes were answered OK.
    fn until_turned_away(mut self, known: &[&str]) -> Vec<String> {
        let mut acknowledged = Vec::new();
        let mut others = 0;
        loop {
            for number in 0..self.clients.len() {
                let text = self.clients[number].read_until_closed();
                let text = String::from_utf8(text).expect("a reply that is not UTF-8");
                // The reply after the writes is that of QUIT, if the server got to it.
                for (round, reply) in text.lines().take(EACH).enumerate() {
                    if reply == "+OK" {
                        acknowledged.push(self.key(number, round));
                    } else {
                        others += 1;
                        assert!(known.iter().any(|code| reply.starts_with(code)), "{reply}");
                    }
                }
            }
            if others > 0 {
                return acknowledged;
            }
            self.begin_batch();
        }
    }
}

/// Asserts that `heir` has all of these keys.
#[track_caller]
fn are_kept(acknowledged: &[String], heir: &Server) {
    let mut conn = heir.raw();
    for keys in acknowledged.chunks(100) {
        let exist = say(&mut conn, &format!("EXISTS {}", keys.join(" ")));
        let expected = format!(":{}\r\n", keys.len());
        assert_eq!(exist, expected, "acknowledged keys are lost, of {keys:?}");
    }
}

#[test]
fn what_was_acknowledged_under_load_survives_a_failover() {
    let group = builder(1).start();
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let writers = Writers::start(primary, "k");
    eventually("500 acknowledged writes", || {
        info(primary, "acked_total") >= 500
    });
    assert_eq!(say(&mut primary.raw(), "FAILOVER"), "+OK\r\n");
    let acknowledged = writers.until_turned_away(&["-UNBLOCKED ", "-READONLY "]);
    assert!(acknowledged.len() >= 500);
    eventually("the replica to become primary", || {
        replica.role() == Role::Primary
    });
    are_kept(&acknowledged, replica);
    wait_for_waiters(primary, 0);
}

fn cluster() -> Cluster {
    Cluster::builder(3, 1)
        .node(|_, builder| builder.module_args(&["timeout-ms", "0"]))
        .start()
}

#[test]
fn a_manual_failover_in_a_cluster_loses_nothing_that_was_acknowledged() {
    let cluster = cluster();
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let tag = (0..)
        .map(|number| format!("{{tag{number}}}"))
        .find(|tag| cluster.owner_of_key(tag).port() == primary.port())
        .expect("no tag for the first node");
    let writers = Writers::start(primary, &tag);
    eventually("500 acknowledged writes", || {
        info(primary, "acked_total") >= 500
    });
    assert_eq!(say(&mut replica.raw(), "CLUSTER FAILOVER"), "+OK\r\n");
    let known = ["-UNBLOCKED ", "-MOVED ", "-NOREPLICAS "];
    let acknowledged = writers.until_turned_away(&known);
    assert!(acknowledged.len() >= 500);
    eventually("the replica to become primary", || {
        replica.role() == Role::Primary
    });
    are_kept(&acknowledged, replica);
    wait_for_waiters(primary, 0);
    let mut conn = replica.raw();
    let line = format!("DURABLE.SET {tag} v");
    eventually(
        "the old primary to acknowledge a write of the new one",
        || say(&mut conn, &line) == "+OK\r\n",
    );
}

#[test]
fn a_cluster_that_fails_during_the_wait_says_so() {
    let cluster = cluster();
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let key = (0..)
        .map(|number| format!("key{number}"))
        .find(|key| cluster.owner_of_key(key).port() == primary.port())
        .expect("no key for the first node");
    let mut conn = primary.raw();
    cluster.notice_failures();
    replica.pause();
    send(&mut conn, &format!("DURABLE.SET {key} v"));
    wait_for_waiters(primary, 1);
    // Without a majority of its primaries the cluster fails.
    for number in [1, 2, 4, 5] {
        cluster.nodes[number].kill();
    }
    let reply = String::from_utf8(conn.read_reply_bytes()).expect("a reply that is not UTF-8");
    let expected = "-UNACKED 0 of 1 replicas acknowledged; the cluster failed while waiting; ";
    assert!(reply.starts_with(expected), "{reply}");
    wait_for_waiters(primary, 0);
    assert_eq!(info(primary, "unacked_total"), 1);
    // The write was executed.
    assert_eq!(primary.run::<i64>(&["DBSIZE"]), 1);
    unload_and_load_again(primary);
    replica.resume();
}
