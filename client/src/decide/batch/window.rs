//! What is under way to one node at a time, and how long its first reply may take. Pure.
//!
//! A pipeline is sent in windows: the next one when all replies to this one have been read. A server keeps replies in
//! memory that nobody reads yet, so that a pipeline without a bound grows there. And Redis 7 breaks a TLS connection
//! ("bad length") when it executes more commands while replies to the earlier ones are stuck in a full socket; it
//! cannot where it reads a whole window at once, as it does what fits into one TLS record.

use std::time::Duration;

/// Enough for a round trip and a server that is busy for a moment.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// The bounds of a window. One command fits always.
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
    /// What servers read at once from a TLS connection: one record.
    pub(crate) const TLS: Window = Window {
        commands: 1000,
        bytes: 16 * 1024,
    };

    /// Whether one more command fits behind `commands` others; `bytes` is the size of all requests with it.
    pub(crate) fn has_room(self, commands: usize, bytes: usize) -> bool {
        commands == 0 || (commands < self.commands && bytes <= self.bytes)
    }
}

/// What is left of `limit` for the first reply of a window that was sent `waited` ago, while the replies of others
/// were read: nodes that stand still together are waited for together.
///
/// It is never so short that a node which has waited for this reader, its socket full, had no time to go on.
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
