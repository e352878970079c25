//! Failovers under load: every write that was answered OK is on the new primary.

use testkit::{eventually, Cluster, RawConn, Role, Server};

use crate::support::{builder, connections, info, key_of, packet, patient, say, wait_for_waiters};

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
    fn until_refused(mut self, known: &[&str]) -> Vec<String> {
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
    let acknowledged = writers.until_refused(&["-UNBLOCKED ", "-READONLY "]);
    assert!(acknowledged.len() >= 500);
    eventually("the replica to become primary", || {
        replica.role() == Role::Primary
    });
    are_kept(&acknowledged, replica);
    wait_for_waiters(primary, 0);
}

#[test]
fn a_manual_failover_in_a_cluster_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| patient(builder))
        .start();
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let tag = format!("{{{}}}", key_of(&cluster, 0));
    let writers = Writers::start(primary, &tag);
    eventually("500 acknowledged writes", || {
        info(primary, "acked_total") >= 500
    });
    assert_eq!(say(&mut replica.raw(), "CLUSTER FAILOVER"), "+OK\r\n");
    let known = ["-UNBLOCKED ", "-MOVED ", "-NOREPLICAS "];
    let acknowledged = writers.until_refused(&known);
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
