//! Durable commands: they reply once the required replicas have acknowledged them.
//!
//! A command is [admitted](admission) and [executed](run), and its client begins [`waiting`]. The
//! [turn] of the event loop requests acknowledgements and releases waits.

pub mod admission;
pub mod call;
mod cluster_state;
pub mod family;
pub mod fsync;
mod give_up;
pub mod help;
pub mod latency;
pub mod log;
pub mod look;
pub mod once;
mod records;
mod redirect;
mod release;
pub mod replicas;
mod run;
pub mod scripts;
mod set;
pub mod state;
pub mod turn;
mod users;
pub mod wait;
pub mod waiter;
mod waiting;
