//! The rules of redis-durable, apart from any server: no unsafe code, no Redis, no clock, no I/O.
//! Time and offsets come in as arguments, so that every rule can be tested by itself.
//!
//! Durable writes: [`options`] reads what the user wrote, [`requirement`] fixes it in numbers,
//! [`replicas`] and [`acks`] say what has been acknowledged and by whom, [`ack_request`] when to
//! ask for more, [`ledger`] who waits for what, and [`shares`] whose the waits are. [`alarms`] says
//! what the log is told of it. [`callable`] judges what DURABLE.CALL may run, and [`key_places`]
//! puts its keys where a server finds them. [`client_list`] and [`acl_rules`] tell whether the module may go.
//! [`servers`] is the table of what differs between servers.
//!
//! Slot hints: [`slot`] is the slot of a key, [`topology`] what a look at the cluster shows, and
//! [`slot_map`] what each kind of connection is told of it.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ack_request;
pub mod acks;
pub mod acl_rules;
pub mod alarms;
pub mod callable;
pub mod client_list;
pub mod fsyncs;
pub mod key_places;
pub mod key_specs;
pub mod ledger;
pub mod options;
pub mod recent_waits;
pub mod replicas;
pub mod requirement;
pub mod resets;
pub mod servers;
pub mod shares;
pub mod slot;
pub mod slot_map;
pub mod stats;
pub mod topology;
pub mod units;
