//! The client on real clusters.

mod batches;
mod failover;
mod fences;
mod leaving;
mod order;
mod patience;
mod prefill;
mod reaching;
mod refusing;
mod reshard;
mod scripts;
mod support;
mod tls;
mod watch;
mod without_module;
