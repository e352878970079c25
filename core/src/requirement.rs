//! What a command requires before it may answer: from the words of the user or the configuration
//! to numbers that are fixed for the command's whole wait.

use std::fmt;

use crate::acks::Need;

/// The greatest number of replicas that can be required or expected.
pub const MAX_REPLICAS: u32 = 1000;
/// The longest timeout, in milliseconds: a day.
pub const MAX_TIMEOUT_MS: u64 = 86_400_000;

/// How many replicas, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// So many.
    Count(u32),
    /// Enough that they and the primary are a majority of the expected group.
    Majority,
    /// All that are expected.
    All,
}

impl Replicas {
    /// Reads a number from 0 to [`MAX_REPLICAS`], `majority` or `all`, in any case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        if word.eq_ignore_ascii_case(b"majority") {
            Some(Self::Majority)
        } else if word.eq_ignore_ascii_case(b"all") {
            Some(Self::All)
        } else {
            parse_count(word).map(Self::Count)
        }
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Reads a count of replicas, 0 to [`MAX_REPLICAS`].
pub fn parse_count(word: &[u8]) -> Option<u32> {
    let n = u32::try_from(parse_number(word)?).ok()?;
    (n <= MAX_REPLICAS).then_some(n)
}

/// Reads a timeout in milliseconds, 0 to [`MAX_TIMEOUT_MS`].
pub fn parse_timeout(word: &[u8]) -> Option<u64> {
    parse_number(word).filter(|&ms| ms <= MAX_TIMEOUT_MS)
}

/// Decimal digits and nothing else, as strict as the server is with its own numbers.
pub fn parse_number(word: &[u8]) -> Option<u64> {
    let canonical = match word {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The options that a command line gave; what it did not give is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `REPLICAS`
    pub replicas: Option<Replicas>,
    /// `FSYNC`
    pub fsync: Option<u32>,
    /// `TIMEOUT`, in milliseconds
    pub timeout_ms: Option<u64>,
}

/// The configuration at the moment when a command is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `durable.replicas`
    pub replicas: Replicas,
    /// `durable.expected-replicas`; 0 is not set
    pub expected: u32,
    /// `durable.fsync`
    pub fsync: u32,
    /// `durable.timeout-ms`
    pub timeout_ms: u64,
    /// Whether this server can tell what a replica has fsynced.
    pub fsync_known: bool,
}

/// A requirement in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What has to be acknowledged, by how many.
    pub need: Need,
    /// When to give up, in milliseconds; `None` waits for ever.
    pub timeout_ms: Option<u64>,
}

/// Why there is no requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolvable {
    /// `MAJORITY` or `ALL` without `durable.expected-replicas`.
    NothingExpected(Replicas),
    /// More replicas are to fsync than to acknowledge.
    FsyncAboveReplicas {
        /// As many are to fsync.
        fsync: u32,
        /// As many are to acknowledge.
        replicas: u32,
        /// The command did not say `FSYNC`: it is the configured number.
        configured: bool,
    },
    /// The server cannot tell what a replica has fsynced.
    FsyncUnknown,
}

