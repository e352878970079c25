//! Scenarios of plain replication: an operator promotes.

use std::time::Duration;

use anyhow::Result;

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
        name: "promote-by-hand",
        kind: Kind::Plain,
        about: "The primary crashes, and an operator promotes a replica with REPLICAOF NO ONE.",
        promised: Promise::All,
        weight: 2,
        play: promote_by_hand,
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
    lab.delay(primary, one, Duration::from_millis(300));
    lab.work(1000, 1500)?;
    lab.crash(primary);
    lab.work(200, 500)?;
    lab.command(one, &["REPLICAOF", "NO", "ONE"]);
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
