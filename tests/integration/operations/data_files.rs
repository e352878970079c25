//! Data files never depend on the module: a server without it loads the files of a server with it.

use std::fs;
use std::path::Path;

use testkit::{eventually, Replicated, Server};

use crate::support::{builder, patient, say};

fn with_aof(fsync: &'static str) -> Replicated {
    let group = builder(1)
        .primary(move |builder| {
            patient(builder)
                .config("appendonly", "yes")
                .config("appendfsync", fsync)
        })
        .start();
    let mut conn = group.primary.raw();
    for number in 0..50 {
        let set = format!("DURABLE.SET k{number} v PXAT 99999999999999");
        assert_eq!(say(&mut conn, &set), "+OK\r\n");
        assert_eq!(
            say(&mut conn, "DURABLE.SET k0 v NX GET TIMEOUT 0"),
            "$1\r\nv\r\n"
        );
        assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    }
    group
}

/// The contents of all files in a directory, concatenated.
fn files(directory: &Path) -> Vec<u8> {
    let entries = fs::read_dir(directory).expect("cannot list the append-only directory");
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| fs::read(path).expect("cannot read an append-only file"))
        .collect()
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Starts the server again without the module and its settings.
fn restart_without_module(server: &Server) {
    let path = server.dir().join("redis.conf");
    let text = fs::read_to_string(&path).expect("cannot read redis.conf");
    let own = |line: &&str| !line.starts_with("loadmodule") && !line.starts_with("durable.");
    let kept: Vec<&str> = text.lines().filter(own).collect();
    assert!(
        kept.len() < text.lines().count(),
        "redis.conf did not load the module"
    );
    fs::write(&path, kept.join("\n")).expect("cannot write redis.conf");
    server.restart();
}

fn check(group: &Replicated) {
    let log = files(&group.primary.dir().join("appendonlydir"));
    assert!(
        contains(&log, "PXAT"),
        "the writes are missing in the append-only file"
    );
    for word in ["REPLCONF", "GETACK", "DURABLE"] {
        assert!(!contains(&log, word), "{word} is in the append-only file");
    }
    restart_without_module(&group.primary);
    let mut conn = group.primary.raw();
    let unknown = say(&mut conn, "DURABLE.WAIT");
    assert!(unknown.starts_with("-ERR unknown command"), "{unknown}");
    assert_eq!(say(&mut conn, "DBSIZE"), ":50\r\n");
    assert_eq!(say(&mut conn, "PEXPIRETIME k49"), ":99999999999999\r\n");
}

#[test]
fn an_append_only_file_that_is_always_synced_survives_a_crash_and_loads_without_the_module() {
    let group = with_aof("always");
    group.primary.kill();
    check(&group);
}

#[test]
fn an_append_only_file_that_is_synced_every_second_loads_without_the_module() {
    let group = with_aof("everysec");
    group.primary.shutdown();
    check(&group);
}

#[test]
fn a_rewritten_append_only_file_and_a_snapshot_load_without_the_module() {
    let group = with_aof("everysec");
    let mut conn = group.primary.raw();
    say(&mut conn, "BGREWRITEAOF");
    eventually("the rewrite to end", || {
        group
            .primary
            .info_number("persistence", "aof_rewrite_in_progress")
            == 0
            && group
                .primary
                .info_number("persistence", "aof_rewrite_scheduled")
                == 0
    });
    assert_eq!(
        say(&mut conn, "DURABLE.SET k0 v PXAT 99999999999999"),
        "+OK\r\n"
    );
    group.primary.shutdown();
    check(&group);
}

#[test]
fn a_snapshot_loads_without_the_module() {
    let primary = patient(Server::builder()).start();
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 0"), "+OK\r\n");
    assert_eq!(say(&mut conn, "SAVE"), "+OK\r\n");
    assert!(!contains(
        &fs::read(primary.dir().join("dump.rdb")).expect("cannot read the snapshot"),
        "durable"
    ));
    primary.kill();
    restart_without_module(&primary);
    assert_eq!(say(&mut primary.raw(), "GET k"), "$1\r\nv\r\n");
}

#[test]
fn a_replica_needs_no_module() {
    let group = builder(1).module_on_replicas(false).start();
    let mut conn = group.primary.raw();
    for number in 0..20 {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k {number}")),
            "+OK\r\n"
        );
    }
    assert_eq!(say(&mut group.replicas[0].raw(), "GET k"), "$2\r\n19\r\n");
}
