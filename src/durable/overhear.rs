//! The command filter: a look at every command of every client before it is executed. It looks at the
//! length of the first word, then at the word, and has done with all but a few commands.

use durable_core::servers::Fact;

use super::{call_keys, fsync, look, resetstat, wait_queue};
use crate::ffi::filter::CommandFilter;
use crate::ffi::{Ctx, IncomingCommand};
use crate::slothint::rhythm;
use crate::state;

/// Registers the filter.
pub fn register(ctx: &Ctx) -> Result<(), String> {
    let stay_cross_slot = state::with(|state| state.facts.has(Fact::CallsStayCrossSlot));
    let to_be_cleared = stay_cross_slot == Some(true) && ctx.situation().is_cluster();
    if !ctx.register_filter::<Overhear>(to_be_cleared) {
        return Err("the command filter was not accepted by the server".into());
    }
    Ok(())
}

/// The module's command filter.
struct Overhear;

impl CommandFilter for Overhear {
    fn called(command: &mut IncomingCommand) {
        clear(command);
    }

    fn sent(command: &mut IncomingCommand) {
        resetstat::before_command();
        match heard(command) {
            Heard::Nothing => {}
            Heard::Replconf => {
                fsync::hear(command);
                let told = |word: &[u8]| {
                    command
                        .word(1)
                        .is_some_and(|found| found.eq_ignore_ascii_case(word))
                };
                // Replicas acknowledge all the time.
                if told(b"ACK") {
                    state::with(|state| state.alarms.acknowledgement_heard());
                } else if told(b"listening-port") || told(b"ip-address") {
                    look::announcement_heard();
                }
            }
            Heard::Psync => look::handshake_heard(),
            Heard::Unblock => spare_the_unserved(command),
            Heard::Tracking => rhythm::tracking_asked(command),
            Heard::Exec => {
                rhythm::queue_executed(command);
                resetstat::queue_executed(command);
            }
            Heard::ResetStat => resetstat::asked(command),
            Heard::Call { at } => call_keys::move_to_front(command, at),
            Heard::KeysOfCall => call_keys::ask_the_inner_command(command),
        }
    }
}

/// Clears a command of ours from what is left of another one. Valkey 9 takes the clients for calls from a pool, and
/// leaves on them that a command's keys were in two slots: once a script has had such a command, every call would be
/// refused. It looks at a command anew when a filter has given it another name, be it the same one.
fn clear(command: &mut IncomingCommand) {
    if let Some(name) = command.word(0).map(<[u8]>::to_vec) {
        command.replace_word(0, &name);
    }
}

/// What a command is to this module.
enum Heard {
    Nothing,
    Replconf,
    /// A replica asks for the stream, or a stranger does.
    Psync,
    Unblock,
    Tracking,
    Exec,
    /// CONFIG RESETSTAT, or what looks like it.
    ResetStat,
    /// DURABLE.CALL, its name at this word.
    Call {
        at: usize,
    },
    /// `COMMAND GETKEYS` of it.
    KeysOfCall,
}

fn heard(command: &IncomingCommand) -> Heard {
    let is = |index, word: &[u8]| {
        command
            .word(index)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let name = command.word(0).unwrap_or_default();
    let is_named = |word: &[u8]| name.eq_ignore_ascii_case(word);
    if is_named(b"REPLCONF") {
        Heard::Replconf
    } else if is_named(b"PSYNC") || is_named(b"SYNC") {
        Heard::Psync
    } else if is_named(b"DURABLE.CALL") {
        Heard::Call { at: 0 }
    } else if is_named(b"EXEC") {
        Heard::Exec
    } else if is_named(b"CLIENT") && is(1, b"UNBLOCK") {
        Heard::Unblock
    } else if is_named(b"CLIENT") && is(1, b"TRACKING") {
        Heard::Tracking
    } else if is_named(b"COMMAND")
        && (is(1, b"GETKEYS") || is(1, b"GETKEYSANDFLAGS"))
        && is(2, b"DURABLE.CALL")
    {
        Heard::KeysOfCall
    } else if is_named(b"ACL") && is(1, b"DRYRUN") && is(3, b"DURABLE.CALL") {
        Heard::Call { at: 3 }
    } else if command.len() == 2 && is(1, b"RESETSTAT") {
        // By any name, since CONFIG is often renamed.
        Heard::ResetStat
    } else {
        Heard::Nothing
    }
}

/// On 7.2, CLIENT UNBLOCK of a client that is unblocked and not yet served aborts the server. A command
/// can arrive in between when I/O threads read, or when TLS has read ahead. Such a client does not
/// wait any more, so that the command is made to answer what it answers for one that does not: 0.
fn spare_the_unserved(command: &mut IncomingCommand) {
    const ID: usize = 2;
    let client = command
        .word(2)
        .and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
    if client.is_some_and(wait_queue::is_unserved) {
        command.replace_word(ID, b"0");
    }
}
