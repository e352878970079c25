//! `+OK`, as the reply of a call that is kept.
//!
//! To send a kept reply costs the server 150 instructions, to send a simple string 850: Redis
//! 7.0.15 copies its text first. Most durable writes reply OK.

use lazy_static::lazy_static;

use super::main_thread::MainThread;
use super::{Ctx, KeptReply};

lazy_static! {
    static ref KEPT: MainThread<KeptReply> = MainThread::new();
}

/// Makes the reply, with a command that does nothing. If the server does not reply OK, because the
/// command was renamed, nothing is kept.
pub fn load() {
    let reply = KeptReply::of(c"UNWATCH");
    if let Some(reply) = reply.filter(|reply| reply.protocol() == b"+OK\r\n") {
        KEPT.set(reply);
    }
}

/// Frees the reply.
pub fn unload() {
    KEPT.clear();
}

impl Ctx {
    /// Replies `+OK`.
    pub fn reply_ok(&self) {
        if KEPT.get(|kept| self.reply_kept(kept)).is_none() {
            self.reply_simple(c"OK");
        }
    }
}
