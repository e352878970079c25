//! What differs between servers and their versions, as one table of named facts.
//!
//! [`Facts::of`] looks up once, at load, which facts hold on the running server. The module then
//! asks for a fact by its name and compares no version:
//!
//! ```
//! use durable_core::servers::{Fact, Facts, Server, Version};
//!
//! let facts = Facts::of(Server::Valkey(Version::new(8, 1, 1)));
//! assert!(facts.has(Fact::ServesUnblockedBeforeTurnEnd));
//! assert!(!facts.has(Fact::LooksUpPipelines));
//! ```

mod range;
mod table;
#[cfg(test)]
mod tests;
mod version;

pub use range::Range;
pub use table::{Fact, Row, ROWS};
pub use version::{Server, Version};

/// The facts that hold on one server. [`Facts::has`] is a bit test, cheap enough for every turn of
/// the event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts(u32);

const _: () = assert!(ROWS.len() <= 32, "a bit for each fact");

impl Facts {
    /// What the table says of this server.
    pub fn of(server: Server) -> Self {
        let rows = ROWS.iter().filter(|row| row.holds_on(server));
        Self(rows.fold(0, |bits, row| bits | bit(row.fact)))
    }

    /// Whether this fact holds.
    #[inline]
    pub const fn has(self, fact: Fact) -> bool {
        self.0 & bit(fact) != 0
    }

    /// Replaces what the table says by what was found out about the running server. True if the two
    /// differ: the table has a wrong row, or the server is a fork with other abilities.
    pub fn replace(&mut self, fact: Fact, holds: bool) -> bool {
        let differs = self.has(fact) != holds;
        if differs {
            self.0 ^= bit(fact);
        }
        differs
    }
}

const fn bit(fact: Fact) -> u32 {
    1 << fact as u32
}
