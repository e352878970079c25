//! How much is sent to a node at a time, and how long the first reply to it may take. Pure.
//!
//! A pipeline is sent in windows. The next one follows when all replies to this one have been read.
//! A server keeps replies in memory until they are read, so a pipeline without a bound would grow
//! there. Redis 7 also breaks a TLS connection ("bad length") if it executes more commands while
//! replies to earlier ones are stuck in a full socket. This cannot happen if it reads a whole
//! window at once, and it reads at once what fits into one TLS record.

use std::time::Duration;

/// Enough for a round trip to a server that is busy for a moment.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// The bounds of a window. A single command always fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    commands: usize,
    bytes: usize,
}

impl Window {
    pub(crate) const PLAIN: Window = Window {
        commands: 1000,
        bytes: 256 * 1024,
    };
    /// One TLS record, which servers read at once.
    pub(crate) const TLS: Window = Window {
        commands: 1000,
        bytes: 16 * 1024,
    };

    /// Whether one more command fits behind `commands` others. `bytes` is the size of all of them,
    /// this one included.
    pub(crate) fn has_room(self, commands: usize, bytes: usize) -> bool {
        commands == 0 || (commands < self.commands && bytes <= self.bytes)
    }
}

/// What is left of `limit` for the first reply to a window whose sending began `waited` ago.
/// A driver may have waited for other nodes meanwhile. So nodes that do not answer share the limit.
///
/// At least an eighth of `limit` and at least 100 ms are left. A limit below 100 ms is left whole.
/// The node needs this time: its socket may have been full. Example: of 1 s, 750 ms are left after
/// 250 ms, and 125 ms after 5 s.
pub(crate) fn rest_of(limit: Duration, waited: Duration) -> Duration {
    let least = (limit / 8).max(LEAST_WAIT).min(limit);
    limit.saturating_sub(waited).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_ends_at_either_bound_and_holds_one_command_at_least() {
        let window = Window {
            commands: 3,
            bytes: 100,
        };
        assert!(window.has_room(0, 1_000_000));
        assert!(window.has_room(2, 100));
        assert!(!window.has_room(3, 100));
        assert!(!window.has_room(2, 101));
    }

    #[test]
    fn the_wait_for_the_first_reply_began_when_its_window_was_sent() {
        assert_eq!(rest_of(SECOND, Duration::ZERO), SECOND);
        assert_eq!(rest_of(SECOND, SECOND / 4), SECOND * 3 / 4);
        for waited in [SECOND, SECOND * 9] {
            assert_eq!(rest_of(SECOND, waited), SECOND / 8);
        }
        let short = LEAST_WAIT / 2;
        assert_eq!(rest_of(short, SECOND), short);
    }
}
