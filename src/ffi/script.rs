//! Runs a script outside of a handler, for a client that was blocked before.
//!
//! A script can run for long. The server then serves other clients between its commands: it reads
//! their commands, answers BUSY to most of them, and ends their connections. So while a script
//! runs, the command filter gets commands of the script and of other clients, although the module's
//! call has not returned.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use super::args::PassedWords;
use super::call::{CallReply, COPIED};
use super::permissions::User;
use super::{Args, Ctx};

/// What the command filter has seen of the script that the module runs. Only the main thread runs
/// scripts.
static SEEN: AtomicU8 = AtomicU8::new(NO_SCRIPT);

/// No script of the module runs.
const NO_SCRIPT: u8 = 0;
/// The next command that the filter gets is the module's own call of the script.
const NOTHING: u8 = 1;
/// The filter has seen the module's own call.
const OWN_CALL: u8 = 2;
/// The filter has seen a command after that. So the script has begun.
const COMMANDS: u8 = 3;

/// True while a call of a script has not reached its own commands yet.
pub(super) fn awaits_commands() -> bool {
    matches!(SEEN.load(Ordering::Relaxed), NOTHING | OWN_CALL)
}

/// The command filter got a command. True if that is the module's own call of a script.
pub(super) fn is_own_call() -> bool {
    match SEEN.load(Ordering::Relaxed) {
        NOTHING => {
            SEEN.store(OWN_CALL, Ordering::Relaxed);
            true
        }
        OWN_CALL => {
            SEEN.store(COMMANDS, Ordering::Relaxed);
            false
        }
        _ => false,
    }
}

/// The result of a script.
pub struct ScriptResult<'ctx> {
    /// Its reply, or the error by which the server refused to run it. `None` if the server gave
    /// none.
    pub reply: Option<CallReply<'ctx>>,
    /// The script has executed a command, or other clients were served while it ran. If false, it
    /// has changed nothing.
    pub executed_commands: bool,
}

impl Ctx {
    /// Runs a command such as EVAL as `user`, in the selected database, and replicates what it
    /// does. To be called in a timer only: called in a handler, a script kills the server if its
    /// caller leaves while it runs.
    ///
    /// Redis 7.0 follows a null pointer if `user` may not run this command. So the caller has to
    /// have asked [`User::may_run`] before.
    ///
    /// The flags: `!` replicates, `C` runs the script as the user, `E` turns a refusal into an
    /// error reply, `3` replies in RESP3. Without `M` newer servers would let the script write
    /// beyond `maxmemory`. With it they go by the state in which the latest command of a client
    /// found the memory (`pre_command_oom_state` in `server.c`).
    pub fn run_script(
        &self,
        user: &User,
        command: &CStr,
        args: Args<'_>,
        is_resp3: bool,
    ) -> ScriptResult<'_> {
        let format = if is_resp3 { c"!CME3v" } else { c"!CMEv" };
        // The server keeps the script itself, and frees it on a thread after SCRIPT FLUSH ASYNC.
        let passed = PassedWords::copy_up_to(COPIED, 1, args);
        let args = passed.as_raw();
        SEEN.store(NOTHING, Ordering::Relaxed);
        // SAFETY: the context and the words are valid, and the copies live until the call has
        // returned. `v` takes an array and its length. The user outlives the call, after which the
        // context forgets it.
        let reply = unsafe {
            api!(RedisModule_SetContextUser)(self.raw(), user.as_ptr());
            let reply = self.owned(api!(RedisModule_Call)(
                self.raw(),
                command.as_ptr(),
                format.as_ptr(),
                args.as_ptr(),
                args.len(),
            ));
            api!(RedisModule_SetContextUser)(self.raw(), ptr::null());
            reply
        };
        let seen = SEEN.swap(NO_SCRIPT, Ordering::Relaxed);
        ScriptResult {
            reply,
            executed_commands: seen == COMMANDS,
        }
    }
}
