//! The client on real clusters.

mod batches;
mod failover;
mod prefill;
mod reaching;
mod reshard;
mod support;
mod watch;
mod without_module;
