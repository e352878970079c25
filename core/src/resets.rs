//! Detects that CONFIG RESETSTAT has reset the server's statistics. The server has no event for it.
//!
//! A command filter sees the command, also if the server then refuses it or queues it in a
//! transaction. So seeing the command proves nothing. The server's own counters prove a reset: they
//! only grow, and nothing but a reset makes one of them smaller. Example: the server has processed
//! 50 commands when the filter sees `CONFIG RESETSTAT`. If the number is 1 before the next command,
//! there was a reset. If it is 50 or more, there was none.
//!
//! After a reset a counter may grow past its former value, which hides the reset. So the counters
//! are read when the filter sees the command, and again before the next command can be counted:
//!
//! | the filter sees | what runs between the two looks | counter | before a reset | after it |
//! |---|---|---|---|---|
//! | `CONFIG RESETSTAT` | this command alone | commands processed | 2 or more | 1 or 0 |
//! | `EXEC` | this transaction alone | calls of MULTI | 1 or more | 0 |
//!
//! With fewer than 2 processed commands there is nothing to reset. A transaction begins with MULTI
//! and contains no other MULTI. An EXEC is checked if its client has sent a CONFIG RESETSTAT that
//! had no effect, because that command may be queued in the transaction.
//!
//! One case may be missed. Client A sends MULTI and CONFIG RESETSTAT, then client B resets the
//! statistics, then A sends EXEC. A's reset is missed only if, between B's reset and A's EXEC, no
//! client sends MULTI and fewer commands run than A's transaction has. A command that bypasses the
//! filter is missed as well. INFO compares the counters too, and may detect both. `replicas` learns
//! of resets from here, so it misses the same ones.

use std::collections::BTreeSet;

use crate::units::ClientId;

/// Counters of the server at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounters {
    /// Commands processed (`total_commands_processed`).
    pub commands: u64,
    /// Calls of MULTI (`cmdstat_multi`). `None` if they were not read.
    pub transactions: Option<u64>,
}

/// Before Redis 7.2 a filter does not know which client sent a command. There, the next 100
/// transactions of any client are checked after a CONFIG RESETSTAT without effect.
const CHECKED_TRANSACTIONS: u32 = 100;

/// The counters at the last look, and the commands that may reset them.
#[derive(Debug, Default)]
pub struct Resets {
    last: ServerCounters,
    pending: Option<Pending>,
    /// Clients whose CONFIG RESETSTAT had no effect: it was refused, or queued.
    without_effect: BTreeSet<ClientId>,
    /// The number of transactions of unknown clients that are still to be checked.
    unknown_to_check: u32,
}

/// A command that the filter has seen, and that may be resetting the statistics now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// CONFIG RESETSTAT. It may be executed, refused or queued.
    Command { client: ClientId },
    /// EXEC.
    Transaction,
}

impl Resets {
    /// Takes the counters as they are now. Returns true if they were reset since the last look.
    pub fn observe(&mut self, now: ServerCounters) -> bool {
        let before = std::mem::replace(&mut self.last, now);
        let transactions = now.transactions.zip(before.transactions);
        now.commands < before.commands || transactions.is_some_and(|(now, before)| now < before)
    }

    /// A client sends CONFIG RESETSTAT. The id 0 stands for an unknown client.
    pub fn resetstat_sent(&mut self, client: u64) {
        let client = ClientId::new(client);
        self.pending = Some(Pending::Command { client });
    }

    /// A client sends EXEC. Returns true if its transaction may contain a reset. Then the caller
    /// calls [`observe`](Self::observe) now, and [`command_done`](Self::command_done) after the
    /// transaction.
    pub fn exec_sent(&mut self, client: u64) -> bool {
        let may_reset = match ClientId::new(client) {
            ClientId::UNKNOWN => {
                let left = self.unknown_to_check.checked_sub(1);
                self.unknown_to_check = left.unwrap_or(0);
                left.is_some()
            }
            known => self.without_effect.remove(&known),
        };
        if may_reset {
            self.pending = Some(Pending::Transaction);
        }
        may_reset
    }

    /// True while it is unknown whether the command that the filter saw resets anything.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// True if the calls of MULTI have to be read as well.
    pub fn needs_multi_calls(&self) -> bool {
        self.pending == Some(Pending::Transaction)
    }

    /// The pending command has been executed or refused; `now` has the counters after it. Returns
    /// true if it was a reset. `paused`: the server defers commands, so a command without effect
    /// stays pending.
    pub fn command_done(&mut self, now: ServerCounters, paused: bool) -> bool {
        let reset = self.observe(now);
        if paused && !reset {
            return false;
        }
        match self.pending.take() {
            Some(Pending::Command {
                client: ClientId::UNKNOWN,
            }) if !reset => {
                self.unknown_to_check = CHECKED_TRANSACTIONS;
            }
            Some(Pending::Command { client }) if !reset => {
                self.without_effect.insert(client);
            }
            _ => (),
        }
        reset
    }

    /// A client left.
    pub fn client_left(&mut self, client: u64) {
        self.without_effect.remove(&ClientId::new(client));
    }
}

/// Reads the calls of a command from its line in INFO: 3 from `calls=3,usec=…`.
pub fn calls(text: &[u8]) -> Option<u64> {
    let digits = text
        .strip_prefix(b"calls=")?
        .split(|&byte| byte == b',')
        .next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
