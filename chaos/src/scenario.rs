//! The scenarios: which faults happen, in which order. The seed draws times and targets.

mod cluster;
mod plain;
mod sentinel;

use anyhow::Result;
use rand::{rngs::StdRng, RngExt};

use crate::contender::Contender;
use crate::lab::Lab;
use crate::system::Kind;

pub struct Scenario {
    /// As `--scenario` takes it.
    pub name: &'static str,
    pub kind: Kind,
    /// One sentence.
    pub about: &'static str,
    /// What loses nothing here, by the documentation.
    pub promised: Promise,
    /// How often it is drawn, when none is named. 0: only by its name.
    pub weight: u32,
    pub play: fn(&mut Lab) -> Result<()>,
}

impl Scenario {
    /// It has many faults, one after another.
    pub fn has_turns(&self) -> bool {
        self.name == "again-and-again"
    }
}

/// Who is promised to lose nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every contender: no node is lost.
    Everyone,
    /// Every durable contender: the promoted replica has what any replica acknowledged.
    Durable,
    /// REPLICAS ALL.
    All,
    /// Nobody: the guarantee does not cover this.
    Nobody,
}

impl Promise {
    pub fn covers(self, contender: Contender) -> bool {
        match self {
            Promise::Everyone => true,
            Promise::Durable => contender.requirement().is_some(),
            Promise::All => contender == Contender::All,
            Promise::Nobody => false,
        }
    }
}

/// All scenarios.
pub fn every() -> impl Iterator<Item = &'static Scenario> {
    cluster::SCENARIOS
        .iter()
        .chain(sentinel::SCENARIOS)
        .chain(plain::SCENARIOS)
}

pub fn named(name: &str) -> Option<&'static Scenario> {
    every().find(|scenario| scenario.name == name)
}

/// Those that concern failover groups, with the long one again after every two others.
pub fn of_groups() -> Vec<&'static str> {
    let fits = |scenario: &&Scenario| {
        scenario.kind == Kind::Cluster
            && !scenario.has_turns()
            && !["calm", "loadex"].contains(&scenario.name)
    };
    let chosen: Vec<&str> = every().filter(fits).map(|scenario| scenario.name).collect();
    let pairs = chosen.chunks(2);
    pairs
        .flat_map(|pair| ["again-and-again"].into_iter().chain(pair.iter().copied()))
        .collect()
}

/// Draws one of those with this kind of system, by weight.
pub fn draw(kind: Kind, random: &mut StdRng) -> Option<&'static Scenario> {
    let candidates = || every().filter(|scenario| scenario.kind == kind);
    let total: u32 = candidates().map(|scenario| scenario.weight).sum();
    let mut left = random.random_range(0..total.max(1));
    candidates().find(|scenario| {
        let found = left < scenario.weight;
        left = left.saturating_sub(scenario.weight);
        found
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<&str> = every().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), every().count());
    }

    #[test]
    fn a_run_of_groups_plays_every_scenario_and_the_long_one_often() {
        let names = of_groups();
        let long = names.iter().filter(|name| **name == "again-and-again");
        assert_eq!(long.count(), names.len().div_ceil(3));
        for name in [
            "kill",
            "mixed",
            "voter-restarts",
            "retry-gate",
            "whole-shard",
        ] {
            assert!(names.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_seed_draws_the_same_scenarios_again() {
        let draw_all = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let draws = (0..50).filter_map(|_| draw(Kind::Cluster, &mut random));
            draws.map(|scenario| scenario.name).collect::<Vec<_>>()
        };
        assert_eq!(draw_all(1), draw_all(1));
        assert_ne!(draw_all(1), draw_all(2));
        assert_eq!(draw_all(1).len(), 50);
    }
}
