//! Which server runs: product and version.

/// A server's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 7 in 7.2.4
    pub major: u8,
    /// 2 in 7.2.4
    pub minor: u8,
    /// 4 in 7.2.4
    pub patch: u8,
}

impl Version {
    /// `Version::new(7, 2, 4)` is 7.2.4.
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// From the number that `RM_GetServerVersion` returns: 0x00MMmmpp, 0x00070204 for 7.2.4.
    pub const fn from_number(number: u32) -> Self {
        let [_, major, minor, patch] = number.to_be_bytes();
        Self::new(major, minor, patch)
    }

    /// Reads a version as INFO writes it: `8.1.1`. A release candidate counts as its release:
    /// `9.0.0-rc1` is 9.0.0. `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.split('-').next()?.split('.');
        let mut part = || parts.next()?.parse().ok();
        Some(Self::new(part()?, part()?, part()?))
    }
}

/// The running server, by its own version.
///
/// Valkey also reports a version of Redis that it is compatible with (7.2.4, `redis_version` in
/// INFO). No fact depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Redis, and whatever does not say that it is Valkey.
    Redis(Version),
    /// Valkey.
    Valkey(Version),
}
