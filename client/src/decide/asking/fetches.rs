//! Which session fetches the map, if several miss at the same time. Pure.

use std::time::{Duration, Instant};

/// For this long after a fetch no other one is made: a slot without an owner in the fetched map
/// would most likely have none in the next map either.
const PAUSE: Duration = Duration::from_secs(1);

/// The state of fetching, shared by all sessions of a client.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    is_fetching: bool,
    last_ended: Option<Instant>,
}

/// What a session does when it misses a slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FetchTurn {
    /// It fetches the map, and calls [`Fetches::end`] then.
    Fetch,
    /// Another session is fetching. This one waits for the end of that fetch, and fetches nothing.
    Wait,
    /// A fetch has just ended. This session fetches nothing.
    Skip,
}

impl Fetches {
    pub(crate) fn begin(&mut self, now: Instant) -> FetchTurn {
        if self.is_fetching {
            return FetchTurn::Wait;
        }
        let is_recent = |at: Instant| now.saturating_duration_since(at) < PAUSE;
        if self.last_ended.is_some_and(is_recent) {
            return FetchTurn::Skip;
        }
        self.is_fetching = true;
        FetchTurn::Fetch
    }

    pub(crate) fn end(&mut self, now: Instant) {
        (self.is_fetching, self.last_ended) = (false, Some(now));
    }

    pub(crate) fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    /// The next miss fetches, however soon it comes.
    pub(crate) fn allow(&mut self) {
        self.last_ended = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_fetches_and_those_that_miss_meanwhile_wait() {
        let (mut fetches, now) = (Fetches::default(), Instant::now());
        assert_eq!(fetches.begin(now), FetchTurn::Fetch);
        assert!(fetches.is_fetching());
        assert_eq!(fetches.begin(now + PAUSE * 9), FetchTurn::Wait);
        fetches.end(now + PAUSE * 9);
        assert!(!fetches.is_fetching());
    }

    #[test]
    fn after_a_fetch_nobody_fetches_for_a_second_unless_that_is_allowed() {
        let (mut fetches, now) = (Fetches::default(), Instant::now());
        fetches.begin(now);
        fetches.end(now);
        let soon = now + PAUSE - Duration::from_millis(1);
        assert_eq!(fetches.begin(soon), FetchTurn::Skip);
        assert_eq!(fetches.begin(now + PAUSE), FetchTurn::Fetch);
        fetches.end(now + PAUSE);
        fetches.allow();
        assert_eq!(fetches.begin(now + PAUSE), FetchTurn::Fetch);
    }
}
