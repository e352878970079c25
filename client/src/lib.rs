//! Sends each command of a Redis or Valkey cluster to the node that has its key, with the commands,
//! values and addresses of the [`redis`] crate.
//!
//! A client of a cluster has to know which node has which of the 16,384 slots. Learning that by
//! being sent away (`MOVED`) costs a redirection for each slot it gets wrong. Where the servers
//! have the durable module, one `SLOTHINT` tells the nodes of a whole batch of keys before the
//! first command, one `SLOTHINT.MAP` tells everything, and `SLOTHINT.WATCH` tells when that
//! changes. Where they have not, this works by `MOVED` alone.
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
//! // One pipeline for each node; the results are in the order of the commands, each with an error of its own.
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
//! | the server says | what happens |
//! |---|---|
//! | nothing yet: the slot is not known | one `SLOTHINT` first, for a single command one `SLOTHINT.MAP`; without an answer the command goes to the default node, the first that was named and is up |
//! | `MOVED` | followed, and the slot is corrected. If it names a known replica of the slot's shard, all slots of the shard are |
//! | `ASK` | followed for this command, with `ASKING` in the same packet; never remembered |
//! | `TRYAGAIN`, `CLUSTERDOWN` | again, after a wait that grows from 8 ms to half a second with jitter, within [`ClientBuilder::retry_for`] |
//! | `LOADING`, `READONLY`, `MASTERDOWN` | the same, and other nodes are asked: the node is likely to have been replaced |
//! | no connection to be had | a replica of the shard is asked, then everybody else; the map is asked for again |
//! | the connection breaks after sending | reads go again; of anything else the outcome is unknown, and the caller is told ([`Error::OutcomeUnknown`]) |
//! | more than it was asked | nobody knows which reply is whose: as when the connection breaks |
//! | `UNBLOCKED` or `CLUSTERDOWN` to a durable write | the same: it has been executed, most likely |
//! | any other error | it is the caller's |
//!
//! A refresh never undoes a correction that is newer than itself: see [`cache`].
//!
//! # What it does not
//!
//! - Transactions, subscriptions, and whatever else belongs to one connection are refused: for
//!   these, ask [`Client::node_of`] and connect with the redis crate.
//! - Reads go to primaries. Replicas are known, and are not read from.
//! - It is synchronous. Most of what happens here is deciding, which needs no runtime; a batch
//!   already keeps all nodes busy from one thread; and programs of any runtime can use it in a
//!   blocking task. The [`cache`] and the reading of hints have no I/O, so an asynchronous client
//!   can be built on them.
//!
//! # TLS
//!
//! Turn on the feature `tls`, name the nodes by `rediss://`, and say by `ClientBuilder::tls` whom
//! to trust: a [`ClientConfig`](https://docs.rs/rustls/0.23/rustls/struct.ClientConfig.html) of
//! rustls, with a certificate of the client's where servers want one. Nodes that are learnt of are
//! connected to with the same settings.
//!
//! - No other settings count: TLS parameters in a `redis::ConnectionInfo` cannot be read from
//!   there, and `#insecure` at the end of an address has no effect.
//! - rustls needs a provider of cryptography, for example its feature `ring`.
//! - Redis before 7.2 names the plain ports of other nodes unless `tls-cluster` is on. No TLS can
//!   be spoken there, so commands for these nodes end with [`Error::GaveUp`] and are not executed.
#![warn(missing_docs)]

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
