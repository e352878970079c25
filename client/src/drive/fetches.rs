//! One fetch of the map at a time: sessions that miss together wait for the first of them, and need
//! not ask themselves.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::decide::deadline::Deadline;

/// After a fetch nobody fetches for so long: what the map has left open, it would leave open again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Fetches {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    is_fetching: bool,
    last_ended: Option<Instant>,
}

/// Held by whoever fetches.
pub(crate) struct Turn<'f>(&'f Fetches);

impl Fetches {
    /// The turn to fetch. None where somebody else has just fetched: then the answer has been
    /// waited for, by `deadline`.
    pub(crate) fn begin(&self, deadline: Deadline) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if state.is_fetching {
            while state.is_fetching && !deadline.is_over() {
                let left = deadline.left().unwrap_or(PAUSE);
                let waited = self.ended.wait_timeout(state, left);
                (state, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            return None;
        }
        if state.last_ended.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        state.is_fetching = true;
        Some(Turn(self))
    }

    /// The next miss fetches, however soon.
    pub(crate) fn allow(&self) {
        self.lock().last_ended = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock();
        state.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.is_fetching, state.last_ended) = (false, Some(Instant::now()));
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
        let fetches = Arc::new(Fetches::default());
        let turn = fetches.begin(Deadline::after(None)).expect("a turn");
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let fetches = fetches.clone();
                thread::spawn(move || fetches.begin(Deadline::after(None)).is_none())
            })
            .collect();
        assert!(fetches
            .begin(Deadline::after(Some(Duration::ZERO)))
            .is_none());
        drop(turn);
        for thread in waiting {
            assert!(thread.join().expect("an end"));
        }
        fetches.allow();
        assert!(fetches.begin(Deadline::after(None)).is_some());
    }
}
