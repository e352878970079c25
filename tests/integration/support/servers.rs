//! Servers as most tests start them.
//!
//! Waits have no deadline (`timeout-ms 0`) except in tests about deadlines, so that no test depends
//! on the speed of the machine.

use std::net::TcpListener;

use testkit::{eventually, FakeReplica, Replicated, ReplicatedBuilder, Server, ServerBuilder};

use super::info;

/// Loads the module with `timeout-ms 0`, so waits have no deadline.
pub fn patient(builder: ServerBuilder) -> ServerBuilder {
    builder.module_args(&["timeout-ms", "0"])
}

/// As [`patient`], with an append-only file that is synchronized at each write.
pub fn persistent(builder: ServerBuilder) -> ServerBuilder {
    patient(builder)
        .config("appendonly", "yes")
        .config("appendfsync", "always")
}

/// Two I/O threads besides the main thread. More of them would show nothing else, and would be slow
/// on a machine with fewer cores.
pub fn in_threads(builder: ServerBuilder) -> ServerBuilder {
    builder
        .config("io-threads", "3")
        // Newer servers always read in threads, and still accept the setting.
        .config("io-threads-do-reads", "yes")
}

/// A primary with `replicas` replicas and waits without a deadline.
#[track_caller]
pub fn replicated(replicas: usize) -> Replicated {
    let group = builder(replicas).start();
    // Reading the figures makes the module ask the replicas. Afterwards it sends requests for waits
    // only.
    let expected = i64::try_from(replicas).expect("a small number");
    eventually("the replicas to count", || {
        info(&group.primary, "replicas_online") == expected
    });
    group
}

/// The description of [`replicated`], for changes before the start.
pub fn builder(replicas: usize) -> ReplicatedBuilder {
    Replicated::builder().replicas(replicas).primary(patient)
}

/// A fake replica, which never reports by itself. It has acknowledged the first bytes of the
/// stream: a replica that has acknowledged nothing does not count.
#[track_caller]
pub fn silent_replica(primary: &Server) -> FakeReplica {
    silent_replica_and_key(primary, "first")
}

/// As [`silent_replica`]. The first bytes of the stream are a write to `key`, which a cluster node
/// has to own.
#[track_caller]
pub fn silent_replica_and_key(primary: &Server, key: &str) -> FakeReplica {
    // The module is in use, so it asks the replica when it comes.
    info(primary, "replicas_online");
    let mut fake = FakeReplica::start(primary);
    primary.run::<()>(&["SET", key, "v"]);
    fake.wait_for_offset(primary.offset());
    let acked = fake.ack_what_was_read();
    eventually("the first acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == acked
    });
    fake
}

/// Whether the machine has the address ::1. Tests that need it do nothing without it.
pub fn has_ipv6() -> bool {
    let available = TcpListener::bind("[::1]:0").is_ok();
    if !available {
        eprintln!("::1 is not available here: this test did nothing");
    }
    available
}
