//! What can happen to a failover group while it elects (`--failover`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use rand::RngExt;

use super::capture;
use super::operators::move_slot;
use super::turns::{another, any};
use crate::group::Stuck;
use crate::interrupt;
use crate::lab::Lab;
use crate::member::Member;
use crate::node::Node;
use crate::system::{role, Role, NODE_TIMEOUT};

/// Either the vote is on disk, and the candidate may never hear of it: then the group waits for an
/// operator. Or the candidate has it and asks for its promotion: then it is promoted.
pub fn voter_restarts(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    let is_early = lab.random.random();
    let sought = match is_early {
        true => ": votes for ",
        false => "asks the cluster for its promotion",
    };
    lab.work(500, 1000)?;
    let replicas: Vec<&Node> = lab.system.replicas_of(primary).collect();
    let lengths: Vec<u64> = replicas.iter().map(|node| node.log_length()).collect();
    lab.kill(primary);
    let until = Instant::now() + Duration::from_secs(8);
    let mut found = None;
    while found.is_none() && Instant::now() < until {
        interrupt::check()?;
        let mut each = replicas.iter().zip(&lengths);
        found = each.position(|(node, from)| node.has_logged(sought, *from));
        thread::sleep(Duration::from_millis(1));
    }
    let Some(found) = found else {
        lab.note("nobody has voted".to_owned());
        return lab.start(primary);
    };
    let is_voter = |index: usize| (index == found) == is_early;
    let voter = (0..replicas.len()).find(|&index| is_voter(index));
    let voter = voter
        .and_then(|index| replicas.get(index))
        .context("a group has voters")?;
    lab.kill(voter);
    lab.note(match is_early {
        true => format!("{} had just voted", voter.name),
        false => format!("the candidate had the vote of {}", voter.name),
    });
    lab.work(0, 300)?;
    lab.start(voter)?;
    if is_early {
        lab.wait_for_promotion(primary)?;
    } else {
        another(lab, primary)?;
    }
    lab.work(200, 600)?;
    lab.start(primary)
}

/// The replica that synchronizes may not vote. If the primary ends, the group of three waits for an
/// operator; if one forces another replica, the primary's vote is enough.
pub fn sync_in_election(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.must(
        primary,
        &["DEBUG", "POPULATE", "20000", "{b}:padding", "100"],
    )?;
    lab.must(primary, &["CONFIG", "SET", "rdb-key-save-delay", "100"])?;
    lab.delay(primary, one, Duration::from_millis(20));
    lab.kill(one);
    lab.start(one)?;
    lab.work(1000, 2500)?;
    if lab.random.random() {
        lab.kill(primary);
        lab.wait_for_promotion(primary)?;
        lab.start(primary)?;
    } else {
        lab.command(two, &["CLUSTER", "FAILOVER", "FORCE"]);
        lab.work(1000, 3000)?;
        any(lab)?;
    }
    lab.restore()?;
    for node in lab.system.shard() {
        node.try_run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    }
    Ok(())
}

/// A tool that captures changes connects as a replica, and its link comes and goes.
pub fn capture_link(lab: &mut Lab) -> Result<()> {
    for _ in 0..2 {
        let (primary, _, _) = lab.members()?;
        let stop = AtomicBool::new(false);
        let addresses: Vec<_> = lab.system.shard().iter().map(Node::address).collect();
        lab.note("a capture tool connects to all members, again and again".to_owned());
        let served = thread::scope(|scope| {
            let tool = scope.spawn(|| capture::come_and_go(&addresses, &stop));
            let played = lab
                .work(1500, 2500)
                .and_then(|()| any(lab))
                .and_then(|()| {
                    lab.kill(primary);
                    another(lab, primary)
                })
                .and_then(|()| lab.work(500, 1500));
            stop.store(true, Ordering::Relaxed);
            let served = tool.join().unwrap_or(0);
            played.map(|()| served)
        })?;
        lab.note(format!(
            "the capture tool is gone; it was served {served} times"
        ));
        ensure!(served > 0, "no server has served the capture tool");
        lab.start(primary)?;
        lab.wait_until_whole()?;
    }
    Ok(())
}

