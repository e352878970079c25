//! Durable writes: commands that answer once the required replicas have acknowledged them.
//!
//! A command is [admitted](admission), executed, and its client put into the [`wait_queue`]. The
//! [event loop's turn](turn) then asks the replicas, hears them, and lets clients go.

pub mod admission;
pub mod run;
pub mod set;
pub mod turn;
pub mod wait;
pub mod wait_queue;
