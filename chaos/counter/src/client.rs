//! One client: increments the counters, one after another, until the test ends.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::caller::Caller;
use crate::failure::Failure;
use crate::increments::Increments;
use crate::options::Form;
use crate::system::System;
use crate::tally::Tally;

/// Between two tries, so that a server that just starts is not flooded.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// What the clients share.
pub struct Test<'t> {
    pub system: &'t System,
    pub increments: &'t Increments,
    /// The pause between two increments of one client.
    pub pause: Duration,
    /// How long an increment may be sent again.
    pub window: Duration,
    /// How long clients wait for outstanding answers after the end.
    pub settle: Duration,
    pub tally: Mutex<Tally>,
    /// When counting ended. Empty until then.
    pub ended: OnceLock<Instant>,
}

impl Test<'_> {
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts until the test ends, beginning with counter `number`.
    pub fn run_client(&self, number: usize) {
        let mut caller = Caller::new(self.system);
        let counters = self.increments.keys().len().max(1);
        let mut next = Instant::now();
        for turn in number.. {
            self.wait_until(next);
            if self.ended.get().is_some() {
                return;
            }
            next = Instant::now() + self.pause;
            self.increment(&mut caller, turn % counters);
        }
    }

    /// One increment, sent as often as its form allows.
    fn increment(&self, caller: &mut Caller, counter: usize) {
        let command = self.increments.increment(counter, &Uuid::new_v4());
        let floor = self.tally().floor(counter);
        let begun = Instant::now();
        let mut open = false;
        loop {
            match caller.call(counter, &command) {
                Ok(value) => {
                    self.tally()
                        .acknowledge(counter, floor, value, Instant::now());
                    return;
                }
                Err(failure) => {
                    open |= matches!(failure, Failure::Unknown(_));
                    self.tally().retry(failure.text());
                }
            }
            if open && (self.increments.form() != Form::Once || self.must_give_up(begun)) {
                self.tally().leave_open(counter);
                return;
            }
            if !open && self.ended.get().is_some() {
                return;
            }
            sleep(BETWEEN_TRIES);
        }
    }

    /// Whether an increment may not be sent again: after the window its id would be a new one.
    fn must_give_up(&self, begun: Instant) -> bool {
        let too_old = begun.elapsed() >= self.window.mul_f64(0.9);
        let ended = self.ended.get();
        too_old || ended.is_some_and(|ended| ended.elapsed() >= self.settle)
    }

    fn wait_until(&self, time: Instant) {
        while self.ended.get().is_none() {
            let rest = time.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            sleep(rest.min(BETWEEN_TRIES));
        }
    }
}
