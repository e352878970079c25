//! Chooses steps of a random walk. Steps that bring the protocol forward are more likely: otherwise
//! a walk ends before anything is elected.

use std::cell::RefCell;

use rand::{rngs::StdRng, RngExt, SeedableRng};
use stateright::Chooser;

use crate::world::{Bounds, Step, World};

#[derive(Clone)]
pub struct Weighted;

impl Chooser<Bounds> for Weighted {
    type State = RefCell<StdRng>;

    fn new_state(&self, seed: u64) -> Self::State {
        RefCell::new(StdRng::seed_from_u64(seed))
    }

    fn choose_initial_state(&self, _: &mut Self::State, _: &[World]) -> usize {
        0
    }

    fn choose_action(&self, random: &mut Self::State, _: &World, steps: &[Step]) -> usize {
        let total: u32 = steps.iter().map(weight).sum();
        let mut left = random.borrow_mut().random_range(0..total.max(1));
        let found = steps.iter().position(|step| {
            let here = left < weight(step);
            left = left.saturating_sub(weight(step));
            here
        });
        found.unwrap_or(0)
    }
}

fn weight(step: &Step) -> u32 {
    match step {
        Step::Promoted(_) | Step::Persisted(_) => 12,
        Step::Write(_)
        | Step::Replicate(_)
        | Step::Acknowledge(_)
        | Step::AcknowledgementArrives(..)
        | Step::Challenge(..)
        | Step::Configure(..)
        | Step::Deliver(..)
        | Step::Connect(_, true)
        | Step::Exchange(..)
        | Step::Tell(..)
        | Step::AskToJoin(_)
        | Step::Loaded(_) => 8,
        Step::Follow(..) => 8,
        Step::Stand(_)
        | Step::Connect(_, false)
        | Step::Unasked(_)
        | Step::Cut(_)
        | Step::Crash(_)
        | Step::Restart(..) => 1,
    }
}
