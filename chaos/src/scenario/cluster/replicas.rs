//! A replica that missed something is promoted.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::lab::Lab;
use crate::node::Node;
use crate::system::{role, Role};

pub fn full_sync(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.must(
        primary,
        &["DEBUG", "POPULATE", "20000", "{b}:padding", "100"],
    )?;
    // The snapshot takes seconds, so the faults fall into it.
    lab.must(primary, &["CONFIG", "SET", "rdb-key-save-delay", "300"])?;
    lab.work(300, 800)?;
    lab.kill(one);
    lab.start(one)?;
    lab.work(1500, 2000)?;
    let info: String = one.run(&["INFO", "replication"])?;
    ensure!(
        info.contains("master_link_status:down"),
        "the synchronization is over already"
    );
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
    let padding = "x".repeat(200_000);
    for _ in 0..40 {
        primary.try_run(&["SET", "{b}:long", &padding]);
    }
    let is_promoted = || role(two) == Some(Role::Primary);
    // A failover group promotes nobody: neither side has enough votes.
    let patience = Duration::from_secs(if lab.system.is_group() { 6 } else { 20 });
    let came = lab.wait_at_most(patience, is_promoted)?;
    ensure!(
        came || lab.system.is_group(),
        "{} was not promoted",
        two.name
    );
    lab.heal();
    lab.wait_until_whole()?;
    if role(primary) != Some(Role::Primary) {
        let now = lab.system.primary()?;
        lab.note(format!("{} is a primary", now.name));
        lab.must(primary, &["CLUSTER", "FAILOVER"])?;
        lab.wait_for_promotion(now)?;
        lab.wait_until_whole()?;
    }
    if role(primary) != Some(Role::Primary) {
        lab.note("another member was promoted: the rest is left out".to_owned());
        return Ok(());
    }
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
    // The server ends when it cannot write its append-only file.
    one.expect_an_end();
    one.fill_disk()?;
    lab.fault(format!("the disk of {} is full", one.name));
    lab.work(1500, 2500)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    one.empty_disk();
    // Redis 8.0 can hang in the report of its end while the disk is full.
    one.kill();
    lab.note(format!("the disk of {} has room", one.name));
    lab.start(one)?;
    lab.start(primary)
}

/// The operator promotes a node that the cluster may not promote by itself. The cluster may be
/// faster: then the command is refused.
pub fn take_over(lab: &Lab, node: &Node) -> Result<()> {
    // By the cluster's word: a replica that has just started does not know its role yet.
    let is_primary = || {
        let nodes = node
            .run::<String>(&["CLUSTER", "NODES"])
            .unwrap_or_default();
        nodes.contains("myself,master")
    };
    let accepted = lab.wait_at_most(Duration::from_secs(15), || {
        node.try_run(&["CLUSTER", "FAILOVER", "TAKEOVER"]) || is_primary()
    })?;
    ensure!(accepted, "{} cannot take over", node.name);
    lab.fault(format!("{}: CLUSTER FAILOVER TAKEOVER", node.name));
    let came = lab.wait_at_most(Duration::from_secs(5), is_primary)?;
    ensure!(came, "{} does not become a primary", node.name);
    Ok(())
}
