//! Real Redis and Valkey servers for the tests: primaries, replicas and clusters on loopback.
//!
//! | what | for |
//! |---|---|
//! | [`Server`] | one server process: start, pause, kill, restart, connect |
//! | [`Replicated`] | a primary and its replicas, in step |
//! | [`Cluster`] | a formed cluster whose nodes agree on the slots |
//! | [`RawConn`] | protocol bytes as they travel |
//! | [`Tls`] | a certificate, and servers that listen for TLS too |
//! | [`Cut`] | a link between two servers that can be cut behind the primary's back |
//! | [`FakeReplica`] | a replica that acknowledges what the test tells it to |
//! | [`eventually`] | waiting for a condition |
//! | [`differences`] | what differs between servers |
//!
//! Two environment variables choose what is tested: `DURABLE_TEST_SERVER`, the server's binary
//! (default: the first of redis-server and valkey-server on PATH), and `DURABLE_TEST_MODULE`, the
//! module's shared library (default: the one in the target directory of the running test).
//!
//! Tests wait for conditions, never for time to pass. Nothing outlives the test process: each server
//! is killed when its handle is dropped, and by the kernel when the test process itself is killed.
//! This is test code: whatever goes wrong here panics, and says what was awaited.

#![forbid(unsafe_code)]

mod builder;
mod cluster;
mod cut;
pub mod differences;
mod environment;
mod eventually;
mod fake_replica;
mod framing;
mod patience;
mod port;
mod process;
mod raw;
mod replicated;
mod server;
mod state;
mod tls;
mod version;

pub use builder::{server_has_setting, ServerBuilder};
pub use cluster::{Cluster, ClusterBuilder};
pub use cut::Cut;
pub use differences::Difference;
pub use environment::{module_path, server_binary};
pub use eventually::{eventually, eventually_some};
pub use fake_replica::{FakeReplica, FakeReplicaBuilder};
pub use framing::{encode_command, reply_length};
pub use port::ReservedPort;
pub use raw::RawConn;
pub use replicated::{Replicated, ReplicatedBuilder};
pub use server::Server;
pub use state::{ReplicaLink, Role};
pub use tls::Tls;
pub use version::{Product, Version};

/// The redis crate this kit is built on, so that tests and kit cannot disagree about its version.
pub use redis;
