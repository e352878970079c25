//! The result of asking for a hint.

/// The result of [`crate::Session::prefill`] and [`crate::Session::prefill_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A server was asked; so many slots have another node than before, or have one now.
    Filled(usize),
    /// There was nothing to ask for.
    Known,
    /// No known node has the command, or none permits it to this user. `MOVED` fills the
    /// cache then.
    Unavailable,
}
