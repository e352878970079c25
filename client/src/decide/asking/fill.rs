//! The result of asking for a hint.

/// The result of [`crate::Session::prefill`] and [`crate::Session::prefill_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A server gave a hint. So many slots have another primary in the cache than before, or have
    /// one now.
    Filled(usize),
    /// No server was asked: the slots of all keys are in the cache.
    Known,
    /// Every known node has refused: it has not loaded the module, does not run in cluster mode, or
    /// does not permit the command to this user. `MOVED` fills the cache then.
    Unavailable,
}
