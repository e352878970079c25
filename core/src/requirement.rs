//! What a durable command requires before it may reply, in numbers.
//!
//! Input: the options of the command ([`Options`]) and the configuration ([`Defaults`]). Output: a
//! number of replicas, a number of fsyncs and a timeout ([`Requirement`]). They are fixed when the
//! command is accepted; a later CONFIG SET does not change them.
//!
//! Examples. Settings that a row does not name are as in the first row.
//!
//! | options | configuration | replicas | fsyncs | timeout |
//! |---|---|---|---|---|
//! | none | replicas 1, fsync 0, timeout 1000 ms | 1 | 0 | 1000 ms |
//! | `REPLICAS MAJORITY` | 2 expected replicas | 1 | 0 | 1000 ms |
//! | `REPLICAS ALL FSYNC 1` | 2 expected replicas | 2 | 1 | 1000 ms |
//! | `TIMEOUT 0` | replicas 1 | 1 | 0 | none: waits for ever |
//! | `REPLICAS 0` | fsync 1 | 0 | 0 | never waits |
//!
//! MAJORITY is a majority of all copies. With 2 expected replicas this is 2 copies of 3. The
//! primary has one of them, so 1 replica has to acknowledge.

use std::fmt;

use atoi::FromRadix10Checked;

use crate::acks::Need;

/// The greatest number of replicas that can be required or expected.
pub const MAX_REPLICAS: u32 = 1000;
/// The longest timeout: a day, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 86_400_000;

/// A number of replicas, as an option or a setting spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaCount {
    /// This number.
    Count(u32),
    /// As many replicas as make, with the primary, a majority of all copies.
    Majority,
    /// All expected replicas.
    All,
}

impl ReplicaCount {
    /// Reads a number from 0 to [`MAX_REPLICAS`], `majority` or `all`, in any case. Returns `None`
    /// for any other word.
    pub fn parse(word: &[u8]) -> Option<Self> {
        if let [digit @ b'0'..=b'9'] = word {
            // Nearly every count. MAX_REPLICAS is greater.
            Some(Self::Count(u32::from(digit.wrapping_sub(b'0'))))
        } else if word.eq_ignore_ascii_case(b"majority") {
            Some(Self::Majority)
        } else if word.eq_ignore_ascii_case(b"all") {
            Some(Self::All)
        } else {
            parse_count(word).map(Self::Count)
        }
    }
}

impl fmt::Display for ReplicaCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Reads a number of replicas, 0 to [`MAX_REPLICAS`].
pub(crate) fn parse_count(word: &[u8]) -> Option<u32> {
    let n = u32::try_from(parse_number(word)?).ok()?;
    (n <= MAX_REPLICAS).then_some(n)
}

/// Reads a timeout in milliseconds, 0 to [`MAX_TIMEOUT_MS`].
pub fn parse_timeout(word: &[u8]) -> Option<u64> {
    parse_number(word).filter(|&ms| ms <= MAX_TIMEOUT_MS)
}

/// Reads a decimal number without sign, spaces or leading zeros, as strict as the server's own
/// commands are.
pub fn parse_number(word: &[u8]) -> Option<u64> {
    if matches!(word, [b'0', _, ..]) {
        return None;
    }
    match u64::from_radix_10_checked(word) {
        (Some(number), used) if used == word.len() && used > 0 => Some(number),
        _ => None,
    }
}

/// The requirement options of one command. `None` for an option that was not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `REPLICAS`
    pub replicas: Option<ReplicaCount>,
    /// `FSYNC`
    pub fsync: Option<u32>,
    /// `TIMEOUT`, in milliseconds; 0 waits for ever
    pub timeout_ms: Option<u64>,
}

/// The configuration when a command is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `durable.replicas`
    pub replicas: ReplicaCount,
    /// `durable.expected-replicas`; 0 if it is not set
    pub expected: u32,
    /// `durable.fsync`
    pub fsync: u32,
    /// `durable.timeout-ms`; 0 waits for ever
    pub timeout_ms: u64,
    /// The server tells the module which client sent a report of an fsync: Redis 7.2 and later, and
    /// Valkey.
    pub fsyncs_are_known: bool,
}

/// The requirement of one command, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// How many replicas have to acknowledge, and how many of them to fsync.
    pub need: Need,
    /// The wait is given up after so many milliseconds. `None` waits for ever.
    pub timeout_ms: Option<u64>,
}

/// Why options and configuration give no requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequirementError {
    /// `MAJORITY` or `ALL` without `durable.expected-replicas`.
    NothingExpected(ReplicaCount),
    /// More replicas would have to fsync than to acknowledge.
    FsyncAboveReplicas {
        /// The number that has to fsync.
        fsync: u32,
        /// The number that has to acknowledge.
        replicas: u32,
        /// The number of fsyncs is `durable.fsync`, and not an option of the command.
        configured: bool,
    },
    /// Fsyncs are required, but unknown on this server: see [`Defaults::fsyncs_are_known`].
    FsyncUnknown,
}

impl fmt::Display for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingExpected(replicas) => write!(
                f,
                "REPLICAS {} needs durable.expected-replicas, which is 0 (not set); nothing was executed",
                replicas.to_string().to_ascii_uppercase()
            ),
            Self::FsyncAboveReplicas {
                fsync,
                replicas,
                configured,
            } => {
                let from = if *configured { " (durable.fsync)" } else { "" };
                write!(
                    f,
                    "FSYNC {fsync}{from} is more than REPLICAS {replicas}; FSYNC takes 0 to the number \
                     of replicas required; nothing was executed"
                )
            }
            Self::FsyncUnknown => f.write_str("FSYNC needs Redis 7.2 or later"),
        }
    }
}

impl Options {
    /// Computes the requirement of one command.
    pub fn resolve(self, defaults: &Defaults) -> Result<Requirement, RequirementError> {
        let wanted = self.replicas.unwrap_or(defaults.replicas);
        let replicas = match wanted {
            ReplicaCount::Count(n) => n,
            ReplicaCount::Majority | ReplicaCount::All if defaults.expected == 0 => {
                return Err(RequirementError::NothingExpected(wanted));
            }
            // Of the 1 + expected copies, the primary is one that has the write.
            ReplicaCount::Majority => defaults.expected.saturating_add(1) / 2,
            ReplicaCount::All => defaults.expected,
        };
        let fsync = match self.fsync {
            Some(n) => n,
            None if replicas == 0 => 0,
            None => defaults.fsync,
        };
        if fsync > 0 && !defaults.fsyncs_are_known {
            return Err(RequirementError::FsyncUnknown);
        }
        if fsync > replicas {
            return Err(RequirementError::FsyncAboveReplicas {
                fsync,
                replicas,
                configured: self.fsync.is_none(),
            });
        }
        let timeout_ms = self.timeout_ms.unwrap_or(defaults.timeout_ms);
        Ok(Requirement {
            need: Need { replicas, fsync },
            timeout_ms: (timeout_ms != 0).then_some(timeout_ms),
        })
    }
}

#[cfg(test)]
mod tests;
