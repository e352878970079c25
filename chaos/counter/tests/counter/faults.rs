//! Counting while servers are killed and restarted.

use std::fs;

use testkit::{eventually, Cluster, Replicated, Server, Tls};

use crate::program::{count, refusal, Program};

const ALL: [&str; 2] = ["--replicas", "2"];

/// A primary and two replicas that keep their data on disk.
fn servers() -> Replicated {
    Replicated::builder()
        .replicas(2)
        .primary(kept)
        .replica(|_, builder| kept(builder))
        .start()
}

/// On a busy disk an fsync takes longer than the default of `durable.timeout-ms`, and the program
/// does not begin to count.
fn kept(builder: testkit::ServerBuilder) -> testkit::ServerBuilder {
    builder
        .module_args(&["timeout-ms", "30000"])
        .config("appendonly", "yes")
        .config("appendfsync", "always")
}

fn program(servers: &Replicated, more: &[&str]) -> Program {
    let address = servers.primary.addr();
    let arguments: Vec<&str> = [&[address.as_str()], more].concat();
    Program::start(&arguments)
}

#[test]
fn a_primary_that_is_killed_and_comes_back_with_its_data_passes() {
    let servers = servers();
    let program = program(&servers, &ALL);
    for _ in 0..3 {
        program.wait_for_growth(&servers.primary);
        servers.primary.kill();
        servers.primary.restart();
    }
    program.wait_for_growth(&servers.primary);
    let key = program.keys[0].clone();
    let ended = program.end();
    assert_eq!(ended.code, 0, "{}", ended.output);
    assert!(ended.output.contains("\nPASS: "), "{}", ended.output);
    assert!(
        ended.output.contains(&format!("key {key}: deleted")),
        "{}",
        ended.output
    );
    let left: i64 = servers.primary.run(&["EXISTS", &key]);
    assert_eq!(left, 0);
}

#[test]
fn a_primary_that_comes_back_without_its_data_fails() {
    let servers = servers();
    let program = program(&servers, &ALL);
    program.wait_for_count(&servers.primary, 200);
    servers.primary.kill();
    fs::remove_dir_all(servers.primary.dir().join("appendonlydir")).unwrap();
    servers.primary.restart();
    program.wait_for_count(&servers.primary, 20);
    let key = program.keys[0].clone();
    let ended = program.end();
    assert_eq!(ended.code, 1, "{}", ended.output);
    assert!(
        ended.output.contains("acknowledged increments are lost"),
        "{}",
        ended.output
    );
    assert!(
        ended.output.contains("FAIL: the counter went back"),
        "{}",
        ended.output
    );
    // It is kept to be looked at, and goes away by itself.
    let lifetime: i64 = servers.primary.run(&["TTL", &key]);
    assert!(lifetime > 0, "{lifetime}");
}

#[test]
fn an_increment_too_many_fails() {
    let servers = servers();
    let program = program(&servers, &ALL);
    program.wait_for_growth(&servers.primary);
    servers
        .primary
        .run::<()>(&["INCRBY", &program.keys[0], "2"]);
    let ended = program.end();
    assert_eq!(ended.code, 1, "{}", ended.output);
    assert!(
        ended
            .output
            .contains("FAIL: 2 increments were executed twice"),
        "{}",
        ended.output
    );
}

#[test]
fn open_outcomes_of_the_other_forms_are_counted_and_allowed_for() {
    for form in ["durable", "plain"] {
        let servers = servers();
        let program = program(&servers, &["--command", form]);
        for _ in 0..2 {
            program.wait_for_growth(&servers.primary);
            servers.primary.kill();
            servers.primary.restart();
        }
        program.wait_for_growth(&servers.primary);
        let ended = program.end();
        assert_eq!(ended.code, 0, "{form}: {}", ended.output);
        assert!(
            ended.output.contains("\nPASS: "),
            "{form}: {}",
            ended.output
        );
    }
}

#[test]
fn in_a_cluster_counting_goes_on_at_the_promoted_replica() {
    let cluster = Cluster::builder(3, 2)
        .node(|_, builder| kept(builder))
        .start();
    let node = cluster.nodes[1].addr();
    let program = Program::start(&[&node, "--cluster", "--replicas", "2"]);
    let first = &cluster.nodes[0];
    let key = program
        .keys
        .iter()
        .find(|key| std::ptr::eq(cluster.owner_of_key(key), first))
        .expect("the first primary owns one of the keys")
        .clone();
    eventually("the counter of the first primary to grow", || {
        count(first, &key) > 20
    });
    cluster.notice_failures();
    first.kill();
    let promoted = || {
        let mut others = cluster.nodes.iter().filter(|node| node.is_alive());
        others.find(|node| owns(node, &key))
    };
    eventually("a replica to take over", || promoted().is_some());
    let owner = promoted().unwrap();
    let before = count(owner, &key);
    // Two replicas are required, so counting needs the former primary as one.
    first.restart();
    eventually("the counter to grow there", || {
        count(owner, &key) > before + 20
    });
    let ended = program.end();
    assert_eq!(ended.code, 0, "{}", ended.output);
    assert!(ended.output.contains("\nPASS: "), "{}", ended.output);
}

#[test]
fn it_counts_over_tls() {
    let tls = Tls::for_servers(1);
    let server = tls.configure(0, Server::builder()).start();
    let authority = server.dir().join("authority.pem");
    fs::write(&authority, tls.certificate().pem()).unwrap();
    let address = format!("127.0.0.1:{}", tls.port(0));
    let trust = ["--tls", "--tls-ca", authority.to_str().unwrap()];
    let program = Program::start(&[&[address.as_str(), "--replicas", "0"], &trust[..]].concat());
    program.wait_for_growth(&server);
    let ended = program.end();
    assert_eq!(ended.code, 0, "{}", ended.output);
    let untrusted = refusal(&[&address, "--tls", "--replicas", "0"], None);
    assert!(untrusted.contains(&address), "{untrusted}");
}

/// Whether this node answers reads of the key. Others answer MOVED.
fn owns(node: &Server, key: &str) -> bool {
    node.try_run::<Option<i64>>(&["GET", key]).is_ok()
}
