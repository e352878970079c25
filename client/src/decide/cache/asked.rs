//! The order of questions and corrections.

/// When a question was sent, counted in questions and corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(pub(super) u64);
