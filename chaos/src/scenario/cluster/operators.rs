//! What operators do: failovers by hand, restarts, resharding, pauses, modules.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::client::slot;
use crate::interrupt;
use crate::lab::{address, Lab};
use crate::node::{Node, PORT};
use crate::system::{role, Role};

pub fn by_hand(lab: &mut Lab) -> Result<()> {
    let orders: [&[&str]; 3] = [
        &["CLUSTER", "FAILOVER"],
        &["CLUSTER", "FAILOVER", "FORCE"],
        &["CLUSTER", "FAILOVER", "TAKEOVER"],
    ];
    for order in orders {
        let (primary, one, _) = lab.members()?;
        lab.work(400, 800)?;
        lab.must(one, order)?;
        lab.wait_for_promotion(primary)?;
        lab.wait_until_whole()?;
        lab.work(200, 500)?;
    }
    Ok(())
}

pub fn takeover_in_partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.work(100, 400)?;
    lab.must(two, &["CLUSTER", "FAILOVER", "TAKEOVER"])?;
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1200)?;
    lab.heal();
    lab.work(500, 1000)
}

pub fn rolling_restart(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    for node in [one, two] {
        lab.shut_down(node);
        lab.start(node)?;
        wait_for_link(lab, node)?;
        if lab.system.is_group() {
            // By the documentation: each has to be ready before the next.
            lab.wait_until_whole()?;
        }
    }
    lab.wait_until_whole()?;
    lab.must(one, &["CLUSTER", "FAILOVER"])?;
    lab.wait_for_promotion(primary)?;
    lab.wait_until_whole()?;
    lab.shut_down(primary);
    lab.start(primary)?;
    wait_for_link(lab, primary)
}

fn wait_for_link(lab: &Lab, node: &Node) -> Result<()> {
    let is_up = || {
        let info = node
            .run::<String>(&["INFO", "replication"])
            .unwrap_or_default();
        info.contains("master_link_status:up")
    };
    let came = lab.wait_at_most(Duration::from_secs(15), is_up)?;
    ensure!(came, "{} does not follow its primary", node.name);
    Ok(())
}

pub fn reshard(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    let other = lab.system.node("Q")?;
    lab.work(300, 600)?;
    move_slot(lab, primary, other)?;
    lab.work(300, 600)?;
    move_slot(lab, other, primary)?;
    lab.work(500, 1000)
}

/// As redis-cli does it: the keys in batches, then the slot.
pub fn move_slot(lab: &Lab, from: &Node, to: &Node) -> Result<()> {
    let slot = slot().to_string();
    let (from_id, to_id): (String, String) = (
        from.run(&["CLUSTER", "MYID"])?,
        to.run(&["CLUSTER", "MYID"])?,
    );
    lab.must(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])?;
    lab.must(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])?;
    let (host, _) = address(to);
    loop {
        interrupt::check()?;
        let keys: Vec<String> = from.run(&["CLUSTER", "GETKEYSINSLOT", &slot, "200"])?;
        if keys.is_empty() {
            break;
        }
        let port = PORT.to_string();
        let mut words = vec!["MIGRATE", &host, &port, "", "0", "1000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        from.run::<redis::Value>(&words)?;
    }
    for node in [to, from] {
        lab.must(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])?;
    }
    Ok(())
}

pub fn pause(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 700)?;
    lab.must(primary, &["CLIENT", "PAUSE", "800", "WRITE"])?;
    lab.work(900, 1200)?;
    lab.must(primary, &["CLIENT", "PAUSE", "1500", "ALL"])?;
    lab.work(100, 400)?;
    lab.must(one, &["CLUSTER", "FAILOVER"])?;
    // A manual failover that the pause has delayed too long is given up by the server.
    let is_promoted = || role(one) == Some(Role::Primary);
    if !lab.wait_at_most(Duration::from_secs(8), is_promoted)? {
        lab.must(one, &["CLUSTER", "FAILOVER"])?;
    }
    lab.wait_for_promotion(primary)?;
    lab.work(800, 1500)
}

pub fn loadex(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 700)?;
    one.shut_down();
    one.configure(false)?;
    one.start()?;
    lab.fault(format!("restart {} without the module", one.name));
    wait_for_link(lab, one)?;
    one.configure(true)?;
    let path = one.module().display().to_string();
    let setting = ["CONFIG", "durable.expected-replicas", "2"];
    let mut words = vec!["MODULE", "LOADEX", path.as_str()];
    words.extend(setting);
    lab.must(one, &words)?;
    lab.wait_until_whole()?;
    lab.must(one, &["CLUSTER", "FAILOVER"])?;
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1000)
}
