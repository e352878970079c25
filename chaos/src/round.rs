//! One round: a scenario on a system, with all clients, and the checks afterwards.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::{rngs::StdRng, SeedableRng};

use crate::check::{self, FinalState};
use crate::client::{ask, Addresses};
use crate::contender::Contender;
use crate::group::Stuck;
use crate::history::{Action, Operation};
use crate::lab::{Lab, Story};
use crate::monitor;
use crate::node::Node;
use crate::record;
use crate::scenario::{Promise, Scenario};
use crate::system::{Kind, System};
use crate::terms::Terms;
use crate::workload::{Workload, THINKING, THINKING_LONG};

/// Keys in one MGET.
const BATCH: usize = 500;

/// What is the same in all rounds of a run.
pub struct Setting<'a> {
    pub contenders: &'a [Contender],
    /// The server's version.
    pub server: &'a str,
    /// How many faults a scenario of many has.
    pub turns: usize,
    /// Where pictures of histories go.
    pub folder: &'a Path,
}

/// Plays a scenario. An error means that the lab itself failed; the round's own troubles are in its
/// record.
pub fn play(
    system: &System,
    scenario: &Scenario,
    setting: &Setting,
    number: usize,
    seed: u64,
) -> Result<record::Round> {
    let addresses = Arc::new(addresses(system));
    let thinking = match scenario.has_turns() {
        true => THINKING_LONG,
        false => THINKING,
    };
    let workload = Workload::start(&addresses, setting.contenders, number, seed, thinking)?;
    let begin = workload.begin();
    let terms = Terms::default();
    let random = StdRng::seed_from_u64(seed);
    let mut lab = Lab::new(system, random, &terms, setting.turns, begin);
    let (outcome, seen) = monitor::watch(system, begin, &terms, || {
        let played = (scenario.play)(&mut lab).and_then(|()| lab.work(300, 600));
        // What was cut heals, and what was ended starts again: the final state is that of the
        // primary which all follow.
        let crashed: Vec<String> = system.crashed().into_iter().map(str::to_owned).collect();
        (played.and_then(|()| lab.restore()), crashed)
    });
    let (outcome, crashed) = outcome;
    let histories = workload.finish()?;
    let story = lab.into_story();
    let mut round = record::Round {
        number,
        scenario: scenario.name.to_owned(),
        about: scenario.about.to_owned(),
        system: system.kind.name().to_owned(),
        seed,
        duration_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        server: setting.server.to_owned(),
        nodes: system.nodes.iter().map(|node| node.name.clone()).collect(),
        turns: Vec::new(),
        events: Vec::new(),
        spans: seen.spans,
        failovers: seen.failovers,
        stuck: None,
        operator: story.opened.iter().map(|one| one.what.clone()).collect(),
        contenders: Vec::new(),
        inconclusive: None,
        crashed,
    };
    let state = outcome.and_then(|()| final_state(system, &histories));
    match state {
        Err(error) => match error.downcast_ref::<Stuck>() {
            Some(stuck) => round.stuck = Some(stuck.to_string()),
            None => round.inconclusive = Some(format!("{error:#}")),
        },
        Ok(state) => {
            let since = promised_since(&story);
            for (contender, history) in &histories {
                let promised = is_promised(scenario, system, *contender);
                let name = format!("round-{number}-{contender:?}");
                let history = match since.filter(|_| promised) {
                    None => history.clone(),
                    Some(since) => begun_after(history, since),
                };
                let folder = setting.folder;
                let result =
                    check::contender(*contender, promised, &history, &state, folder, &name)?;
                round.contenders.push(result);
            }
            round.inconclusive = doubt(&round.contenders);
        }
    }
    if system.is_group() {
        let promised = histories
            .iter()
            .filter(|(contender, _)| is_promised(scenario, system, *contender));
        let acked = acked_writes(promised.flat_map(|(_, history)| history));
        round.turns = turns(&round, &story, &terms, &acked);
    }
    round.events = story.events;
    if !round.crashed.is_empty() {
        let names = round.crashed.join(", ");
        round.inconclusive = Some(format!(
            "{names} ended although nobody ended it, or panicked: a crash"
        ));
    }
    Ok(round)
}

/// In a group every write survives that K replicas have acknowledged, whatever the scenario is.
fn is_promised(scenario: &Scenario, system: &System, contender: Contender) -> bool {
    match system.group {
        None => scenario.promised.covers(contender),
        Some(size) => {
            let replicas = contender.replicas_of(size.replicas);
            scenario.promised == Promise::Everyone
                || replicas.is_some_and(|replicas| replicas >= size.guaranteed)
        }
    }
}

/// When an operator opened a member that may lack something: what was acknowledged before is not
/// promised any more.
fn promised_since(story: &Story) -> Option<Duration> {
    let lacking = story.opened.iter().filter(|one| !one.had_everything);
    lacking.map(|one| one.at).max()
}

/// The operations on keys that nobody has touched before this time.
fn begun_after(history: &[Operation], since: Duration) -> Vec<Operation> {
    let early = history.iter().filter(|one| one.called <= since);
    let touched: HashSet<&str> = early.map(|one| one.action.key()).collect();
    let is_new = |one: &&Operation| !touched.contains(one.action.key());
    history.iter().filter(is_new).cloned().collect()
}

