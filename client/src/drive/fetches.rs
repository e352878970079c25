//! Sessions that miss a slot at the same time: one fetches the map, and the others wait for that.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::decide::asking::fetches::{FetchTurn, Fetches};
use crate::decide::deadline::Deadline;

/// The length of one wait for another session, if there is no deadline. Such waits are repeated.
const LONG: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct SharedFetches {
    state: Mutex<Fetches>,
    ended: Condvar,
}

/// Held by the session that fetches. The fetch ends when it is dropped.
pub(crate) struct Fetching<'f>(&'f SharedFetches);

impl SharedFetches {
    /// The turn to fetch. `None` if another session has just fetched. If one is fetching, this
    /// waits for its end, until `deadline` at most, and then returns `None`.
    pub(crate) fn begin(&self, deadline: Deadline) -> Option<Fetching<'_>> {
        let mut state = self.lock();
        match state.begin(Instant::now()) {
            FetchTurn::Fetch => return Some(Fetching(self)),
            FetchTurn::Skip => return None,
            FetchTurn::Wait => {}
        }
        loop {
            let now = Instant::now();
            if !state.is_fetching() || deadline.is_over(now) {
                return None;
            }
            let left = deadline.left(now).unwrap_or(LONG);
            let waited = self.ended.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// The next miss fetches, however soon it comes.
    pub(crate) fn allow(&self) {
        self.lock().allow();
    }

    fn lock(&self) -> MutexGuard<'_, Fetches> {
        let state = self.state.lock();
        state.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.lock().end(Instant::now());
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn those_who_come_meanwhile_wait_for_the_end_and_have_no_turn_of_their_own() {
        let fetches = Arc::new(SharedFetches::default());
        let turn = fetches.begin(Deadline::NEVER).expect("a turn");
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let fetches = fetches.clone();
                thread::spawn(move || fetches.begin(Deadline::NEVER).is_none())
            })
            .collect();
        let over = Deadline::after(Instant::now(), Some(Duration::ZERO));
        assert!(fetches.begin(over).is_none());
        drop(turn);
        for thread in waiting {
            assert!(thread.join().expect("an end"));
        }
        fetches.allow();
        assert!(fetches.begin(Deadline::NEVER).is_some());
    }
}
