//! Clients that track `__slothint__:topology` by prefix get an invalidation when the slot map
//! changes.

use testkit::{eventually, module_path, Cluster, RawConn, Server};

use crate::support::slots::{
    a_key_of_each_slot, afresh, alone, hand_over, hint, let_cron_run, read, read_map, rename, set,
    token, topology_reads, Talk,
};
use crate::support::{packet, say, unload_and_load_again};

const INVALIDATION: &[u8] = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$21\r\n__slothint__:topology\r\n";

#[track_caller]
fn tracker(node: &Server) -> RawConn {
    let before = topology_reads(node);
    let mut conn = node.raw();
    conn.hello3();
    track(&mut conn);
    // The module compares later maps with the first one, so it has to read the first one now.
    eventually("the module to notice the tracking client", || {
        topology_reads(node) > before
    });
    conn
}

#[track_caller]
fn track(conn: &mut RawConn) {
    let line = "CLIENT TRACKING ON BCAST PREFIX __slothint__:";
    assert_eq!(say(conn, line), "+OK\r\n");
}

/// Asserts that the next message is the invalidation of the map.
#[track_caller]
fn invalidated(conn: &mut RawConn) {
    let push = conn.take();
    assert_eq!(push, INVALIDATION, "{}", push.escape_ascii());
}

#[test]
fn each_change_is_told_to_clients_that_track_the_map() {
    for age in ["100", "0"] {
        let cluster = alone(age);
        let node = &cluster.nodes[0];
        let mut trackers = [tracker(node), node.raw()];
        trackers[1].hello3();
        track(&mut trackers[1]);
        for name in ["second.example", "third.example", "fourth.example"] {
            rename(node, name);
            trackers.iter_mut().for_each(invalidated);
        }
        // Without a change of the map there is no invalidation.
        set(node, "maxmemory", "100mb");
        node.run::<()>(&["SET", "__slothint__", "v"]);
        let before = topology_reads(node);
        eventually("the module to read the topology again", || {
            topology_reads(node) > before + 5
        });
        for conn in &mut trackers {
            assert!(!conn.is_readable_now());
            assert_eq!(say(conn, "PING"), "+PONG\r\n");
        }
        // Tracking clients do not keep the module loaded, unlike an armed timer.
        unload_and_load_again(node);
    }
}

#[test]
fn clients_of_resp2_are_told_through_the_client_they_redirect_to() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let (mut listener, mut conn) = (node.raw(), node.raw());
    let id = listener.client_id();
    say(&mut listener, "SUBSCRIBE __redis__:invalidate");
    let before = topology_reads(node);
    let line = format!("CLIENT TRACKING ON REDIRECT {id} BCAST PREFIX __slothint__:");
    assert_eq!(say(&mut conn, &line), "+OK\r\n");
    eventually("the module to notice the tracking client", || {
        topology_reads(node) > before
    });
    rename(node, "second.example");
    let message = String::from_utf8_lossy(&listener.take()).into_owned();
    assert!(message.contains("__slothint__:topology"), "{message}");
}

#[test]
fn slots_that_move_are_told_on_every_node() {
    let cluster = afresh(2, 1).start();
    let mut trackers: Vec<RawConn> = cluster.nodes.iter().map(tracker).collect();
    let (first, second) = (&cluster.nodes[0], &cluster.nodes[1]);
    hand_over(&cluster, &[7], first, second);
    for (conn, node) in trackers.iter_mut().zip(&cluster.nodes) {
        invalidated(conn);
        let owner = hint(&mut node.raw(), &[key_of_slot_7()]);
        assert_eq!(owner.nodes[0].address.id, cluster.id_of(second));
    }
}

fn key_of_slot_7() -> &'static str {
    &a_key_of_each_slot()[7]
}

#[test]
fn a_change_seen_by_the_trackers_own_question_is_told_all_the_same() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let mut conn = tracker(node);
    conn.send_bytes(&packet(&[
        "MULTI",
        "CONFIG SET cluster-announce-hostname second.example",
        "SLOTHINT foo",
        "EXEC",
    ]));
    let mut replies: Vec<Vec<u8>> = Vec::new();
    while !replies.iter().any(|reply| reply.starts_with(b">")) {
        replies.push(conn.take());
    }
    assert!(replies.iter().any(|reply| reply.starts_with(b"*2\r\n+OK")));
}

#[test]
fn a_change_that_somebody_sees_before_the_tracker_is_noticed_is_told_all_the_same() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let (mut conn, mut other) = (node.raw(), node.raw());
    conn.hello3();
    for name in ["second.example", "third.example", "fourth.example"] {
        track(&mut conn);
        let known = token(&mut conn);
        let rename = format!("CONFIG SET cluster-announce-hostname {name}");
        other.send_bytes(&packet(&[&rename, "SLOTHINT.MAP"]));
        assert_eq!(other.take(), b"+OK\r\n");
        assert_ne!(read_map(&read(&other.take())).token, known);
        invalidated(&mut conn);
        assert_eq!(say(&mut conn, "CLIENT TRACKING OFF"), "+OK\r\n");
    }
}

#[test]
fn looks_end_when_the_last_tracker_has_gone() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let mut first = tracker(node);
    let second = tracker_beside(node);
    let before = topology_reads(node);
    eventually("the module to read the topology for the trackers", || {
        topology_reads(node) > before + 5
    });
    drop(second);
    assert_eq!(say(&mut first, "CLIENT TRACKING OFF"), "+OK\r\n");
    // The module still checks now and then whether a client tracks.
    let mut seen = topology_reads(node);
    eventually("the module to stop reading the topology", || {
        let_cron_run(node);
        let before = std::mem::replace(&mut seen, topology_reads(node));
        seen == before
    });
    // With another tracker the module reads the topology again.
    let mut third = tracker(node);
    rename(node, "second.example");
    invalidated(&mut third);
}

#[track_caller]
fn tracker_beside(node: &Server) -> RawConn {
    let mut conn = node.raw();
    conn.hello3();
    track(&mut conn);
    conn
}

#[test]
fn clients_that_track_other_keys_cost_no_looks() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    // After it was loaded, the module looks once for clients that already track. There are none.
    let_cron_run(node);
    for mode in ["", " BCAST PREFIX user: PREFIX __slothint__:x"] {
        let mut conn = node.raw();
        conn.hello3();
        let line = format!("CLIENT TRACKING ON{mode}");
        assert_eq!(say(&mut conn, &line), "+OK\r\n");
        say(&mut conn, "GET __slothint__:topology");
    }
    let mut conn = node.raw();
    conn.hello3();
    assert_eq!(
        say(&mut conn, "CLIENT TRACKING ON BCAST PREFIX user:"),
        "+OK\r\n"
    );
    let_cron_run(node);
    let_cron_run(node);
    assert_eq!(topology_reads(node), 0);
}

#[test]
fn a_module_that_is_loaded_later_finds_the_clients_that_track() {
    let cluster = Cluster::builder(1, 0)
        .node(|_, builder| {
            builder
                .module(false)
                .config("cluster-preferred-endpoint-type", "hostname")
        })
        .start();
    let node = &cluster.nodes[0];
    let mut conn = tracker_beside(node);
    node.run::<()>(&["MODULE", "LOAD", &module_path().display().to_string()]);
    eventually("the module to notice the tracking client", || {
        topology_reads(node) > 0
    });
    rename(node, "second.example");
    invalidated(&mut conn);
    assert_eq!(token(&mut node.raw()), token(&mut node.raw()));
}
