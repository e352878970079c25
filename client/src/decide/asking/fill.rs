//! What asking for a hint came to.

/// What a pre-fill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A server was asked; so many slots have another node than before, or have one now.
    Filled(usize),
    /// There was nothing to ask for.
    Known,
    /// No node that is known has the command, or none permits it to this user. `MOVED` fills the
    /// cache then.
    Unavailable,
}
