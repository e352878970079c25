//! The primary fails, or the network does.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;

use crate::lab::Lab;
use crate::system::NODE_TIMEOUT;

pub fn kill(lab: &mut Lab) -> Result<()> {
    kill_for(lab, 200, 1000)
}

/// The primary is gone for a time between the two after the promotion, in milliseconds.
pub fn kill_for(lab: &mut Lab, least: u64, most: u64) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(least, most)?;
    lab.start(primary)
}

pub fn crash(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(400, 800)?;
    // Something is on its way at any time.
    lab.delay(primary, one, Duration::from_millis(200));
    lab.work(500, 1500)?;
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(200, 1000)?;
    lab.start(primary)
}

pub fn freeze(lab: &mut Lab) -> Result<()> {
    freeze_for(lab, 0, 1000)
}

/// As [`kill_for`].
pub fn freeze_for(lab: &mut Lab, least: u64, most: u64) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.freeze(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(least, most)?;
    lab.thaw(primary);
    lab.work(500, 1000)
}

pub fn partition(lab: &mut Lab) -> Result<()> {
    partition_for(lab, 500, 1500)
}

/// As [`kill_for`].
pub fn partition_for(lab: &mut Lab, least: u64, most: u64) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.wait_for_promotion(primary)?;
    lab.work(least, most)?;
    lab.heal();
    lab.work(500, 1000)
}

pub fn isolate(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.cut(&[primary], &lab.all_but(&[primary]));
    lab.wait_for_promotion(primary)?;
    lab.work(0, 1500)?;
    lab.heal();
    lab.work(500, 1000)
}

pub fn one_way(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut_one_way(&[primary], &lab.all_but(&[primary]));
    lab.wait_for_promotion(primary)?;
    lab.work(200, 1000)?;
    lab.heal();
    lab.work(500, 1000)
}

pub fn deaf(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut_one_way(&[one, two], &[primary]);
    lab.work(500, 1000)?;
    lab.heal();
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.start(primary)
}

pub fn lagging(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(400, 800)?;
    lab.delay(primary, two, Duration::from_millis(1000));
    lab.work(1500, 2000)?;
    lab.freeze(one);
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(300, 800)?;
    lab.thaw(one);
    lab.start(primary)
}

pub fn loss(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    let percent = lab.random.random_range(3..=15);
    lab.spoil(percent, Duration::from_millis(10));
    lab.work(1500, 2500)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(300, 800)?;
    lab.heal();
    lab.start(primary)
}

pub fn mixed(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    for _ in 0..lab.random.random_range(1..=3) {
        lab.work(200, 600)?;
        let victim = if lab.random.random() { one } else { two };
        match lab.random.random_range(0..6) {
            0 => lab.delay(primary, victim, Duration::from_millis(300)),
            1 => lab.freeze(victim),
            2 => lab.cut(&[primary], &[victim]),
            3 => {
                lab.kill(victim);
                lab.start(victim)?;
            }
            4 => lab.command(primary, &["CLIENT", "KILL", "TYPE", "replica"]),
            _ => lab.command(primary, &["CLIENT", "PAUSE", "300", "WRITE"]),
        }
    }
    lab.work(200, 800)?;
    match lab.random.random_range(0..4) {
        0 => lab.kill(primary),
        1 => lab.crash(primary),
        2 => lab.freeze(primary),
        _ => lab.cut(&[primary], &lab.all_but(&[primary])),
    }
    // A frozen replica cannot be promoted. It thaws at a time that the seed draws.
    lab.work(0, 2 * NODE_TIMEOUT)?;
    for node in [one, two] {
        lab.thaw(node);
    }
    lab.wait_for_promotion(primary)?;
    lab.work(0, 800)?;
    lab.heal();
    lab.thaw(primary);
    lab.start(primary)
}
