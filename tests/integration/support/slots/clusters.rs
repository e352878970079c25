//! Clusters for tests of slot hints, and changes of their slot map.

use testkit::differences::CACHES_CLUSTER_SLOTS;
use testkit::{eventually, Cluster, ClusterBuilder, Server};

use crate::support::{info, packet};

/// A cluster whose nodes read the topology in every turn of the event loop that has a request, so
/// that no map is old.
pub fn afresh(primaries: usize, replicas: usize) -> ClusterBuilder {
    Cluster::builder(primaries, replicas)
        .node(|_, builder| builder.module_args(&["slothint-max-age-ms", "0"]))
}

/// A cluster of one node with all slots. [`rename`] changes its host name, which changes the map at
/// once.
pub fn alone(max_age_ms: &'static str) -> Cluster {
    Cluster::builder(1, 0)
        .node(move |_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", max_age_ms])
                .config("cluster-preferred-endpoint-type", "hostname")
                .config("cluster-announce-hostname", "first.example")
        })
        .start()
}

#[track_caller]
pub fn rename(server: &Server, name: &str) {
    set(server, "cluster-announce-hostname", name);
}

#[track_caller]
pub fn set(server: &Server, name: &str, value: &str) {
    server.run::<()>(&["CONFIG", "SET", name, value]);
    if name == "cluster-announce-ip" && server.has(CACHES_CLUSTER_SLOTS) {
        // Another setting, changed and changed back, renews the cached answer.
        let endpoint = "cluster-preferred-endpoint-type";
        let kept: Vec<String> = server.run(&["CONFIG", "GET", endpoint]);
        let other = if kept[1] == "ip" { "hostname" } else { "ip" };
        for value in [other, kept[1].as_str()] {
            server.run::<()>(&["CONFIG", "SET", endpoint, value]);
        }
    }
}

/// Begins to move a slot from one primary to another.
#[track_caller]
pub fn begin_move(cluster: &Cluster, slot: u16, from: &Server, to: &Server) {
    let (source, target) = (cluster.id_of(from), cluster.id_of(to));
    let slot = slot.to_string();
    from.run::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", target]);
    to.run::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", source]);
}

/// Moves slots without keys from one primary to another. Waits until all nodes agree.
#[track_caller]
pub fn hand_over(cluster: &Cluster, slots: &[u16], from: &Server, to: &Server) {
    let id = cluster.id_of(to);
    let lines: Vec<String> = slots
        .iter()
        .map(|slot| format!("CLUSTER SETSLOT {slot} NODE {id}"))
        .collect();
    // The old owner is told first. Otherwise it would claim the slots back. Afterwards the new
    // owner gets a new configuration epoch, so that all nodes accept it.
    let mut primaries = cluster.primaries();
    primaries.sort_by_key(|node| (node.port() != from.port(), node.port() == to.port()));
    for node in primaries {
        let mut conn = node.raw();
        conn.send_bytes(&packet(
            &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        ));
        for _ in slots {
            assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
        }
    }
    to.run::<String>(&["CLUSTER", "BUMPEPOCH"]);
    cluster.wait_until_agreed();
    eventually("the new owner in CLUSTER SLOTS", || {
        cluster.owner_of_slot(slots[0]).port() == to.port()
    });
}

/// How often the module has read the topology.
#[track_caller]
pub fn topology_reads(server: &Server) -> i64 {
    info(server, "slothint_map_refreshes_total")
}

/// Waits until the server's cron has run for at least a second of the server's own clock.
#[track_caller]
pub fn let_cron_run(server: &Server) {
    let uptime = || server.info_number("server", "uptime_in_seconds");
    let before = uptime();
    eventually("the server's cron to run for a while", || {
        uptime() >= before + 2
    });
}

#[track_caller]
pub fn wait_for_blocked(server: &Server, count: i64) {
    eventually(&format!("{count} blocked clients"), || {
        server.info_number("clients", "blocked_clients") == count
    });
}
