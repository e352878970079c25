//! What to do. No sockets, no clock, no threads: time comes in as an argument.

pub(crate) mod asking;
pub(crate) mod backoff;
pub(crate) mod batch;
pub mod cache;
pub(crate) mod command;
pub(crate) mod connect_errors;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod greeting;
pub mod hint;
mod host;
pub(crate) mod knowledge;
pub(crate) mod links;
pub(crate) mod node;
pub(crate) mod redirect;
pub(crate) mod settings;
pub(crate) mod stats;
