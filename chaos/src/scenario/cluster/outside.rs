//! What the guarantee does not cover, and what helps.

use anyhow::Result;

use crate::lab::Lab;

pub fn restart_empty(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(800, 1200)?;
    lab.kill(primary);
    lab.start_empty(primary)?;
    lab.work(2000, 2500)
}

/// What helps: no supervisor that is faster than the failover.
pub fn restart_empty_late(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(800, 1200)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    lab.start_empty(primary)?;
    lab.work(1000, 1500)
}

pub fn power_loss(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(800, 1200)?;
    let length = primary.written();
    lab.work(900, 1000)?;
    lab.crash(primary);
    primary.forget_after(length)?;
    lab.note("the last second of the append-only file is gone".to_owned());
    lab.start(primary)?;
    lab.work(2000, 2500)
}

pub fn empty_replica_promoted(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(800, 1200)?;
    lab.freeze(two);
    lab.cut(&[primary], &[one]);
    lab.kill(one);
    one.wipe()?;
    one.start()?;
    lab.fault(format!("start {} without its data", one.name));
    one.wait_until_it_answers()?;
    lab.crash(primary);
    lab.must(one, &["CLUSTER", "FAILOVER", "TAKEOVER"])?;
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1000)?;
    lab.heal();
    lab.thaw(two);
    lab.start(primary)
}
