//! The numbers of some rounds, added up: a cell of the table, and all that is promised.

use crate::record::{Contender, Counts, Round, Run};

/// How a contender did, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The final state contradicts an answer that the documentation promises to keep.
    Broken,
    /// It contradicts an answer, but nothing was promised.
    Lossy,
    /// It contradicts no answer.
    Kept,
    /// There was no answer to check, or the round is inconclusive.
    Nothing,
}

impl Outcome {
    /// The class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Outcome::Broken => "broken",
            Outcome::Lossy => "lossy",
            Outcome::Kept => "kept",
            Outcome::Nothing => "nothing",
        }
    }

    /// Tells the outcomes apart without colours.
    pub fn sign(self) -> &'static str {
        match self {
            Outcome::Broken => "✕",
            Outcome::Lossy => "▲",
            Outcome::Kept => "✓",
            Outcome::Nothing => "–",
        }
    }

    pub fn of(contender: &Contender) -> Outcome {
        let mut sum = Sum::default();
        sum.add(contender);
        sum.outcome()
    }

    /// The worst of a round.
    pub fn of_round(round: &Round) -> Outcome {
        let all = round.contenders.iter().map(Outcome::of);
        match round.inconclusive {
            _ if round.stuck.is_some() => Outcome::Broken,
            Some(_) => Outcome::Nothing,
            None => all.min().unwrap_or(Outcome::Nothing),
        }
    }
}

/// What a contender did in some rounds.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    pub rounds: u64,
    /// Of those, the rounds in which it is promised that nothing is lost.
    pub promised: u64,
    /// Whether one of those contradicts an answer.
    pub broken: bool,
    pub counts: Counts,
}

impl Sum {
    pub fn add(&mut self, contender: &Contender) {
        self.rounds += 1;
        self.promised += u64::from(contender.promised);
        self.broken |= contender.promised && contender.is_violated();
        self.counts += &contender.counts;
    }

    pub fn outcome(&self) -> Outcome {
        let counts = &self.counts;
        let answers = counts.acked + counts.reads + counts.increments + counts.histories;
        match () {
            _ if self.broken => Outcome::Broken,
            _ if counts.contradict() => Outcome::Lossy,
            _ if answers > 0 => Outcome::Kept,
            _ => Outcome::Nothing,
        }
    }
}

/// The rounds that say something.
pub fn conclusive(run: &Run) -> impl Iterator<Item = &Round> {
    run.rounds
        .iter()
        .filter(|round| round.inconclusive.is_none())
}

/// The names of the contenders in the order of the table's columns.
pub fn names(run: &Run) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for contender in run.rounds.iter().flat_map(|round| &round.contenders) {
        if !names.contains(&contender.name.as_str()) {
            names.push(&contender.name);
        }
    }
    names
}

/// The sum of the contenders in `rounds` that `choose` accepts.
pub fn sum<'a>(
    rounds: impl Iterator<Item = &'a Round>,
    choose: impl Fn(&Contender) -> bool,
) -> Sum {
    let mut sum = Sum::default();
    for contender in rounds
        .flat_map(|round| &round.contenders)
        .filter(|one| choose(one))
    {
        sum.add(contender);
    }
    sum
}

/// The rounds of one scenario on one kind of system: a row of the table.
pub struct Scenario<'a> {
    pub name: &'a str,
    pub system: &'a str,
    pub about: &'a str,
    pub rounds: Vec<&'a Round>,
}

impl<'a> Scenario<'a> {
    pub fn conclusive(&self) -> impl Iterator<Item = &'a Round> + '_ {
        self.rounds
            .iter()
            .copied()
            .filter(|round| round.inconclusive.is_none())
    }

    pub fn failovers(&self) -> u64 {
        self.conclusive().map(|round| round.failovers as u64).sum()
    }
}

/// In the order of their first rounds.
pub fn scenarios(run: &Run) -> Vec<Scenario<'_>> {
    let mut rows: Vec<Scenario> = Vec::new();
    for round in &run.rounds {
        let same = |row: &&mut Scenario| row.name == round.scenario && row.system == round.system;
        match rows.iter_mut().find(same) {
            Some(row) => row.rounds.push(round),
            None => rows.push(Scenario {
                name: &round.scenario,
                system: &round.system,
                about: &round.about,
                rounds: vec![round],
            }),
        }
    }
    rows
}
