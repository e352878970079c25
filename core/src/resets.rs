//! Whether the server's statistics were reset, by CONFIG RESETSTAT. The server tells no module of it.
//!
//! A command filter hears the command, but also where it is refused afterwards, or queued in a
//! transaction. So the word alone proves nothing. The server's own counters do: they only grow,
//! and only a reset makes one of them smaller.
//!
//! A counter that has grown since past its former value hides a reset, so the counters are read at
//! the right moments: when the command is heard, and again before the next one is executed.
//!
//! | heard | what else is executed before the next look | what shows the reset |
//! |---|---|---|
//! | `CONFIG RESETSTAT` | nothing | the number of commands: 1 at the most, and 2 or more before whenever there is anything to reset |
//! | `EXEC` of a client that asked for a reset before, and did not get it | the rest of the transaction | the calls of MULTI: 0, since a transaction has no MULTI in it and begins with one |
//!
//! Not proven by this is a reset in a transaction that another client's reset preceded since its own
//! MULTI, while nobody else began one and fewer commands came in between than the transaction has.
//! That one, and ways past the filter, are found by INFO's look if they are found. The same gap is
//! in what `replicas` makes of the synchronizations that the server counts.

use std::collections::BTreeSet;

/// Counters of the server at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Commands processed.
    pub commands: u64,
    /// Calls of MULTI, where they were read.
    pub transactions: Option<u64>,
}

/// So many transactions are looked at after an unproven reset where the server does not name a
/// command's client, which is before 7.2.
const UNNAMED: u32 = 100;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Resets {
    last: Marks,
    pending: Option<Pending>,
    /// Clients that asked for a reset and did not get it: refused, or queued.
    doubtful: BTreeSet<u64>,
    /// As many transactions of clients without a name are still to be looked at.
    unnamed: u32,
}

/// What may be resetting the statistics now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Command { client: u64 },
    Transaction,
}

impl Resets {
    /// The counters as they are now; true if they were reset since they were last read.
    pub fn observe(&mut self, now: Marks) -> bool {
        let before = std::mem::replace(&mut self.last, now);
        let transactions = now.transactions.zip(before.transactions);
        now.commands < before.commands || transactions.is_some_and(|(now, before)| now < before)
    }

    /// A client asks for a reset. It may be refused, or queued. 0 is a client without a name.
    pub fn asks(&mut self, client: u64) {
        self.pending = Some(Pending::Command { client });
    }

    /// A client executes its transaction. True if a reset may be in it, so that the counters are to
    /// be observed now and settled afterwards.
    pub fn executes(&mut self, client: u64) -> bool {
        let suspect = match client {
            0 => {
                let left = self.unnamed.checked_sub(1);
                self.unnamed = left.unwrap_or(0);
                left.is_some()
            }
            named => self.doubtful.remove(&named),
        };
        if suspect {
            self.pending = Some(Pending::Transaction);
        }
        suspect
    }

    /// True while it is open whether what was heard resets anything.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// True where the calls of MULTI are to be read as well.
    pub fn needs_transactions(&self) -> bool {
        self.pending == Some(Pending::Transaction)
    }

    /// What was heard is over, one way or another; true if it was a reset. `paused`: the server may
    /// hold commands back, so that one which did not reset anything may still do so.
    pub fn settle(&mut self, now: Marks, paused: bool) -> bool {
        let reset = self.observe(now);
        if paused && !reset {
            return false;
        }
        match self.pending.take() {
            Some(Pending::Command { client: 0 }) if !reset => self.unnamed = UNNAMED,
            Some(Pending::Command { client }) if !reset => {
                self.doubtful.insert(client);
            }
            _ => (),
        }
        reset
    }

    /// A client left.
    pub fn left(&mut self, client: u64) {
        self.doubtful.remove(&client);
    }
}

/// The calls in the text that INFO has of a command, `calls=3,usec=…`.
pub fn calls(text: &[u8]) -> Option<u64> {
    let digits = text
        .strip_prefix(b"calls=")?
        .split(|&byte| byte == b',')
        .next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
