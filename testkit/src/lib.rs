//! Real Redis and Valkey servers for the tests: primaries, replicas and clusters on loopback.
//!
//! | name | purpose |
//! |---|---|
//! | [`Server`] | one server process: start, pause, kill, restart, connect |
//! | [`Replicated`] | a primary and its replicas, in step |
//! | [`Cluster`] | a formed cluster whose nodes agree on the slots |
//! | [`RawConn`] | a connection that shows the bytes of the protocol |
//! | [`Tls`] | a certificate, and servers that also listen for TLS |
//! | [`Cut`] | a proxy that cuts a replica's links without the primary noticing |
//! | [`FakeReplica`] | a replica that acknowledges any offset the test gives it |
//! | [`eventually`] | waits for a condition |
//! | [`Workspace`] | a program that leaves no server and no file, also when it is interrupted |
//! | [`differences`] | what differs between servers |
//!
//! Two environment variables choose what is tested. `DURABLE_TEST_SERVER` is the server's binary
//! (default: the first of redis-server and valkey-server on PATH). `DURABLE_TEST_MODULE` is the
//! module's shared library (default: the one in the target directory of the running test).
//!
//! Tests wait for conditions, never for time to pass. No server outlives the test process: dropping
//! its handle kills it, and the kernel kills it when the test process is killed. This is test code:
//! an error panics with what was expected.

#![forbid(unsafe_code)]

mod builder;
mod cluster;
mod cluster_view;
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
mod workspace;

pub use builder::{server_has_setting, ServerBuilder};
pub use cluster::{Cluster, ClusterBuilder};
pub use cut::Cut;
pub use differences::Difference;
pub use environment::{least_module_path, module_path, other_version_path, server_binary};
pub use eventually::{eventually, eventually_some};
pub use fake_replica::{FakeReplica, FakeReplicaBuilder};
pub use framing::{encode_command, reply_length};
pub use port::ReservedPort;
pub use raw::RawConn;
pub use replicated::{Replicated, ReplicatedBuilder};
pub use server::Server;
pub use state::{ReplicaLink, Role};
pub use tls::Tls;
pub use version::Version;
pub use workspace::Workspace;

/// The redis crate of this kit, so that tests use the same version.
pub use redis;
