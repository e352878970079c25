//! A replica that missed something is promoted.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lab::Lab;
use crate::node::Node;
use crate::system::{role, Role};

pub fn full_sync(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.command(
        primary,
        &["DEBUG", "POPULATE", "20000", "{b}:padding", "100"],
    );
    // The snapshot takes seconds, so the faults fall into it.
    lab.command(primary, &["CONFIG", "SET", "rdb-key-save-delay", "200"]);
    lab.work(300, 800)?;
    lab.kill(one);
    lab.start(one)?;
    lab.work(1500, 2000)?;
    lab.freeze(two);
    lab.crash(primary);
    take_over(lab, one)?;
    lab.work(300, 800)?;
    lab.thaw(two);
    lab.start(primary)?;
    for node in lab.system.shard() {
        node.try_run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    }
    Ok(())
}

pub fn old_replica(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(300, 800)?;
    lab.kill(one);
    lab.work(800, 1500)?;
    lab.freeze(two);
    lab.crash(primary);
    lab.start(one)?;
    take_over(lab, one)?;
    lab.work(300, 800)?;
    lab.thaw(two);
    lab.start(primary)
}

pub fn there_and_back(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(300, 700)?;
    // The stream that will be lost grows far, and one replica acknowledges it.
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    let padding = "x".repeat(20_000);
    let begin = Instant::now();
    lab.wait_at_most(Duration::from_secs(20), || {
        primary.try_run(&["SET", "{b}:long", &padding]);
        begin.elapsed() > Duration::from_millis(500) && role(two) == Some(Role::Primary)
    })?;
    lab.note(format!("{} is a primary", two.name));
    lab.heal();
    lab.system.wait_until_whole()?;
    lab.command(primary, &["CLUSTER", "FAILOVER"]);
    lab.wait_for_promotion(two)?;
    lab.system.wait_until_whole()?;
    // The new stream is behind the old one. A replica that is not there acknowledges nothing.
    lab.cut(&[primary], &[one]);
    lab.work(700, 1200)?;
    lab.freeze(two);
    lab.crash(primary);
    take_over(lab, one)?;
    lab.work(200, 500)?;
    lab.thaw(two);
    lab.heal();
    lab.start(primary)
}

pub fn disk_full(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 700)?;
    one.fill_disk()?;
    lab.fault(format!("the disk of {} is full", one.name));
    lab.work(1500, 2500)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    one.empty_disk();
    lab.note(format!("the disk of {} has room", one.name));
    lab.start(one)?;
    lab.start(primary)
}

pub fn take_over(lab: &Lab, node: &Node) -> Result<()> {
    lab.wait_at_most(Duration::from_secs(15), || {
        node.try_run(&["CLUSTER", "FAILOVER", "TAKEOVER"])
    })?;
    lab.fault(format!("{}: CLUSTER FAILOVER TAKEOVER", node.name));
    let is_primary = || role(node) == Some(Role::Primary);
    lab.wait_at_most(Duration::from_secs(5), is_primary)?;
    Ok(())
}
