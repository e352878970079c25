//! Durable writes: commands that answer once the required replicas have acknowledged them.
//!
//! A command is [admitted](admission), executed, and its client put into the [`wait_queue`]. The
//! [event loop's turn](turn) then asks the replicas, hears them, and lets clients go.

pub mod admission;
pub mod alarms;
pub mod call;
pub mod call_keys;
pub mod cluster_state;
pub mod docs;
pub mod family;
pub mod fsync;
pub mod give_up;
pub mod help;
pub mod inner;
pub mod latency;
pub mod look;
pub mod overhear;
pub mod redirect;
pub mod replicas;
pub mod resetstat;
pub mod run;
pub mod set;
pub mod shares;
pub mod turn;
pub mod wait;
pub mod wait_queue;
