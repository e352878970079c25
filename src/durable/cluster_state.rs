//! Finds out whether the cluster has failed while clients wait.
//!
//! If it has, Redis replies CLUSTERDOWN to waiting clients. Cluster clients take that for "not
//! executed" and send the command again. So the module looks at the cluster's state just before the
//! server does, and gives the waits up before the server replies. Valkey leaves such clients
//! waiting. The module gives their waits up as well.
//!
//! The server checks its clients at the beginning of its cron. The state changes at the end of the
//! cron, or when a turn of the event loop ends. A zero-delay timer fires before the cron of the
//! same turn: the event loop runs the newest timer first, and the cron is an old timer. So the
//! module looks twice:
//!
//! * At the end of the server's cron: the state may have changed in it, and most of a period is
//!   left to give up many waits.
//! * In the timer of a turn in which the cron is due: the state may have changed since.
//!
//! Without waits and outside of cluster mode the module does not look.
//! `core/src/coordinator/cron.rs` decides when it looks.

use crate::ffi::Ctx;

/// Looks at the state of the cluster. This takes about ten microseconds in a cluster of any size.
pub fn has_failed(ctx: &Ctx) -> bool {
    let reply = ctx.ask(c"CLUSTER", &[c"INFO"]);
    let text = reply.as_ref().and_then(|reply| reply.root().bytes());
    let mut lines = text.unwrap_or_default().split(|&byte| byte == b'\n');
    lines.any(|line| line.trim_ascii() == b"cluster_state:fail")
}
