//! What the lab does for a failover group: it waits until it is whole, and is its operator.
//!
//! By the rules nobody can be promoted while members that may have acknowledged writes have
//! restarted. An operator then opens the member with the most data (`DURABLE.FAILOVER ACCEPT-LOSS`,
//! docs/failover.md). The lab knows who that is: a primary has every write that was acknowledged in
//! its term, so the last primary has all, if its files are whole. Then nothing may be lost even so.
//!
//! If somebody can be elected and the group does not become whole, that is a failure of the group.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::interrupt;
use crate::lab::Lab;
use crate::member::{acknowledges, told, Member};
use crate::node::Node;
use crate::system::{role, Role, System};

/// A group that could promote or become ready does so within this time. After a failed election the
/// server itself waits for some node timeouts.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// An operator has seen for so long that nobody can be elected.
const SEEN: Duration = Duration::from_secs(4);
/// After this time an operator would look why a replica does not come back.
const LOOK: Duration = Duration::from_secs(15);

/// A group does not do what it can: a failure of the module.
#[derive(Debug)]
pub struct Stuck(pub String);

impl std::fmt::Display for Stuck {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Stuck {}

/// What an operator did.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Since the beginning of the round.
    pub at: Duration,
    /// A sentence.
    pub what: String,
    /// The member had every acknowledged write.
    pub had_everything: bool,
}

/// Waits until all members are in step and ready for a failover. Everything has to be healed.
pub fn wait_until_ready(lab: &Lab) -> Result<()> {
    let mut begin = Instant::now();
    let (mut too_few_since, mut is_repaired) = (None, false);
    loop {
        interrupt::check()?;
        let Err(error) = lab.system.check_whole() else {
            for node in lab.system.shard() {
                node.has_all_data();
            }
            return Ok(());
        };
        match too_few_voters(lab.system) {
            None => too_few_since = None,
            Some(votes) => {
                let since: Instant = *too_few_since.get_or_insert_with(Instant::now);
                if since.elapsed() > SEEN {
                    open(lab, &votes)?;
                    (begin, too_few_since) = (Instant::now(), None);
                }
            }
        }
        if begin.elapsed() > LOOK && !is_repaired {
            is_repaired = true;
            lab.system.repair();
        }
        if begin.elapsed() > PATIENCE {
            let told = told(lab.system);
            return Err(Stuck(format!("not whole after {PATIENCE:?}: {error:#} ({told})")).into());
        }
        thread::sleep(Duration::from_millis(30));
    }
}

/// Waits until a member other than `old` holds a term and acknowledges writes. By the rules there
/// can be one: otherwise the group fails. While `old` is gone, a group in which K is R acknowledges
/// nothing.
pub fn wait_for_primary<'a>(lab: &Lab<'a>, old: Option<&Node>) -> Result<&'a Node> {
    let begin = Instant::now();
    let has_spare = lab
        .system
        .group
        .is_some_and(|size| size.replicas > size.guaranteed);
    let can_acknowledge = old.is_none() || has_spare;
    let is_old = |node: &Node| old.is_some_and(|old| old.name == node.name);
    loop {
        interrupt::check()?;
        for node in lab.system.shard().iter().filter(|node| !is_old(node)) {
            let holds = Member::of(node).is_some_and(|member| member.holds_a_term());
            if holds && (!can_acknowledge || acknowledges(lab.system, node)) {
                lab.note(format!("{} is a primary", node.name));
                return Ok(node);
            }
        }
        if begin.elapsed() > PATIENCE {
            let told = told(lab.system);
            return Err(Stuck(format!("no primary after {PATIENCE:?} ({told})")).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// By the rules nobody can be promoted: nobody holds a term, all members answer, and each that has
/// its data says that others which have restarted may have had more. Says so.
pub fn too_few_voters(system: &System) -> Option<String> {
    system.group?;
    let mut voters: usize = 0;
    for node in system.shard() {
        let member = Member::of(node)?;
        if member.holds_a_term() || member.is_voter && !member.reason.contains(TOO_FEW) {
            return None;
        }
        voters = voters.saturating_add(usize::from(member.is_voter));
    }
    Some(format!("too few members have kept their data: {voters}"))
}

/// What a member with data says if nobody can be elected.
const TOO_FEW: &str = "members whose data are confirmed";

/// As an operator: opens the member with the most data, without votes.
pub fn open(lab: &Lab, why: &str) -> Result<()> {
    let shard = lab.system.shard();
    let last = lab.terms.last();
    let last = shard.iter().find(|node| Some(&node.name) == last.as_ref());
    let last = last.filter(|node| node.is_running() && node.has_its_data());
    let had_everything = last.is_some();
    let most = shard.iter().max_by_key(|node| {
        let member = Member::of(node).unwrap_or_default();
        let offset = node.number("replication", "slave_repl_offset");
        (member.is_voter, member.term, offset)
    });
    let node = last.or(most).context("a shard has members")?;
    if role(node) != Some(Role::Primary) {
        make_primary(lab, node)?;
    }
    let opens = || node.try_run(&["DURABLE.FAILOVER", "ACCEPT-LOSS"]) || holds(node);
    let is_open = lab.wait_at_most(Duration::from_secs(10), opens)?;
    ensure!(
        is_open,
        "{} cannot be opened: {}",
        node.name,
        told(lab.system)
    );
    let data = match had_everything {
        true => "the last primary, which has its data",
        false => "which has the most data",
    };
    lab.opened(
        format!("{why}: an operator opens {}, {data}", node.name),
        had_everything,
    );
    Ok(())
}

fn holds(node: &Node) -> bool {
    Member::of(node).is_some_and(|member| member.holds_a_term())
}

fn make_primary(lab: &Lab, node: &Node) -> Result<()> {
    for how in ["FORCE", "TAKEOVER"] {
        lab.command(node, &["CLUSTER", "FAILOVER", how]);
        let is_primary = || role(node) == Some(Role::Primary);
        if lab.wait_at_most(Duration::from_secs(5), is_primary)? {
            return Ok(());
        }
    }
    bail!("{} cannot be made primary: {}", node.name, told(lab.system))
}
