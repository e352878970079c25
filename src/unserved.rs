//! Protects clients that are unblocked and not yet served. On some servers CLIENT UNBLOCK of such a
//! client aborts the server (`Fact::UnblockAbortsOnUnserved`). On other servers this file does
//! nothing.
//!
//! If I/O threads read commands or TLS has read ahead, a CLIENT UNBLOCK can arrive between the
//! unblocking and the serving of a client. The client does not wait any more, so CLIENT UNBLOCK has
//! to reply 0. The command filter replaces the client's id in the command by 0, which no client
//! has.

use durable_core::servers::Fact;
use lazy_static::lazy_static;
use rustc_hash::FxHashSet;

use crate::facts;
use crate::ffi::main_thread::MainThread;
use crate::ffi::IncomingCommand;

lazy_static! {
    /// Hashed by a cheap function: the server chooses the ids.
    static ref UNSERVED: MainThread<FxHashSet<u64>> = MainThread::new();
}

/// Starts without clients.
pub fn load() {
    UNSERVED.set(FxHashSet::default());
}

/// Frees the memory.
pub fn unload() {
    UNSERVED.clear();
}

/// These clients are about to be unblocked.
pub fn note(clients: impl Iterator<Item = u64>) {
    if facts::has(Fact::UnblockAbortsOnUnserved) {
        UNSERVED.with(|unserved| unserved.extend(clients));
    }
}

/// The server serves this client.
pub fn served(client: u64) {
    UNSERVED.with(|unserved| unserved.remove(&client));
}

/// Whether the end of this turn is needed: clients are in the set that no callback takes out.
pub fn needs_turns() -> bool {
    facts::has(Fact::UnblockAbortsOnUnserved) && UNSERVED.with(|unserved| !unserved.is_empty())
}

/// The turn ends: all unblocked clients have been served.
pub fn turn_ends() {
    if facts::has(Fact::UnblockAbortsOnUnserved) {
        UNSERVED.with(FxHashSet::clear);
    }
}

/// A client sent `CLIENT UNBLOCK id`. The command must not find a client that is not served yet.
pub fn unblock_sent(command: &mut IncomingCommand) {
    let id = command.word(2).and_then(|id| std::str::from_utf8(id).ok());
    let Some(client) = id.and_then(|id| id.parse().ok()) else {
        return;
    };
    if UNSERVED.with(|unserved| unserved.contains(&client)) {
        command.replace_word(2, b"0");
    }
}
