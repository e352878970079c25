//! Scripts inside DURABLE.CALL and DURABLE.ONCE: EVAL, EVALSHA, FCALL and their read-only forms.
//!
//! A handler must not call a script: once the script has run for `busy-reply-threshold`, its caller
//! can disconnect, and the server would free a client whose command runs. So the handler only
//! blocks the client. The script runs from a timer, as the client's user and in its database
//! (`core/src/scripts.rs` decides when). Then the client waits for acknowledgements, as for any
//! other command.
//!
//! The client is blocked from the arrival on, so the next command of its connection runs after the
//! script, and a client that leaves before its script has run takes the script with it.
//!
//! | file | subject |
//! |---|---|
//! | `mod` | a script arrives; timers; clients that leave or are unblocked |
//! | `run` | runs one script |

mod run;

use std::collections::HashMap;
use std::ffi::{c_int, CStr, CString};

use durable_core::requirement::{Options, Requirement};
use durable_core::servers::Fact;
use lazy_static::lazy_static;

use super::admission::admit_script;
use super::records::{Record, NO_PERMISSION};
use super::state::coordinator;
use super::waiting::DurableWaiting;
use crate::ffi::main_thread::MainThread;
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{Args, Blocked, Ctx, Denied, HandleId, KeptWords, User, Waiting};
use crate::{event_loop, facts, resets, unserved};

use run::ScriptTimer;

/// A command that runs a script, as it arrived.
pub struct Arriving<'a> {
    /// The name of the durable command.
    pub outer: &'static str,
    /// Its requirement options.
    pub options: Options,
    /// The name of the inner command.
    pub name: CString,
    /// The inner command, its name included.
    pub words: Args<'a>,
    /// Its record, for DURABLE.ONCE.
    pub record: Option<Record>,
}

/// A script that was not run yet.
struct Script {
    outer: &'static str,
    requirement: Requirement,
    name: CString,
    words: KeptWords,
    record: Option<Record>,
    user: Vec<u8>,
    /// Memory was within `maxmemory` when it arrived.
    arrived_within_memory: bool,
    db: c_int,
    is_resp3: bool,
}

/// The client of a script, until it gets its reply or begins to wait for acknowledgements.
struct Caller {
    handle: Blocked,
    /// `None` once it was taken to be run.
    script: Option<Box<Script>>,
}

#[derive(Default)]
struct State {
    callers: HashMap<u64, Caller>,
    /// Callers to be unblocked when the turn ends.
    answered: Vec<u64>,
}

/// The error for a client that is unblocked when its script was already taken to be run.
const REPLY_LOST: &CStr = c"UNBLOCKED it is not known whether the script was executed";

lazy_static! {
    static ref STATE: MainThread<State> = MainThread::new();
}

/// Starts without scripts.
pub fn load() {
    STATE.set(State::default());
}

/// Frees the memory.
pub fn unload() {
    STATE.clear();
}

/// A command arrived: blocks its client until the script has run.
pub fn arrive(ctx: &Ctx, arriving: Arriving<'_>) {
    let requirement = match admit_script(ctx, arriving.options) {
        Ok(requirement) => requirement,
        Err(refusal) => return ctx.reply_error_text(&refusal.text(arriving.outer)),
    };
    // Asked again when the script runs. This answer keeps users who may not run scripts from
    // filling the queue.
    let user = ctx.current_user_name().unwrap_or_default();
    let Some(acl_user) = User::named(&user) else {
        return ctx.reply_error(NO_PERMISSION);
    };
    if !acl_user.may_run(arriving.words) {
        return deny(ctx, &acl_user, &arriving);
    }
    let client = ctx.client_id();
    let Some(handle) = ctx.block::<ScriptWaiting>() else {
        return ctx.reply_error(c"ERR the server could not block the client; nothing was executed");
    };
    let script = Script {
        outer: arriving.outer,
        requirement,
        name: arriving.name,
        words: KeptWords::of(arriving.words),
        record: arriving.record,
        db: ctx.selected_db(),
        is_resp3: ctx.situation().is_resp3(),
        arrived_within_memory: !ctx.is_beyond_maxmemory(),
        user,
    };
    let arrival = coordinator(|coordinator| coordinator.script_arrived(client, &script.user));
    let caller = Caller {
        handle,
        script: Some(Box::new(script)),
    };
    if let Some(former) = STATE.with(|state| state.callers.insert(client, caller)) {
        // Only a safeguard: admission refuses clients that wait already.
        former.handle.hold(|ctx| ctx.reply_error(REPLY_LOST));
        former.handle.unblock();
    }
    if arrival.arm_timer {
        ctx.start_timer::<ScriptTimer>(0);
    }
    if event_loop::hear(ctx) || arrival.wake {
        wake_event_loop();
    }
}

