//! A replica's machine is lost with its disk, and a new node takes its place (`--failover`).

use std::time::Duration;

use anyhow::{ensure, Result};
use rand::RngExt;

use super::turns::{another, any};
use crate::lab::Lab;
use crate::node::{Node, PORT};

/// How long a step may take that the servers do by themselves.
const LIMIT: Duration = Duration::from_secs(30);

/// Twice: a replica is exchanged for a new node under load, and the primary is killed in the middle
/// of it or afterwards.
pub fn exchange(lab: &mut Lab) -> Result<()> {
    for _ in 0..2 {
        let (primary, one, _) = lab.members()?;
        let old: String = one.run(&["CLUSTER", "MYID"])?;
        lab.kill(one);
        lab.work(0, 1500)?;
        lab.start_as_a_new_node(one)?;
        joins(lab, primary, one)?;
        let new: String = one.run(&["CLUSTER", "MYID"])?;
        let words = ["DURABLE.FAILOVER", "REPLACE", old.as_str(), new.as_str()];
        if lab.random.random() {
            let moment = Duration::from_millis(lab.random.random_range(1..1500));
            let _ = primary.run_within::<redis::Value>(&words, moment);
            lab.note(format!(
                "a member is being exchanged for the new {}",
                one.name
            ));
            lab.kill(primary);
            // Without it nobody could be elected while the new node is no member yet.
            lab.work(0, 500)?;
            lab.start(primary)?;
            any(lab)?;
        }
        let is_done = lab.wait_at_most(LIMIT, || {
            let mut nodes = lab.system.shard().iter();
            nodes.any(|node| node.run::<String>(&words).is_ok_and(|reply| reply == "OK"))
        })?;
        ensure!(is_done, "the member was not exchanged");
        lab.fault(format!("{} took the place of a member", one.name));
        for node in &lab.system.nodes {
            node.try_run(&["CLUSTER", "FORGET", &old]);
        }
        lab.work(300, 1000)?;
        lab.wait_until_whole()?;
        // Now the new node's vote is needed.
        let primary = lab.system.primary()?;
        lab.kill(primary);
        another(lab, primary)?;
        lab.start(primary)?;
        lab.wait_until_whole()?;
    }
    Ok(())
}

/// Makes a node without a cluster a replica of this primary, and waits until it is in step.
fn joins(lab: &Lab, primary: &Node, one: &Node) -> Result<()> {
    let id: String = primary.run(&["CLUSTER", "MYID"])?;
    let address = one.address().to_string();
    lab.must(primary, &["CLUSTER", "MEET", &address, &PORT.to_string()])?;
    let is_replica = lab.wait_at_most(LIMIT, || one.try_run(&["CLUSTER", "REPLICATE", &id]))?;
    ensure!(is_replica, "{} does not get to know the cluster", one.name);
    let is_in_step = lab.wait_at_most(LIMIT, || {
        let info: Result<String> = one.run(&["INFO", "replication"]);
        info.is_ok_and(|info| info.contains("master_link_status:up"))
    })?;
    ensure!(is_in_step, "{} is not in step", one.name);
    lab.note(format!("{} is a replica again, and no member", one.name));
    Ok(())
}
