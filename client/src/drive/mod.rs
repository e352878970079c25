//! Does what [`crate::decide`] says: sockets, TLS, threads and the clock.

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
