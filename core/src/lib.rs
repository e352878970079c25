//! The rules of redis-durable, without a server: no unsafe code, no Redis, no clock, no I/O. Time
//! and offsets are arguments. So every rule is tested without a server, and many of them against a
//! naive model.
//!
//! The module crate passes the server's events to the [`coordinator`] and carries out the actions
//! that it returns. Start there.
//!
//! | subject | modules |
//! |---|---|
//! | durable commands as a state machine | [`coordinator`] |
//! | the waits | [`ledger`], [`shares`] (waits by user) |
//! | acknowledgements | [`replicas`] (which links count), [`acks`], [`ack_request`], [`fsyncs`] |
//! | requirements | [`options`] (parsing), [`requirement`] |
//! | DURABLE.CALL | [`callable`] (what may run), [`key_specs`], [`key_places`], [`scripts`] |
//! | DURABLE.ONCE | [`once`] (records of executed commands) |
//! | statistics and log | [`stats`], [`recent_waits`], [`resets`], [`alarms`] |
//! | slot hints | [`slot`], [`topology`], [`slot_map`] |
//! | differences between servers | [`servers`] |
//! | replies of the server | [`client_list`], [`acl_rules`] |
//! | numbers with a unit | [`units`] |
//! | the number of a version | [`version`] |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ack_request;
pub mod acks;
pub mod acl_rules;
pub mod alarms;
pub mod callable;
pub mod client_list;
pub mod common_reply;
pub mod coordinator;
pub mod fsyncs;
pub mod key_places;
pub mod key_specs;
pub mod ledger;
#[cfg(feature = "mistakes")]
pub mod mistakes;
pub mod once;
pub mod options;
pub mod recent_waits;
pub mod replicas;
pub mod requirement;
pub mod resets;
mod resp;
pub mod scripts;
pub mod servers;
pub mod shares;
pub mod slot;
pub mod slot_map;
pub mod stats;
pub mod topology;
pub mod units;
pub mod version;
