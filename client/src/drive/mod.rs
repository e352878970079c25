//! Does it: sockets, TLS, threads and the clock.

pub(crate) mod batch;
pub(crate) mod client;
mod connecting;
mod connection;
mod fetches;
mod greeting;
pub(crate) mod hinting;
mod links;
mod round;
pub(crate) mod session;
mod socket;
pub(crate) mod watch;