/// The faults, each with its failovers and the time without an acknowledged write. A scenario of
/// one fault is one turn.
fn turns(
    round: &record::Round,
    story: &Story,
    terms: &Terms,
    acked: &[Duration],
) -> Vec<record::Turn> {
    let mut turns = story.turns.clone();
    let is_fault = |event: &&record::Event| event.kind == record::EventKind::Fault;
    let first = story.events.iter().find(is_fault);
    if turns.is_empty() && round.stuck.is_none() {
        turns.extend(first.map(|event| record::Turn {
            fault: round.scenario.clone(),
            at_ms: event.at_ms,
            until_ms: round.duration_ms,
            failovers: 0,
            without_ms: 0,
        }));
    }
    for turn in &mut turns {
        turn.failovers = terms.failovers(turn.at_ms, turn.until_ms);
        turn.without_ms = longest_gap(acked, turn.at_ms, turn.until_ms);
    }
    turns
}

/// When writes were acknowledged, in order.
fn acked_writes<'a>(history: impl Iterator<Item = &'a Operation>) -> Vec<Duration> {
    let is_write = |one: &&Operation| !matches!(one.action, Action::Read { .. });
    let acked = history
        .filter(is_write)
        .filter(|one| one.outcome.is_acked());
    let mut times: Vec<Duration> = acked.map(|one| one.returned).collect();
    times.sort_unstable();
    times
}

/// The longest time without one of these times, between two others, in milliseconds.
fn longest_gap(times: &[Duration], from_ms: u64, to_ms: u64) -> u64 {
    let within = times
        .iter()
        .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        .filter(|time| (from_ms..=to_ms).contains(time));
    let (mut before, mut longest) = (from_ms, 0);
    for time in within.chain([to_ms]) {
        longest = longest.max(time.saturating_sub(before));
        before = time;
    }
    longest
}

/// Why the answers show too little.
fn doubt(contenders: &[record::Contender]) -> Option<String> {
    let mut promised = contenders.iter().filter(|contender| contender.promised);
    promised.find_map(|contender| {
        if contender.is_violated() {
            None
        } else if contender.counts.acked == 0 {
            Some(format!("nothing was acknowledged with {}", contender.name))
        } else if contender.counts.histories_undecided > 0 {
            let number = contender.counts.histories_undecided;
            Some(format!(
                "the checker gave up on {number} histories of {}",
                contender.name
            ))
        } else {
            None
        }
    })
}

fn addresses(system: &System) -> Addresses {
    let of = |nodes: &[Node]| nodes.iter().map(Node::address).collect();
    Addresses {
        kind: system.kind,
        guides: match system.kind {
            Kind::Plain | Kind::Cluster => of(&system.nodes),
            Kind::Sentinel => of(system.others()),
        },
    }
}

/// Reads all keys of the round from the primary that the system names.
fn final_state(system: &System, histories: &[(Contender, Vec<Operation>)]) -> Result<FinalState> {
    let node = owner(system)?;
    let mut keys: Vec<&str> = histories
        .iter()
        .flat_map(|(_, history)| history.iter().map(|operation| operation.action.key()))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let mut state = FinalState::new();
    let mut connection = node.connect()?;
    for batch in keys.chunks(BATCH) {
        let values: Vec<Option<i64>> = redis::cmd("MGET")
            .arg(batch)
            .query(&mut connection)
            .context("reading the final state")?;
        for (key, value) in batch.iter().zip(values) {
            if let Some(value) = value {
                state.insert((*key).to_owned(), value);
            }
        }
    }
    Ok(state)
}

/// The node that has the keys in the end.
fn owner(system: &System) -> Result<&Node> {
    let guide = system.nodes.last().context("there are nodes")?;
    let found = match system.kind {
        Kind::Plain => None,
        Kind::Sentinel | Kind::Cluster => ask(system.kind, guide.address()),
    };
    let node = match found {
        Some(address) => system.nodes.iter().find(|node| node.address() == address),
        None => system.primaries().first().copied(),
    };
    node.context("nobody has the keys in the end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Outcome;

    #[test]
    fn the_longest_time_without_a_write_is_found_also_at_the_ends() {
        let times = [100, 200, 900, 1_000].map(Duration::from_millis);
        assert_eq!(longest_gap(&times, 0, 1_100), 700);
        assert_eq!(longest_gap(&times, 950, 3_000), 2_000);
        assert_eq!(longest_gap(&[], 10, 30), 20);
    }

    #[test]
    fn keys_that_were_touched_before_a_time_are_left_out() {
        let write = |key: &str, called| Operation {
            client: 1,
            called: Duration::from_millis(called),
            returned: Duration::from_millis(called + 1),
            action: Action::Add { key: key.into() },
            outcome: Outcome::Acked(None),
            node: None,
        };
        let history = [write("a", 1), write("a", 9), write("b", 8)];
        let left = begun_after(&history, Duration::from_millis(5));
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].action.key(), "b");
    }
}
