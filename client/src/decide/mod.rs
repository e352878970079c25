//! What to do. No sockets, no clock, no threads: time comes in as an argument.

pub(crate) mod backoff;
pub(crate) mod batch;
pub mod cache;
pub(crate) mod command;
pub(crate) mod deadline;
pub(crate) mod error;
pub mod hint;
pub(crate) mod knowledge;
pub(crate) mod node;
pub(crate) mod redirect;
pub(crate) mod stats;
