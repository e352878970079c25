//! Scenarios in a cluster: the server promotes by itself.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::RngExt;

use super::{Promise, Scenario};
use crate::client::slot;
use crate::lab::{address, Lab};
use crate::node::{Node, PORT};
use crate::system::{role, Kind, Role, NODE_TIMEOUT};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "calm",
        kind: Kind::Cluster,
        about: "Nothing happens.",
        promised: Promise::Everyone,
        weight: 0,
        play: |lab| lab.work(2500, 3500),
    },
    Scenario {
        name: "kill",
        kind: Kind::Cluster,
        about: "The primary is killed; the cluster promotes a replica; the old primary comes back with its data.",
        promised: Promise::All,
        weight: 3,
        play: kill,
    },
    Scenario {
        name: "crash",
        kind: Kind::Cluster,
        about: "The primary's machine crashes, with packets still on their way.",
        promised: Promise::All,
        weight: 3,
        play: crash,
    },
    Scenario {
        name: "freeze",
        kind: Kind::Cluster,
        about: "The primary freezes, and thaws after a replica was promoted.",
        promised: Promise::All,
        weight: 2,
        play: freeze,
    },
    Scenario {
        name: "partition",
        kind: Kind::Cluster,
        about: "The primary and one replica are cut off; the other replica is promoted; the network heals.",
        promised: Promise::All,
        weight: 3,
        play: partition,
    },
    Scenario {
        name: "isolate",
        kind: Kind::Cluster,
        about: "The primary is cut off from all nodes, a replica is promoted, the network heals.",
        promised: Promise::All,
        weight: 2,
        play: isolate,
    },
    Scenario {
        name: "one-way",
        kind: Kind::Cluster,
        about: "Nobody hears the primary, but it hears all others.",
        promised: Promise::All,
        weight: 2,
        play: one_way,
    },
    Scenario {
        name: "deaf",
        kind: Kind::Cluster,
        about: "The primary hears nothing from its replicas: writes arrive, acknowledgements do not; then it is killed.",
        promised: Promise::All,
        weight: 1,
        play: deaf,
    },
    Scenario {
        name: "lagging",
        kind: Kind::Cluster,
        about: "One replica lags by a second; the other freezes; the primary's machine crashes; the lagging one is promoted.",
        promised: Promise::All,
        weight: 3,
        play: lagging,
    },
    Scenario {
        name: "loss",
        kind: Kind::Cluster,
        about: "All links lose packets and are slow; then the primary is killed.",
        promised: Promise::All,
        weight: 1,
        play: loss,
    },
    Scenario {
        name: "by-hand",
        kind: Kind::Cluster,
        about: "An operator fails over three times: CLUSTER FAILOVER, FORCE, TAKEOVER.",
        promised: Promise::All,
        weight: 2,
        play: by_hand,
    },
    Scenario {
        name: "takeover-in-partition",
        kind: Kind::Cluster,
        about: "The primary and one replica are cut off, and the operator makes the other take over at once.",
        promised: Promise::All,
        weight: 2,
        play: takeover_in_partition,
    },
    Scenario {
        name: "there-and-back",
        kind: Kind::Cluster,
        about: "A primary that was cut off with one replica is replaced, is promoted again, loses that replica, and its machine crashes.",
        promised: Promise::All,
        weight: 2,
        play: there_and_back,
    },
    Scenario {
        name: "rolling-restart",
        kind: Kind::Cluster,
        about: "All nodes of the shard are restarted in order, the primary after a failover.",
        promised: Promise::All,
        weight: 1,
        play: rolling_restart,
    },
    Scenario {
        name: "reshard",
        kind: Kind::Cluster,
        about: "The slot of the keys moves to another shard and back.",
        promised: Promise::Everyone,
        weight: 1,
        play: reshard,
    },
    Scenario {
        name: "pause",
        kind: Kind::Cluster,
        about: "CLIENT PAUSE on the primary, and a failover in the middle of it.",
        promised: Promise::All,
        weight: 1,
        play: pause,
    },
    Scenario {
        name: "full-sync",
        kind: Kind::Cluster,
        about: "While one replica syncs in full, the other freezes and the primary's machine crashes; the first is promoted with the data that it had before.",
        promised: Promise::All,
        weight: 2,
        play: full_sync,
    },
    Scenario {
        name: "old-replica",
        kind: Kind::Cluster,
        about: "A replica ends and comes back after the other has frozen and the primary's machine has crashed; it is promoted with its old data.",
        promised: Promise::All,
        weight: 2,
        play: old_replica,
    },
    Scenario {
        name: "disk-full",
        kind: Kind::Cluster,
        about: "The disk of one replica is full; then the primary is killed.",
        promised: Promise::All,
        weight: 1,
        play: disk_full,
    },
    Scenario {
        name: "loadex",
        kind: Kind::Cluster,
        about: "The module is unloaded and loaded again on a replica, which is then promoted.",
        promised: Promise::All,
        weight: 1,
        play: loadex,
    },
    Scenario {
        name: "mixed",
        kind: Kind::Cluster,
        about: "Faults drawn by chance, one after another, until a replica is promoted.",
        promised: Promise::All,
        weight: 5,
        play: mixed,
    },
    Scenario {
        name: "restart-empty",
        kind: Kind::Cluster,
        about: "The primary restarts within the node timeout without its data. No failover happens, and the replicas follow the empty primary.",
        promised: Promise::Nobody,
        weight: 0,
        play: restart_empty,
    },
    Scenario {
        name: "power-loss",
        kind: Kind::Cluster,
        about: "The primary's machine loses power and comes back within the node timeout, without the last second of its append-only file.",
        promised: Promise::Nobody,
        weight: 0,
        play: power_loss,
    },
    Scenario {
        name: "empty-replica-promoted",
        kind: Kind::Cluster,
        about: "A replica restarts without its data while the other one is frozen; the primary's machine crashes before the sync; the operator makes the empty one take over.",
        promised: Promise::Nobody,
        weight: 0,
        play: empty_replica_promoted,
    },
];