impl fmt::Display for Unresolvable {
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
    /// Fixes the requirement of one command.
    pub fn resolve(self, defaults: &Defaults) -> Result<Requirement, Unresolvable> {
        let wanted = self.replicas.unwrap_or(defaults.replicas);
        let replicas = match wanted {
            Replicas::Count(n) => n,
            Replicas::Majority | Replicas::All if defaults.expected == 0 => {
                return Err(Unresolvable::NothingExpected(wanted));
            }
            // Of the 1 + expected members, the primary is one that has the write.
            Replicas::Majority => defaults.expected.saturating_add(1) / 2,
            Replicas::All => defaults.expected,
        };
        let fsync = match self.fsync {
            Some(n) => n,
            // A command that waits for no replica waits for no replica's disk either.
            None if replicas == 0 => 0,
            None => defaults.fsync,
        };
        if fsync > 0 && !defaults.fsync_known {
            return Err(Unresolvable::FsyncUnknown);
        }
        if fsync > replicas {
            return Err(Unresolvable::FsyncAboveReplicas {
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
mod tests {
    use super::*;

    const DEFAULTS: Defaults = Defaults {
        replicas: Replicas::Count(1),
        expected: 0,
        fsync: 0,
        timeout_ms: 1000,
        fsync_known: true,
    };

    fn need(options: Options, defaults: Defaults) -> Result<(u32, u32), Unresolvable> {
        options
            .resolve(&defaults)
            .map(|r| (r.need.replicas, r.need.fsync))
    }

    fn replicas(replicas: Replicas) -> Options {
        Options {
            replicas: Some(replicas),
            ..Options::default()
        }
    }

    #[test]
    fn what_is_not_written_comes_from_the_configuration() {
        let requirement = Options::default().resolve(&DEFAULTS).unwrap();
        assert_eq!(
            requirement.need,
            Need {
                replicas: 1,
                fsync: 0
            }
        );
        assert_eq!(requirement.timeout_ms, Some(1000));
    }

    #[test]
    fn a_timeout_of_zero_waits_for_ever() {
        let options = Options {
            timeout_ms: Some(0),
            ..Options::default()
        };
        assert_eq!(options.resolve(&DEFAULTS).unwrap().timeout_ms, None);
    }

    #[test]
    fn a_majority_is_of_the_primary_and_the_expected_replicas() {
        for (expected, majority) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (1000, 500)] {
            let defaults = Defaults {
                expected,
                ..DEFAULTS
            };
            assert_eq!(
                need(replicas(Replicas::Majority), defaults),
                Ok((majority, 0))
            );
            assert!(2 * (majority + 1) > expected + 1, "{expected}");
            assert_eq!(need(replicas(Replicas::All), defaults), Ok((expected, 0)));
        }
    }

    #[test]
    fn majority_and_all_are_errors_while_nothing_is_expected() {
        for word in [Replicas::Majority, Replicas::All] {
            assert_eq!(
                need(replicas(word), DEFAULTS),
                Err(Unresolvable::NothingExpected(word))
            );
        }
    }

    #[test]
    fn fsync_is_at_most_the_replicas_and_nothing_when_none_are_required() {
        let two = Defaults {
            fsync: 2,
            ..DEFAULTS
        };
        assert_eq!(need(replicas(Replicas::Count(0)), two), Ok((0, 0)));
        assert_eq!(need(replicas(Replicas::Count(2)), two), Ok((2, 2)));
        assert_eq!(
            need(Options::default(), two),
            Err(Unresolvable::FsyncAboveReplicas {
                fsync: 2,
                replicas: 1,
                configured: true
            })
        );
        let error = Options::default().resolve(&two).unwrap_err().to_string();
        assert!(error.starts_with("FSYNC 2 (durable.fsync) is more than REPLICAS 1;"));
    }

    #[test]
    fn fsync_is_refused_where_the_server_cannot_tell() {
        let old = Defaults {
            fsync_known: false,
            ..DEFAULTS
        };
        let options = Options {
            fsync: Some(1),
            ..Options::default()
        };
        assert_eq!(need(options, old), Err(Unresolvable::FsyncUnknown));
        let none = Options {
            fsync: Some(0),
            ..Options::default()
        };
        assert_eq!(need(none, old), Ok((1, 0)));
    }

    #[test]
    fn numbers_are_plain_decimal_within_their_range() {
        for bad in [
            "",
            " 1",
            "+1",
            "-1",
            "01",
            "1.0",
            "1e3",
            "0x1",
            "1001",
            "99999999999999999999",
            "١",
        ] {
            assert_eq!(parse_count(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_count(b"0"), Some(0));
        assert_eq!(parse_count(b"1000"), Some(1000));
        assert_eq!(parse_timeout(b"86400000"), Some(86_400_000));
        assert_eq!(parse_timeout(b"86400001"), None);
        assert_eq!(Replicas::parse(b"MaJoRiTy"), Some(Replicas::Majority));
        assert_eq!(Replicas::parse(b"aLL"), Some(Replicas::All));
        assert_eq!(Replicas::parse(b"most"), None);
    }
}
