//! Many failovers of one shard, one after another, under constant load.
//!
//! Each turn is one fault. Turns in which the primary is gone wait until another member acknowledges
//! writes, while the fault lasts. The others wait until any does. Then the lab heals everything, and
//! waits until the group is ready for the next failover. In a failover group a turn in which this
//! does not happen is a failure of the run.

use std::time::Duration;

use anyhow::Result;
use rand::seq::SliceRandom;
use rand::RngExt;

use crate::group::wait_for_primary;
use crate::lab::Lab;
use crate::node::Node;
use crate::system::{role, Role, NODE_TIMEOUT};

struct Turn {
    name: &'static str,
    play: for<'a> fn(&mut Lab<'a>) -> Result<()>,
}

/// In each block of turns every fault comes once. No fault leaves a group with too few members that
/// may vote.
const TURNS: &[Turn] = &[
    turn("kill -9 of the primary", kill),
    turn("crash of the primary's machine", crash),
    turn("primary frozen", freeze),
    turn("primary cut off", isolate),
    turn("nobody hears the primary", one_way),
    turn("the primary hears nobody", deaf),
    turn("primary and one replica cut off", partition),
    turn("primary shut down and back at once", back_at_once),
    turn("primary back empty at once", empty_at_once),
    turn("primary back empty after the failover", empty_late),
    turn("CLUSTER FAILOVER", by_hand),
    turn("CLUSTER FAILOVER FORCE", by_force),
    turn("CLUSTER FAILOVER TAKEOVER", take_over),
    turn("FORCE while the primary is cut off", force_in_partition),
    turn(
        "TAKEOVER while the primary and one replica are cut off",
        takeover_in_partition,
    ),
    turn("a replica frozen in the election", frozen_voter),
    turn("replicas do not hear each other", split_voters),
    turn("one replica frozen before the primary is killed", one_down),
    turn("short freezes of all nodes", short_freezes),
    turn("lossy network", loss),
];

const fn turn(name: &'static str, play: for<'a> fn(&mut Lab<'a>) -> Result<()>) -> Turn {
    Turn { name, play }
}

pub fn again_and_again(lab: &mut Lab) -> Result<()> {
    let mut order: Vec<&Turn> = Vec::new();
    for _ in 0..lab.turns_wanted {
        if order.is_empty() {
            order.extend(TURNS);
            order.shuffle(&mut lab.random);
        }
        let Some(turn) = order.pop() else {
            break;
        };
        lab.turn(turn.name, turn.play)?;
        lab.work(0, 400)?;
    }
    Ok(())
}

/// Waits until another node acknowledges writes.
pub fn another<'a>(lab: &mut Lab<'a>, old: &'a Node) -> Result<()> {
    if lab.system.is_group() {
        wait_for_primary(lab, Some(old))?;
    } else {
        lab.wait_for_promotion(old)?;
    }
    lab.work(0, 300)
}

/// Waits until any node acknowledges writes.
pub fn any(lab: &mut Lab) -> Result<()> {
    if lab.system.is_group() {
        wait_for_primary(lab, None)?;
    }
    lab.work(0, 300)
}

fn kill(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.kill(primary);
    another(lab, primary)
}

fn crash(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.delay(primary, one, Duration::from_millis(200));
    lab.work(200, 500)?;
    lab.crash(primary);
    another(lab, primary)
}

fn freeze(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.freeze(primary);
    another(lab, primary)
}

fn isolate(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.cut(&[primary], &lab.all_but(&[primary]));
    another(lab, primary)
}

fn one_way(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.cut_one_way(&[primary], &lab.all_but(&[primary]));
    another(lab, primary)
}

/// The others hear it, so they do not replace it.
fn deaf(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.cut_one_way(&lab.all_but(&[primary]), &[primary]);
    lab.work(300, 3 * NODE_TIMEOUT)?;
    lab.heal();
    any(lab)
}

/// Neither side has enough members to vote.
fn partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.work(300, 3 * NODE_TIMEOUT)?;
    lab.heal();
    any(lab)
}

fn back_at_once(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.shut_down(primary);
    lab.start(primary)?;
    any(lab)
}

fn empty_at_once(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.kill(primary);
    lab.start_empty(primary)?;
    any(lab)
}

fn empty_late(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.kill(primary);
    another(lab, primary)?;
    lab.start_empty(primary)
}

fn by_hand(lab: &mut Lab) -> Result<()> {
    order(lab, &["CLUSTER", "FAILOVER"])
}

fn by_force(lab: &mut Lab) -> Result<()> {
    order(lab, &["CLUSTER", "FAILOVER", "FORCE"])
}

fn take_over(lab: &mut Lab) -> Result<()> {
    order(lab, &["CLUSTER", "FAILOVER", "TAKEOVER"])
}

/// The server may refuse or give up.
fn order(lab: &mut Lab, words: &[&str]) -> Result<()> {
    let (_, one, _) = lab.members()?;
    lab.command(one, words);
    let is_primary = || role(one) == Some(Role::Primary);
    lab.wait_at_most(Duration::from_secs(5), is_primary)?;
    any(lab)
}

fn force_in_partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.cut(&[primary], &lab.all_but(&[primary]));
    lab.work(0, NODE_TIMEOUT)?;
    lab.command(one, &["CLUSTER", "FAILOVER", "FORCE"]);
    another(lab, primary)
}

fn takeover_in_partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.work(0, NODE_TIMEOUT)?;
    lab.command(two, &["CLUSTER", "FAILOVER", "TAKEOVER"]);
    lab.work(200, 2 * NODE_TIMEOUT)?;
    lab.heal();
    any(lab)
}

fn frozen_voter(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.kill(primary);
    lab.work(0, 2 * NODE_TIMEOUT)?;
    lab.freeze(one);
    lab.work(100, NODE_TIMEOUT)?;
    lab.thaw(one);
    another(lab, primary)
}

fn split_voters(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.cut(&[one], &[two]);
    lab.work(0, 300)?;
    lab.kill(primary);
    lab.work(NODE_TIMEOUT, 2 * NODE_TIMEOUT)?;
    lab.heal();
    another(lab, primary)
}

/// With two of three down nobody is promoted. When the replica is back, it is.
fn one_down(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.freeze(one);
    lab.work(100, 600)?;
    lab.kill(primary);
    lab.work(NODE_TIMEOUT, 2 * NODE_TIMEOUT)?;
    lab.thaw(one);
    another(lab, primary)
}

pub fn short_freezes(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.kill(primary);
    for _ in 0..lab.random.random_range(3..=8) {
        let others = lab.all_but(&[primary]);
        let index = lab.random.random_range(0..others.len());
        let Some(victim) = others.get(index) else {
            continue;
        };
        lab.work(0, 500)?;
        lab.freeze(victim);
        lab.work(20, 400)?;
        lab.thaw(victim);
    }
    another(lab, primary)
}

fn loss(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    let percent = lab.random.random_range(3..=12);
    lab.spoil(percent, Duration::from_millis(5));
    lab.work(300, 800)?;
    lab.kill(primary);
    another(lab, primary)
}