fn kill(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.kill(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(200, 1000)?;
    lab.start(primary)
}

fn crash(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    // Something is on its way at any time.
    lab.delay(primary, one, Duration::from_millis(200));
    lab.work(500, 1500)?;
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(200, 1000)?;
    lab.start(primary)
}

fn freeze(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.freeze(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(0, 1000)?;
    lab.thaw(primary);
    lab.work(500, 1000)
}

fn partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1500)?;
    lab.heal();
    lab.work(500, 1000)
}

fn isolate(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1500)?;
    lab.cut(&[primary], &lab.all_but(&[primary]));
    lab.wait_for_promotion(primary)?;
    lab.work(0, 1500)?;
    lab.heal();
    lab.work(500, 1000)
}

fn one_way(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut_one_way(&[primary], &lab.all_but(&[primary]));
    lab.wait_for_promotion(primary)?;
    lab.work(200, 1000)?;
    lab.heal();
    lab.work(500, 1000)
}

fn deaf(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut_one_way(&[one, two], &[primary]);
    lab.work(500, 1000)?;
    lab.heal();
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.start(primary)
}

fn lagging(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.delay(primary, two, Duration::from_millis(1000));
    lab.work(1500, 2000)?;
    lab.freeze(one);
    lab.crash(primary);
    lab.wait_for_promotion(primary)?;
    lab.work(300, 800)?;
    lab.thaw(one);
    lab.start(primary)
}