/// Access control denies a script: replies and logs as the server does for the plain command. If
/// the user may not even run it without keys, the command is denied, otherwise a key.
fn deny(ctx: &Ctx, user: &User, arriving: &Arriving<'_>) {
    let keyless = KeptWords::without_keys(arriving.words);
    if user.may_run(keyless.args()) {
        // The server's own denial names the first key that is denied. The module logs all of them
        // under the first declared one.
        let key = arriving.words.get(3).unwrap_or_default();
        ctx.log_denial(user, Denied::Key, key);
        ctx.reply_error(
            c"NOPERM this user has no permissions to access one of the keys used as arguments",
        );
    } else {
        let name = arriving.name.to_bytes().to_ascii_lowercase();
        let shown = String::from_utf8_lossy(&name);
        ctx.log_denial(user, Denied::Command, &name);
        ctx.reply_error_text(&format!(
            "NOPERM this user has no permissions to run the '{shown}' command"
        ));
    }
}

/// A turn begins: arms timers for scripts that an earlier turn has left.
pub fn turn_begins(ctx: &Ctx) {
    if !coordinator(|coordinator| coordinator.scripts.is_in_use()) {
        return;
    }
    let paused = ctx.is_traffic_paused();
    for _ in 0..coordinator(|coordinator| coordinator.scripts.turn_begins(paused)) {
        ctx.start_timer::<ScriptTimer>(0);
    }
}

/// A turn ends: unblocks callers that were answered in it.
pub fn turn_ends(ctx: &Ctx) {
    if !coordinator(|coordinator| coordinator.scripts.is_in_use()) {
        return;
    }
    for client in STATE.with(|state| std::mem::take(&mut state.answered)) {
        if let Some(caller) = take_caller(client, |_| true) {
            caller.handle.unblock();
        }
    }
    let paused = ctx.is_traffic_paused();
    if coordinator(|coordinator| coordinator.scripts.turn_ends(paused)) {
        wake_event_loop();
    }
}

/// The script of that client, to be run now. The client stays among the callers.
fn take_script(client: u64) -> Option<Box<Script>> {
    STATE.with(|state| state.callers.get_mut(&client)?.script.take())
}

/// Takes a client from the callers. Its handle then has to go back to the server.
fn take_caller(client: u64, is_meant: impl FnOnce(&Blocked) -> bool) -> Option<Caller> {
    STATE.with(|state| {
        let caller = state.callers.get(&client)?;
        if !is_meant(&caller.handle) {
            return None;
        }
        state.callers.remove(&client)
    })
}

/// Replies to a caller, which does not wait for acknowledgements. Does nothing if it has left.
///
/// Where unblocked clients are served right after the end of a turn, it is unblocked then. In
/// between, CLIENT UNBLOCK would leave it without a reply (see `core/src/coordinator/turns.rs`).
fn answer(client: u64, reply: impl FnOnce(&Ctx)) {
    let Some(caller) = take_caller(client, |_| true) else {
        return;
    };
    caller.handle.hold(reply);
    if facts::has(Fact::ServesUnblockedBeforeTurnEnd) {
        unserved::note([client].into_iter());
        caller.handle.unblock();
    } else {
        STATE.with(|state| {
            state.callers.insert(client, caller);
            state.answered.push(client);
        });
    }
}

/// The server's callbacks for the client of a script.
struct ScriptWaiting;

impl Waiting for ScriptWaiting {
    /// CLIENT UNBLOCK without ERROR.
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        let client = ctx.client_id();
        let Some(caller) = take_caller(client, |own| own.id() == handle) else {
            return DurableWaiting::timed_out(ctx, handle);
        };
        if coordinator(|coordinator| coordinator.scripts.remove(client)) {
            ctx.reply_error(
                c"ERR the client was unblocked before its script ran; nothing was executed",
            );
        } else {
            ctx.reply_error(REPLY_LOST);
        }
        leave(caller);
    }

    /// The client left, was killed, or got an error from the server.
    fn disconnected(ctx: &Ctx, handle: HandleId) {
        let client = ctx.client_id();
        let Some(caller) = take_caller(client, |own| own.id() == handle) else {
            return DurableWaiting::disconnected(ctx, handle);
        };
        resets::before_counting(ctx);
        let is_replica = !ctx.situation().is_primary();
        coordinator(|coordinator| coordinator.script_left(client, is_replica));
        leave(caller);
    }
}

/// Frees the words before the client may be freed, and gives the handle back.
fn leave(caller: Caller) {
    drop(caller.script);
    caller.handle.unblock();
}
