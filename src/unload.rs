//! Whether the module's code may go. The server refuses by itself while a client is blocked or a timer
//! armed; what it does not look after is decided here.
//!
//! It keeps pointers to a module's commands, and frees the commands all the same: in each transaction those
//! that are queued, and in each client the one that it ran last. EXEC executes the queued, Redis 8 compares
//! the last one with the next, and CLIENT LIST shows its name on every server, also the one taken here.

use durable_core::callable::is_ours;

use crate::ffi::Ctx;
use crate::state;

/// The reason why the module may not be unloaded now; `None` where it may.
pub fn obstacle(ctx: &Ctx) -> Option<String> {
    if state::with(|state| state.wakeups) != Some(0) {
        return Some("the event loop has yet to run a function of the module, try again".into());
    }
    let Some(clients) = ctx.ask(c"CLIENT", &[c"LIST"]) else {
        return Some("the server does not list its clients".into());
    };
    let clients = clients.root().bytes().unwrap_or_default();
    clients.split(|&byte| byte == b'\n').find_map(holds_on)
}

/// One line of CLIENT LIST: `id=7 addr=127.0.0.1:40000 … multi=-1 … cmd=durable.set …`.
fn holds_on(line: &[u8]) -> Option<String> {
    let field = |name: &[u8]| {
        line.split(|&byte| byte == b' ')
            .find_map(|word| word.strip_prefix(name))
    };
    let queued = field(b"multi=").is_some_and(|queued| queued != b"-1" && queued != b"0");
    let ran_ours = field(b"cmd=").is_some_and(is_ours);
    let what = if queued {
        "has commands queued in a transaction, end it"
    } else if ran_ours {
        "ran a command of the module last, let it run another or close it"
    } else {
        return None;
    };
    let id = String::from_utf8_lossy(field(b"id=").unwrap_or_default());
    let address = String::from_utf8_lossy(field(b"addr=").unwrap_or_default());
    Some(format!("client {id} ({address}) {what}, then unload again"))
}
