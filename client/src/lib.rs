//! Sends each command of a Redis or Valkey cluster to the node that has its key, with the commands,
//! values and addresses of the [`redis`] crate.
//!
//! A cluster client has to know which node has which of the 16,384 slots. If it learns this from
//! `MOVED`, each slot that it has wrong costs a redirection. If the servers have the durable
//! module, one `SLOTHINT` names the nodes for a whole batch of keys before the first command, one
//! `SLOTHINT.MAP` names them for all slots, and `SLOTHINT.WATCH` reports changes. Without the
//! module, `MOVED` alone fills the cache.
//!
//! ```no_run
//! use redis_durable_client::{Client, Command};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::open(["redis://:secret@10.0.0.1:7000", "redis://:secret@10.0.0.2:7000"])?;
//! let _watch = client.watch()?;
//!
//! let mut session = client.session();
//! session.run(&Command::new("DURABLE.SET").key("user:7").arg("Ada").arg(&["REPLICAS", "2"]))?;
//! let name: String = session.query(&Command::get("user:7"))?;
//! assert_eq!(name, "Ada");
//!
//! // One pipeline for each node. The results are in the order of the commands, each with an error
//! // of its own.
//! let visits = (0..1000).map(|user| Command::new("INCR").key(format!("visits:{user}")));
//! let visits: Vec<Command> = visits.collect();
//! for (command, result) in visits.iter().zip(session.batch(&visits)) {
//!     if let Err(error) = result {
//!         let maybe = error.may_have_been_executed();
//!         eprintln!("{command:?}: {error} (may have been executed: {maybe})");
//!     }
//! }
//! println!("{:?}", client.stats());
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! What it does in each case:
//!
//! - the slot of a command is not in the cache: a batch first sends one `SLOTHINT`, a single
//!   command one `SLOTHINT.MAP`. Without a hint the command goes to the default node: the first of
//!   the nodes given to [`Client::open`] that is up
//! - `MOVED`: the command follows the redirection, and the slot is corrected in the cache. If the
//!   new node is a known replica of the slot's shard, all slots of the shard are corrected
//! - `ASK`: this command follows the redirection, with `ASKING` in the same packet. The cache does
//!   not change
//! - `TRYAGAIN`, `CLUSTERDOWN`: another attempt after a wait, which grows from 8 ms to half a
//!   second with jitter, within [`ClientBuilder::retry_for`]
//! - `LOADING`, `READONLY`, `MASTERDOWN`: the same, at other nodes, because the node has probably
//!   been replaced
//! - one of these five to a script: the caller gets it ([`Error::Script`]), unless the script is
//!   declared repeatable
//! - there is no connection: a replica of the shard is tried, then all other nodes; the map is
//!   requested again
//! - the connection breaks after sending: reads, commands by [`Command::once`] and commands
//!   declared repeatable are sent again; for all others the outcome is unknown
//!   ([`Error::OutcomeUnknown`])
//! - more replies than commands: it is not known which reply belongs to which command, so the
//!   connection counts as broken
//! - `UNBLOCKED` or `CLUSTERDOWN` to a durable write: commands by [`Command::once`] and commands
//!   declared repeatable are sent again; for all others the outcome is unknown, because the write
//!   may have been executed already
//! - `UNACKED` to a command by [`Command::once`]: it is sent again within
//!   [`ClientBuilder::retry_for`], and waits again. After that the caller gets the error
//! - any other error: the caller gets it
//!
//! A write such as `INCR` that may be sent again is not executed twice as
//! `Command::new("INCR").key("stock").once("order-7")`. See [`Command::once`].
//!
//! A refresh never undoes a correction that arrived after the refresh was requested: see [`cache`].
//!
//! # What it does not do
//!
//! - Transactions, subscriptions and other commands that belong to one connection are refused. For
//!   these, get the node from [`Client::node_of`] and connect with the redis crate.
//! - Reads go to primaries. Replicas are known, but not read from.
//! - The client is synchronous. A batch keeps all nodes busy from one thread, and programs of any
//!   runtime can use a session in a blocking task. The client's decisions need no runtime and are
//!   apart from the sockets, so an asynchronous driver can be added. The [`cache`] and the reading
//!   of hints are public.
//!
//! # TLS
//!
//! Turn on the feature `tls`, name the nodes by `rediss://`, and give a
//! [`ClientConfig`](https://docs.rs/rustls/0.23/rustls/struct.ClientConfig.html) of rustls to
//! `ClientBuilder::tls`: the certificates to trust, and the client's own certificate if servers
//! require one. Nodes that become known are connected to with the same settings.
//!
//! - No other TLS settings count: this crate cannot read the TLS parameters in a
//!   `redis::ConnectionInfo`, and `#insecure` at the end of an address has no effect.
//! - rustls needs a provider of cryptography, for example its feature `ring`.
//! - Redis before 7.2 names the plain ports of other nodes unless `tls-cluster` is on. TLS does not
//!   work on these ports, so commands for these nodes end with [`Error::GaveUp`] and are not
//!   executed.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod decide;
mod drive;

pub use decide::asking::fill::Fill;
pub use decide::command::Command;
pub use decide::error::Error;
pub use decide::node::Node;
pub use decide::redirect::Redirect;
pub use decide::stats::Stats;
pub use decide::{cache, hint};
pub use drive::client::{Client, ClientBuilder};
pub use drive::session::Session;
pub use drive::watch::Watch;
