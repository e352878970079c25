//! The client on real clusters.

mod batches;
mod doubt;
mod failover;
mod fence_writes;
mod fences;
mod leaving;
mod order;
mod partition;
mod patience;
mod pinned;
mod prefill;
mod reaching;
mod refusing;
mod reshard;
mod scripts;
mod support;
mod tls;
mod watch;
mod without_module;
