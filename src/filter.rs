//! The command filter. Before the server executes a command of a client, a script or another
//! module, it calls the filter. For most commands the filter does nothing but compare the first
//! word, and the second word if the command has two ([`CommandFilter::may_act_on`]).

use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::servers::Fact;

use crate::durable::call::{keys, moved_keys, DurableCall, Outer};
use crate::durable::once::DurableOnce;
use crate::durable::{fsync, look};
use crate::ffi::filter::CommandFilter;
use crate::ffi::{Ctx, IncomingCommand};
use crate::slothint::refresh;
use crate::{event_loop, facts, failover, resets, unserved};

/// Registers the filter.
///
/// # Errors
/// If the server does not accept it.
pub fn register(ctx: &Ctx) -> Result<(), String> {
    let stays = facts::has(Fact::CallsStayCrossSlot) && ctx.situation().is_cluster();
    CALLS_STAY_CROSS_SLOT.store(stays, Ordering::Relaxed);
    if ctx.register_filter::<Filter>() {
        Ok(())
    } else {
        Err("the command filter was not accepted by the server".into())
    }
}

/// [`Fact::CallsStayCrossSlot`] holds, and cluster mode is on.
static CALLS_STAY_CROSS_SLOT: AtomicBool = AtomicBool::new(false);

/// The module's command filter.
struct Filter;

impl CommandFilter for Filter {
    fn may_act_on(command: &IncomingCommand) -> bool {
        let name = command.word(0).unwrap_or_default();
        let is_named = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let by_name = match name.len() {
            3 => is_named(b"ACL"),
            4 => is_named(b"EXEC") || is_named(b"SYNC"),
            5 => is_named(b"PSYNC"),
            6 => is_named(b"CLIENT"),
            7 => is_named(b"COMMAND"),
            8 => is_named(b"REPLCONF"),
            _ => words_before_options(name).is_some(),
        };
        by_name || resets::reads_before_next() || is_reset(command)
    }

    fn acts_on_calls() -> bool {
        CALLS_STAY_CROSS_SLOT.load(Ordering::Relaxed)
    }

    /// The module itself calls a command. With [`Fact::CallsStayCrossSlot`], an earlier command
    /// with keys in two slots can leave a mark by which the server refuses the call. When a filter
    /// replaces the name of a command, even by the same name, the server examines the command anew,
    /// without the mark.
    fn called(command: &mut IncomingCommand) {
        // The filter also comes here for a script of the module.
        if !Self::acts_on_calls() {
            return;
        }
        if let Some(name) = command.word(0).map(<[u8]>::to_vec) {
            command.replace_word(0, &name);
        }
    }

    fn sent(command: &mut IncomingCommand) {
        resets::before_command();
        match recognize(command) {
            Recognized::Other => {}
            Recognized::Replconf => fsync::replconf_sent(command),
            Recognized::Psync => {
                look::psync_sent();
                event_loop::hear_in_filter();
                failover::psync::sent(command);
            }
            Recognized::Unblock => unserved::unblock_sent(command),
            Recognized::Tracking => refresh::tracking_sent(command),
            Recognized::Exec => {
                refresh::exec_sent(command);
                resets::exec_sent(command);
            }
            Recognized::ResetStat => resets::reset_sent(command),
            Recognized::Call { at, before } => moved_keys::move_to_front(command, at, before),
            Recognized::KeysOfCall { before } => keys::replace_by_inner_command(command, before),
        }
    }
}

/// The commands that the module acts on.
enum Recognized {
    Other,
    Replconf,
    /// PSYNC or SYNC: a replica requests the replication stream. Any client can send it.
    Psync,
    Unblock,
    Tracking,
    Exec,
    /// CONFIG RESETSTAT, or a command that looks like it.
    ResetStat,
    /// DURABLE.CALL or DURABLE.ONCE. Its name is the word at index `at`, and `before` words come
    /// between the name and the options.
    Call {
        at: usize,
        before: usize,
    },
    /// `COMMAND GETKEYS DURABLE.CALL …`, or the same of DURABLE.ONCE.
    KeysOfCall {
        before: usize,
    },
}

fn recognize(command: &IncomingCommand) -> Recognized {
    let is = |index, word: &[u8]| {
        command
            .word(index)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let name = command.word(0).unwrap_or_default();
    let is_named = |word: &[u8]| name.eq_ignore_ascii_case(word);
    if is_named(b"REPLCONF") {
        Recognized::Replconf
    } else if is_named(b"PSYNC") || is_named(b"SYNC") {
        Recognized::Psync
    } else if let Some(before) = words_before_options(name) {
        Recognized::Call { at: 0, before }
    } else if is_named(b"EXEC") {
        Recognized::Exec
    } else if is_named(b"CLIENT") && is(1, b"UNBLOCK") {
        Recognized::Unblock
    } else if is_named(b"CLIENT") && is(1, b"TRACKING") {
        Recognized::Tracking
    } else if is_named(b"COMMAND") && (is(1, b"GETKEYS") || is(1, b"GETKEYSANDFLAGS")) {
        match command.word(2).and_then(words_before_options) {
            Some(before) => Recognized::KeysOfCall { before },
            None => Recognized::Other,
        }
    } else if is_named(b"ACL") && is(1, b"DRYRUN") {
        match command.word(3).and_then(words_before_options) {
            Some(before) => Recognized::Call { at: 3, before },
            None => Recognized::Other,
        }
    } else if is_reset(command) {
        Recognized::ResetStat
    } else {
        Recognized::Other
    }
}

/// Whether this is CONFIG RESETSTAT, with any first word: CONFIG is often renamed.
fn is_reset(command: &IncomingCommand) -> bool {
    let is_resetstat = |word: &[u8]| word.eq_ignore_ascii_case(b"RESETSTAT");
    command.len() == 2 && command.word(1).is_some_and(is_resetstat)
}

/// The number of words between the name and the options of DURABLE.CALL or DURABLE.ONCE. `None` for
/// any other name.
fn words_before_options(name: &[u8]) -> Option<usize> {
    let outer = [
        (DurableCall::NAME, DurableCall::BEFORE_OPTIONS),
        (DurableOnce::NAME, DurableOnce::BEFORE_OPTIONS),
    ];
    let found = outer
        .into_iter()
        .find(|(outer, _)| name.eq_ignore_ascii_case(outer.as_bytes()));
    found.map(|(_, before)| before)
}
