//! The command filter: a look at every command of every client before it is executed. It looks at the
//! length of the first word, then at the word, and has done with all but three commands.

use redis_module::raw;

use super::{fsync, wait_queue};
use crate::ffi::{filter, guard, Ctx};
use crate::slothint::rhythm;
use crate::state;

/// Registers the filter.
pub fn register(ctx: &Ctx) -> Result<(), String> {
    if !ctx.register_filter(on_command) {
        return Err("the command filter was not accepted by the server".into());
    }
    state::with(|state| state.fsync_known = filter::knows_clients());
    Ok(())
}

unsafe extern "C" fn on_command(context: *mut raw::RedisModuleCommandFilterCtx) {
    guard::plain((), || {
        // SAFETY: the context is the one that the server gave to this callback.
        let Some(command) = (unsafe { filter::Command::new(context) }) else {
            return;
        };
        let is = |index, word: &[u8]| {
            let found = command.word(index);
            found.is_some_and(|found| found.len() == word.len() && found.eq_ignore_ascii_case(word))
        };
        if is(0, b"REPLCONF") {
            fsync::hear(&command);
        } else if is(0, b"CLIENT") {
            if is(1, b"UNBLOCK") {
                spare_the_unserved(&command);
            } else if is(1, b"TRACKING") {
                rhythm::tracking_asked(&command);
            }
        } else if is(0, b"EXEC") {
            rhythm::queue_executed(&command);
        }
    });
}

/// On 7.2, CLIENT UNBLOCK of a client that is unblocked and not yet served aborts the server. A command
/// can arrive in between when I/O threads read, or when TLS has read ahead. Such a client does not
/// wait any more, so that the command is made to answer what it answers for one that does not: 0.
fn spare_the_unserved(command: &filter::Command) {
    const ID: std::ffi::c_int = 2;
    let client = command
        .word(ID)
        .and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
    if client.is_some_and(wait_queue::is_unserved) {
        command.replace_word(ID, b"0");
    }
}
