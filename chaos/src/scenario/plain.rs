//! Scenarios of plain replication: an operator promotes.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Promise, Scenario};
use crate::lab::{address, Lab};
use crate::node::Node;
use crate::system::Kind;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "failover",
        kind: Kind::Plain,
        about: "The FAILOVER command, and the other replica is told to follow.",
        promised: Promise::Everyone,
        weight: 2,
        play: failover,
    },
    Scenario {
        name: "failover-force",
        kind: Kind::Plain,
        about: "FAILOVER … FORCE to a replica that lags.",
        promised: Promise::All,
        weight: 2,
        play: failover_force,
    },
    Scenario {
        name: "promote-the-best",
        kind: Kind::Plain,
        about:
            "The primary crashes, and the operator promotes the replica with the greatest offset.",
        promised: Promise::Durable,
        weight: 2,
        play: promote_the_best,
    },
    Scenario {
        name: "promote-by-hand",
        kind: Kind::Plain,
        about: "The primary crashes, and an operator promotes a replica with REPLICAOF NO ONE.",
        promised: Promise::All,
        weight: 2,
        play: promote_by_hand,
    },
    Scenario {
        name: "far-replicas",
        kind: Kind::Plain,
        about: "Both replicas are far away, the primary crashes, and the operator promotes the one with the greatest offset.",
        promised: Promise::Durable,
        weight: 0,
        play: far_replicas,
    },
];

fn failover(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    let (host, port) = address(one);
    lab.work(500, 1500)?;
    lab.command(
        primary,
        &["FAILOVER", "TO", &host, &port, "TIMEOUT", "3000"],
    );
    lab.wait_for_promotion(primary)?;
    follow(lab, two, one);
    lab.work(500, 1500)
}

fn failover_force(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    let (host, port) = address(one);
    lab.work(400, 800)?;
    lab.delay(primary, one, Duration::from_millis(800));
    lab.work(1000, 1500)?;
    lab.command(
        primary,
        &["FAILOVER", "TO", &host, &port, "FORCE", "TIMEOUT", "200"],
    );
    lab.wait_for_promotion(primary)?;
    lab.heal();
    follow(lab, two, one);
    lab.work(500, 1500)
}

fn promote_by_hand(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(400, 800)?;
    lab.delay(primary, one, Duration::from_millis(300));
    lab.work(1000, 1500)?;
    lab.crash(primary);
    lab.work(200, 500)?;
    promote(lab, primary, one, two)
}

fn promote_the_best(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(400, 800)?;
    lab.delay(primary, one, Duration::from_millis(300));
    crash_and_promote_the_best(lab, primary)
}

fn far_replicas(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    for replica in [one, two] {
        lab.delay(primary, replica, Duration::from_millis(150));
    }
    crash_and_promote_the_best(lab, primary)
}

fn crash_and_promote_the_best(lab: &mut Lab, primary: &Node) -> Result<()> {
    let (_, one, two) = lab.members()?;
    lab.work(1000, 1500)?;
    lab.crash(primary);
    // What the delayed replica was sent is gone, so nothing changes any more.
    lab.work(300, 500)?;
    let (best, other) = if offset(one)? > offset(two)? {
        (one, two)
    } else {
        (two, one)
    };
    promote(lab, primary, best, other)
}

/// How far a replica has read the stream.
fn offset(node: &Node) -> Result<u64> {
    let info: String = node.run(&["INFO", "replication"])?;
    let mut lines = info.lines();
    let found = lines.find_map(|line| line.strip_prefix("slave_repl_offset:"));
    found
        .context("INFO has no offset")?
        .trim()
        .parse()
        .context("an offset")
}

fn promote(lab: &mut Lab, primary: &Node, one: &Node, two: &Node) -> Result<()> {
    lab.must(one, &["REPLICAOF", "NO", "ONE"])?;
    follow(lab, two, one);
    lab.work(500, 1000)?;
    // The operator takes care that the old primary does not come back as one.
    lab.start(primary)?;
    lab.wait_at_most(Duration::from_secs(10), || primary.try_run(&["PING"]))?;
    follow(lab, primary, one);
    Ok(())
}

fn follow(lab: &Lab, node: &Node, primary: &Node) {
    let (host, port) = address(primary);
    lab.command(node, &["REPLICAOF", &host, &port]);
}
