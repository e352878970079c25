//! Scenarios with three Sentinels.

use anyhow::Result;

use super::cluster::failures;
use super::{Promise, Scenario};
use crate::lab::Lab;
use crate::system::{Kind, MASTER};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sentinel-calm",
        kind: Kind::Sentinel,
        about: "Nothing happens.",
        promised: Promise::Everyone,
        weight: 0,
        play: |lab| lab.work(2500, 3500),
    },
    Scenario {
        name: "sentinel-kill",
        kind: Kind::Sentinel,
        about: "The primary is killed; the Sentinels promote a replica; the old primary comes back with its data.",
        promised: Promise::All,
        weight: 2,
        play: |lab| failures::kill_for(lab, 500, 1000),
    },
    Scenario {
        name: "sentinel-partition",
        kind: Kind::Sentinel,
        about: "The primary and one replica are cut off from the other replica and the Sentinels, which promote it.",
        promised: Promise::All,
        weight: 2,
        play: |lab| failures::partition_for(lab, 2000, 3000),
    },
    Scenario {
        name: "sentinel-freeze",
        kind: Kind::Sentinel,
        about: "The primary freezes, and thaws after a replica was promoted.",
        promised: Promise::All,
        weight: 2,
        play: |lab| failures::freeze_for(lab, 200, 1000),
    },
    Scenario {
        name: "sentinel-lagging",
        kind: Kind::Sentinel,
        about: "One replica lags by a second; the other freezes; the primary's machine crashes.",
        promised: Promise::All,
        weight: 1,
        play: failures::lagging,
    },
    Scenario {
        name: "sentinel-by-hand",
        kind: Kind::Sentinel,
        about: "An operator calls SENTINEL FAILOVER.",
        promised: Promise::All,
        weight: 2,
        play: by_hand,
    },
];

fn by_hand(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    let sentinel = lab.system.node("S")?;
    lab.must(sentinel, &["SENTINEL", "FAILOVER", MASTER])?;
    lab.wait_for_promotion(primary)?;
    lab.work(1000, 1500)
}
