//! Servers without the module: MOVED alone.

use redis::IntoConnectionInfo;
use redis_durable_client::{Client, Command, Fill};
use testkit::{Cluster, Server};

use crate::support::{assert_own_values, client_of, keys, set_to_themselves};

/// How many error replies of each server began with ERR, as `unknown command` does. MOVED is
/// counted separately. Read over a bare connection: those of the redis crate begin with a command
/// that older servers do not know, which would count as well.
fn errors(servers: &[Server]) -> Vec<u64> {
    let errors = |server: &Server| -> u64 {
        let text = server.raw().call_text(&["INFO", "errorstats"]);
        let count = text.split("errorstat_ERR:count=").nth(1);
        let count = count.and_then(|rest| rest.lines().next()?.parse().ok());
        count.unwrap_or(0)
    };
    servers.iter().map(errors).collect()
}

/// A client whose connections send no names.
fn plain_client_of(server: &Server) -> Client {
    let url = format!("redis://{}", server.addr());
    let info = url.into_connection_info().unwrap();
    let silent = info.redis_settings().clone().set_skip_set_lib_name();
    Client::open([info.set_redis_settings(silent)]).unwrap()
}

#[test]
fn moved_alone_fills_the_cache_and_each_node_is_asked_for_hints_once() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.module(false))
        .start();
    let before = errors(&cluster.nodes);
    let client = plain_client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let keys = keys(500);
    set_to_themselves(&mut session, &keys);
    let moved = client.stats().moved;
    assert!(moved > 0);
    assert_eq!(client.stats().hint_requests, 1, "nobody else was known");
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().moved, moved, "every slot is known by now");
    assert_eq!(session.prefill(["another key"]).unwrap(), Fill::Unavailable);
    for _ in 0..3 {
        assert_eq!(session.prefill(["another key"]).unwrap(), Fill::Unavailable);
        assert_eq!(session.prefill_all().unwrap(), Fill::Unavailable);
        set_to_themselves(&mut session, &["more".into(), "keys".into()]);
    }
    assert_own_values(&mut client.session(), &keys);
    assert!(!client.uses_hints());
    assert_eq!(
        (client.stats().hint_requests, client.stats().map_requests),
        (3, 0)
    );
    for (before, after) in before.iter().zip(errors(&cluster.nodes)) {
        assert_eq!(after - before, 1, "one unknown command at each node");
    }
}

#[test]
fn single_commands_are_served_by_moved_and_each_node_is_asked_for_the_map_once() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.module(false))
        .start();
    let before = errors(&cluster.nodes);
    let client = plain_client_of(&cluster.nodes[0]);
    let keys = keys(100);
    for _ in 0..2 {
        for key in &keys {
            let mut session = client.session();
            set_to_themselves(&mut session, std::slice::from_ref(key));
            assert_own_values(&mut session, std::slice::from_ref(key));
        }
    }
    let stats = client.stats();
    assert!(stats.moved > 0 && stats.moved <= 100, "{stats:?}");
    assert!(stats.map_requests <= 3, "{stats:?}");
    assert_eq!(stats.retries, 0, "{stats:?}");
    for (before, after) in before.iter().zip(errors(&cluster.nodes)) {
        assert!(after - before <= 1, "one unknown command at each node");
    }
}

#[test]
fn a_watch_ends_by_itself() {
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| builder.module(false))
        .start();
    let client = client_of(&cluster.nodes[0]);
    let watch = client.watch().unwrap();
    testkit::eventually("the watch to end", || !watch.is_running());
    assert!(!client.uses_hints());
    client.use_hints_again();
    assert!(client.uses_hints());
}

#[test]
fn a_server_without_a_cluster_serves_everything() {
    let server = Server::builder().start();
    let client = client_of(&server);
    let mut session = client.session();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    assert!(!client.uses_hints());
    assert_eq!(client.stats().moved, 0);
}

#[test]
fn a_write_that_meets_a_replica_goes_on_to_the_primary() {
    let primary = Server::builder().module(false).start();
    let replica = Server::builder().module(false).start();
    replica.replica_of(&primary);
    let addresses = [&replica, &primary].map(|server| format!("redis://{}", server.addr()));
    let client = Client::open(addresses).unwrap();
    let mut session = client.session();
    // The replica serves a read, so writes go there as well at first.
    session.run(&Command::get("k")).unwrap();
    session.run(&Command::set("k", "v")).unwrap();
    assert_eq!(client.stats().not_primary, 1);
    assert_eq!(session.query::<String>(&Command::get("k")).unwrap(), "v");
    session.run(&Command::set("k", "w")).unwrap();
    assert_eq!(client.stats().not_primary, 1, "the slot is known by now");
}

#[test]
fn a_server_that_is_loading_is_waited_for() {
    // Slow enough to be met while it loads, and it serves its clients after every few keys. In a
    // cluster the same server would answer CLUSTERDOWN, because it checks the slots first.
    let server = Server::builder()
        .module(false)
        .config("key-load-delay", "1500")
        .config("loading-process-events-interval-bytes", "1024")
        .start();
    let client = client_of(&server);
    let mut session = client.session();
    let keys = keys(2000);
    set_to_themselves(&mut session, &keys);
    server.run::<()>(&["SAVE"]);
    server.kill();
    std::thread::scope(|scope| {
        scope.spawn(|| server.restart());
        assert_own_values(&mut session, &keys[..10]);
    });
    assert!(client.stats().loading > 0, "{:?}", client.stats());
}

#[test]
fn after_a_crash_the_other_nodes_are_asked() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| builder.module(false))
        .start();
    let client = client_of(&cluster.nodes[1]);
    let mut session = client.session();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    for primary in cluster.primaries() {
        primary.run::<i64>(&["WAIT", "1", "0"]);
    }
    cluster.notice_failures();
    cluster.nodes[0].kill();
    assert_own_values(&mut session, &keys);
}
