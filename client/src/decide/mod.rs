//! What the client does, decided without doing it: no sockets, no clock, no threads, no locks that
//! block. Time and random numbers come in as arguments.
//!
//! Four state machines name the next step: [`batch::Batch`] for the commands of a call,
//! [`batch::pipeline::Pipeline`] for one node of a round, [`asking::inquiry::Inquiry`] for a hint,
//! and [`asking::watcher::Watcher`] for the background refresh. A driver does the step and reports
//! what came of it. Nothing here uses [`crate::drive`]. So another driver, for example an
//! asynchronous one, would be another folder beside `drive/`.

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
