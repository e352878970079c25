//! The client on real clusters.

mod batches;
mod doubt;
mod drops;
mod failover;
mod fake;
mod fence_writes;
mod fences;
mod leaving;
mod once;
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
mod surplus;
mod tls;
mod watch;
mod without_module;
