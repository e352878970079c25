//! Ranges of versions.

use super::Version;

/// The versions of one product on which a fact holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// None.
    Never,
    /// All.
    Always,
    /// This one and later ones.
    From(Version),
    /// Earlier ones.
    Before(Version),
    /// From the first one on, but before the second.
    Between(Version, Version),
}

impl Range {
    /// Whether the version is in the range.
    pub fn contains(self, version: Version) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::From(first) => first <= version,
            Self::Before(end) => version < end,
            Self::Between(first, end) => first <= version && version < end,
        }
    }
}
