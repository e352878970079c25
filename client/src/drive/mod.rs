//! The synchronous driver: does the steps that [`crate::decide`] names. Sockets, TLS, threads, the
//! clock and the locks are here.

mod batch;
pub(crate) mod client;
mod connecting;
mod connection;
mod connections;
mod fetches;
mod hints;
mod pipelines;
pub(crate) mod session;
mod shared;
mod socket;
pub(crate) mod watch;
