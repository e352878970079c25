//! One round: a scenario on a system, with all clients, and the checks afterwards.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rand::{rngs::StdRng, SeedableRng};

use crate::check::{self, FinalState};
use crate::client::{ask, Addresses};
use crate::contender::Contender;
use crate::history::Operation;
use crate::lab::Lab;
use crate::monitor;
use crate::node::Node;
use crate::record;
use crate::scenario::Scenario;
use crate::system::{Kind, System, SHARD};
use crate::workload::Workload;

/// Keys in one MGET.
const BATCH: usize = 500;

/// Plays a scenario. An error means that the lab itself failed; the round's own troubles are in its
/// record.
pub fn play(
    system: &System,
    scenario: &Scenario,
    contenders: &[Contender],
    number: usize,
    seed: u64,
    folder: &Path,
) -> Result<record::Round> {
    let addresses = Arc::new(addresses(system));
    let workload = Workload::start(&addresses, contenders, number, seed)?;
    let begin = workload.begin();
    let mut lab = Lab::new(system, StdRng::seed_from_u64(seed), begin);
    let (outcome, seen) = monitor::watch(system.shard(), begin, || {
        let played = (scenario.play)(&mut lab).and_then(|()| lab.work(300, 600));
        // What was cut heals, and what was ended starts again: the final state is that of the
        // primary which all follow.
        let crashed: Vec<String> = system.crashed().into_iter().map(str::to_owned).collect();
        (played.and_then(|()| system.restore()), crashed)
    });
    let (outcome, crashed) = outcome;
    let histories = workload.finish()?;
    let mut round = record::Round {
        number,
        scenario: scenario.name.to_owned(),
        about: scenario.about.to_owned(),
        system: system.kind.name().to_owned(),
        seed,
        duration_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        nodes: system.nodes.iter().map(|node| node.name.clone()).collect(),
        events: lab.into_events(),
        spans: seen.spans,
        failovers: seen.failovers,
        contenders: Vec::new(),
        inconclusive: None,
        crashed,
    };
    let state = outcome.and_then(|()| final_state(system, &histories));
    match state {
        Err(error) => round.inconclusive = Some(format!("{error:#}")),
        Ok(state) => {
            for (contender, history) in &histories {
                // In a group every durable write survives, whatever the scenario is.
                let promised = scenario.promised.covers(*contender)
                    || system.is_group && contender.requirement().is_some();
                let name = format!("round-{number}-{contender:?}");
                let result =
                    check::contender(*contender, promised, history, &state, folder, &name)?;
                round.contenders.push(result);
            }
            round.inconclusive = doubt(&round.contenders);
        }
    }
    if !round.crashed.is_empty() {
        let names = round.crashed.join(", ");
        round.inconclusive = Some(format!(
            "{names} ended although nobody ended it, or panicked: a crash"
        ));
    }
    Ok(round)
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
            Kind::Sentinel => of(system.nodes.get(SHARD..).unwrap_or_default()),
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
