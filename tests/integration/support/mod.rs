//! Helpers for the tests, one subject per file. All are re-exported here, except those for slot
//! hints.

mod chance;
mod cluster;
mod command_info;
mod commands;
mod family;
mod fsync;
pub mod group;
mod links;
mod random_arguments;
pub mod scripts;
mod servers;
mod settings;
pub mod slots;
mod stats;
mod syncing_link;
mod tls;
mod unloading;
mod users;
mod waits;
pub mod writer;

pub use chance::Chance;
pub use cluster::{ipv6_cluster, key_of, keys_of, two_primaries};
pub use command_info::{all_commands, command_info, CommandInfo};
pub use commands::{connections, get, packet, say, send, send_in_one_turn};
pub use family::{family, Sample};
pub use fsync::fsync_is_refused;
pub use links::{fsynced_offsets, refusal, verdicts};
pub use random_arguments::random_command;
pub use servers::{
    builder, has_ipv6, in_threads, patient, persistent, replicated, silent_replica,
    silent_replica_and_key,
};
pub use settings::setting;
pub use stats::{calls, info, server_time, wait_for_waiters};
pub use syncing_link::{introduce, syncing_link, wait_for_syncing};
pub use tls::{connect, TlsConn};
pub use unloading::{assert_unload_is_refused, never_unloads, unload_and_load_again};
pub use users::user;
pub use waits::{settles, wait_one_by_one, waiting, EVERY_KIND};