fn loss(lab: &mut Lab) -> Result<()> {
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

fn by_hand(lab: &mut Lab) -> Result<()> {
    let orders: [&[&str]; 3] = [
        &["CLUSTER", "FAILOVER"],
        &["CLUSTER", "FAILOVER", "FORCE"],
        &["CLUSTER", "FAILOVER", "TAKEOVER"],
    ];
    for order in orders {
        let (primary, one, _) = lab.members()?;
        lab.work(400, 800)?;
        lab.command(one, order);
        lab.wait_for_promotion(primary)?;
        lab.system.wait_until_whole()?;
        lab.work(200, 500)?;
    }
    Ok(())
}

fn takeover_in_partition(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.work(500, 1000)?;
    lab.cut(&[primary, one], &lab.all_but(&[primary, one]));
    lab.work(100, 400)?;
    lab.command(two, &["CLUSTER", "FAILOVER", "TAKEOVER"]);
    lab.work(500, 1200)?;
    lab.heal();
    lab.work(500, 1000)
}

fn there_and_back(lab: &mut Lab) -> Result<()> {
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

fn rolling_restart(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    for node in [one, two] {
        node.shut_down();
        lab.fault(format!("shut down {}", node.name));
        lab.start(node)?;
        wait_for_link(lab, node)?;
    }
    lab.system.wait_until_whole()?;
    lab.command(one, &["CLUSTER", "FAILOVER"]);
    lab.wait_for_promotion(primary)?;
    lab.system.wait_until_whole()?;
    primary.shut_down();
    lab.fault(format!("shut down {}", primary.name));
    lab.start(primary)?;
    wait_for_link(lab, primary)
}

fn wait_for_link(lab: &Lab, node: &Node) -> Result<()> {
    let is_up = || {
        let info = node.run::<String>(&["INFO", "replication"]).unwrap_or_default();
        info.contains("master_link_status:up")
    };
    lab.wait_at_most(Duration::from_secs(15), is_up)?;
    Ok(())
}

fn reshard(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    let other = lab.system.node("Q")?;
    lab.work(300, 600)?;
    move_slot(lab, primary, other)?;
    lab.work(300, 600)?;
    move_slot(lab, other, primary)?;
    lab.work(500, 1000)
}

/// As redis-cli does it: the keys one after another, then the slot.
fn move_slot(lab: &Lab, from: &Node, to: &Node) -> Result<()> {
    let slot = slot().to_string();
    let (from_id, to_id): (String, String) =
        (from.run(&["CLUSTER", "MYID"])?, to.run(&["CLUSTER", "MYID"])?);
    lab.command(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    lab.command(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let (host, _) = address(to);
    loop {
        crate::interrupt::check()?;
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
        lab.command(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    Ok(())
}

fn pause(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 700)?;
    lab.command(primary, &["CLIENT", "PAUSE", "800", "WRITE"]);
    lab.work(900, 1200)?;
    lab.command(primary, &["CLIENT", "PAUSE", "1500", "ALL"]);
    lab.work(100, 400)?;
    lab.command(one, &["CLUSTER", "FAILOVER"]);
    lab.work(1800, 2500)
}

fn full_sync(lab: &mut Lab) -> Result<()> {
    let (primary, one, two) = lab.members()?;
    lab.command(primary, &["DEBUG", "POPULATE", "20000", "{b}:padding", "100"]);
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

fn old_replica(lab: &mut Lab) -> Result<()> {
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

/// The operator promotes a node that the cluster may not promote by itself.
fn take_over(lab: &Lab, node: &Node) -> Result<()> {
    lab.wait_at_most(Duration::from_secs(15), || {
        node.try_run(&["CLUSTER", "FAILOVER", "TAKEOVER"])
    })?;
    lab.fault(format!("{}: CLUSTER FAILOVER TAKEOVER", node.name));
    let is_primary = || role(node) == Some(Role::Primary);
    lab.wait_at_most(Duration::from_secs(5), is_primary)?;
    Ok(())
}

fn disk_full(lab: &mut Lab) -> Result<()> {
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

fn loadex(lab: &mut Lab) -> Result<()> {
    let (primary, one, _) = lab.members()?;
    lab.work(300, 700)?;
    let path = one.module().display().to_string();
    lab.command(one, &["MODULE", "UNLOAD", "durable"]);
    lab.work(100, 300)?;
    let setting = ["CONFIG", "durable.expected-replicas", "2"];
    let mut words = vec!["MODULE", "LOADEX", path.as_str()];
    words.extend(setting);
    lab.command(one, &words);
    lab.command(one, &["CLUSTER", "FAILOVER"]);
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1000)
}

fn mixed(lab: &mut Lab) -> Result<()> {
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
    // A frozen replica cannot be promoted, and must be able to vote for nobody: it thaws at a time
    // that the seed draws.
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

fn restart_empty(lab: &mut Lab) -> Result<()> {
    let (primary, _, _) = lab.members()?;
    lab.work(800, 1200)?;
    lab.kill(primary);
    lab.start_empty(primary)?;
    lab.work(2000, 2500)
}

fn power_loss(lab: &mut Lab) -> Result<()> {
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

fn empty_replica_promoted(lab: &mut Lab) -> Result<()> {
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
    lab.command(one, &["CLUSTER", "FAILOVER", "TAKEOVER"]);
    lab.wait_for_promotion(primary)?;
    lab.work(500, 1000)?;
    lab.heal();
    lab.thaw(two);
    lab.start(primary)
}