/// The slot moves to another shard and back between two failovers.
pub fn reshard_after_failover(lab: &mut Lab) -> Result<()> {
    let other = lab.system.node("Q")?;
    for _ in 0..2 {
        let (primary, _, _) = lab.members()?;
        lab.work(200, 500)?;
        lab.kill(primary);
        let now = lab.wait_for_promotion(primary)?;
        lab.start(primary)?;
        lab.wait_until_whole()?;
        move_slot(lab, now, other)?;
        lab.work(300, 800)?;
        move_slot(lab, other, now)?;
        any(lab)?;
        lab.wait_until_whole()?;
    }
    Ok(())
}

/// K replicas are down: too few are left to vote. They say so, promote nobody, and promote as soon as
/// the others are back.
pub fn replicas_down(lab: &mut Lab) -> Result<()> {
    let primary = lab.system.primary()?;
    let replicas: Vec<&Node> = lab.system.replicas_of(primary).collect();
    let down = lab.system.group.map_or(1, |size| size.guaranteed);
    lab.work(300, 800)?;
    let (frozen, left) = replicas.split_at(down.min(replicas.len()));
    for node in frozen {
        lab.freeze(node);
    }
    lab.work(100, 600)?;
    lab.kill(primary);
    lab.work(3 * NODE_TIMEOUT, 5 * NODE_TIMEOUT)?;
    for node in left.iter().filter(|_| lab.system.is_group()) {
        let member = Member::of(node).with_context(|| format!("{} is silent", node.name))?;
        lab.note(format!("{}: {}", node.name, member.reason));
        if member.state != "replica" {
            let what = format!("{} is {} with too few voters", node.name, member.state);
            return Err(Stuck(what).into());
        }
        if member.is_ready || member.reason.is_empty() {
            let what = format!("{} does not say that too few may vote", node.name);
            return Err(Stuck(what).into());
        }
    }
    for node in frozen {
        lab.thaw(node);
    }
    another(lab, primary)?;
    lab.start(primary)
}

/// The other primaries do not hear the candidate, so its election fails, and the server waits for
/// some node timeouts before the next.
pub fn retry_gate(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    let replicas: Vec<&Node> = lab.system.replicas_of(primary).collect();
    let lengths: Vec<u64> = replicas.iter().map(|node| node.log_length()).collect();
    let others: Vec<&Node> = lab.system.others().iter().collect();
    lab.kill(primary);
    lab.work(NODE_TIMEOUT / 2, NODE_TIMEOUT)?;
    lab.cut_one_way(&replicas, &others);
    let has_asked = || {
        let mut each = replicas.iter().zip(&lengths);
        each.any(|(node, from)| node.has_logged("asks the cluster for its promotion", *from))
    };
    if !lab.wait_at_most(Duration::from_secs(8), has_asked)? {
        lab.note("nobody has asked for its promotion".to_owned());
    }
    lab.work(200, 2 * NODE_TIMEOUT)?;
    lab.heal();
    another(lab, primary)?;
    lab.start(primary)
}

/// A replica is elected, gives way, and is forced to be primary within two node timeouts, while the
/// other is cut off. The server still has the votes of its first election then, and takes no new
/// epoch.
pub fn elected_again_at_once(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 600)?;
    for node in [one, primary] {
        lab.must(node, &["CLUSTER", "FAILOVER"])?;
        let is_primary = || role(node) == Some(Role::Primary);
        lab.wait_at_most(Duration::from_secs(5), is_primary)?;
        lab.work(300, 500)?;
    }
    lab.cut(&[primary], &lab.all_but(&[primary]));
    lab.command(one, &["CLUSTER", "FAILOVER", "FORCE"]);
    another(lab, primary)?;
    lab.heal();
    lab.work(300, 600)
}

/// Orders of an operator while the primary and one replica are cut off, on either side.
pub fn by_hand_in_partition(lab: &mut Lab) -> Result<()> {
    for order in ["", "FORCE", "TAKEOVER"] {
        let (primary, one, two) = lab.members()?;
        let ordered = if lab.random.random() { one } else { two };
        lab.work(300, 600)?;
        lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
        lab.work(0, NODE_TIMEOUT)?;
        let words = ["CLUSTER", "FAILOVER", order];
        lab.command(
            ordered,
            words.split_at(if order.is_empty() { 2 } else { 3 }).0,
        );
        lab.work(500, 2 * NODE_TIMEOUT)?;
        lab.heal();
        any(lab)?;
        lab.wait_until_whole()?;
    }
    Ok(())
}
