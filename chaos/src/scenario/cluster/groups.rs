//! What is hard for a failover group (`--failover`). Without one, the cluster promises less here.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;

use crate::group::{open, too_few_voters, Stuck};
use crate::lab::Lab;
use crate::system::NODE_TIMEOUT;

/// The primary comes back with its data before the cluster has noticed.
pub fn back_at_once(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    lab.shut_down(primary);
    lab.start(primary)?;
    lab.wait_for_promotion(primary)?;
    lab.work(300, 800)
}

/// A replica freezes at some moment of the election.
pub fn frozen_voter(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    let victim = if lab.random.random() { one } else { two };
    lab.work(500, 1000)?;
    lab.kill(primary);
    lab.work(0, 2 * NODE_TIMEOUT)?;
    lab.freeze(victim);
    lab.work(300, 2500)?;
    lab.thaw(victim);
    lab.wait_for_promotion(primary)?;
    lab.work(200, 600)?;
    lab.start(primary)
}

/// Both replicas want to be primary, and do not hear each other at first.
pub fn split_voters(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut(&[one], &[two]);
    lab.work(200, 800)?;
    lab.kill(primary);
    lab.work(NODE_TIMEOUT, 3 * NODE_TIMEOUT)?;
    lab.heal();
    lab.wait_for_promotion(primary)?;
    lab.work(200, 600)?;
    lab.start(primary)
}

/// The old primary comes back with a higher epoch than the new one, and takes the slots.
pub fn bumped_epoch(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut(&[primary], &lab.all_but(&[primary]));
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1500)?;
    for _ in 0..5 {
        lab.command(primary, &["CLUSTER", "BUMPEPOCH"]);
    }
    lab.heal();
    lab.work(2000, 3000)
}

/// All members restart. An operator opens the primary.
pub fn whole_shard(lab: &mut Lab) -> Result<()> {
    lab.work(500, 1000)?;
    for node in lab.system.shard() {
        lab.kill(node);
    }
    for node in lab.system.shard() {
        lab.start(node)?;
    }
    if !lab.system.is_group() {
        return lab.work(500, 1000);
    }
    lab.work(500, 2500)?;
    let must_wait = || too_few_voters(lab.system).is_some();
    if !lab.wait_at_most(Duration::from_secs(10), must_wait)? {
        let what = "all members have restarted, and the group does not wait for an operator";
        return Err(Stuck(what.to_owned()).into());
    }
    open(lab, "all members have restarted")?;
    lab.work(500, 1000)
}
