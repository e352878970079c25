//! Groups in which members have two versions of the module, with other formats of messages and
//! files.
//!
//! The other version is built from the same sources with the feature `other-version`. So it shows
//! what is refused, and not what an old version's rules did.

use std::fs;

use testkit::{eventually, module_path, other_version_path, Server};

use crate::support::group::{file_of, info, is_configured, Group};
use crate::support::setting;
use crate::support::writer::Writer;

/// Restarts a server with the other version.
fn exchange(server: &Server) {
    server.load_at_next_start(other_version_path());
    server.restart();
}

/// Makes the file of a member that is down one of this format: `3` is the version in `rdfo-st3`.
/// The formats of the two versions differ in nothing else.
fn rename_format(member: &Server, version: u8) {
    let path = file_of(member);
    let mut bytes = fs::read(&path).expect("the file of the group");
    let half = bytes.len() / 2;
    for slot in bytes.chunks_mut(half) {
        if slot.starts_with(b"rdfo-st") {
            slot[7] = version;
        }
    }
    fs::write(&path, bytes).expect("written");
}

/// The version of the format of a member's file.
fn format_of(member: &Server) -> u8 {
    let bytes = fs::read(file_of(member)).expect("the file of the group");
    let mut slots = bytes.chunks(bytes.len() / 2);
    let slot = slots.find(|slot| slot.starts_with(b"rdfo-st"));
    slot.expect("a slot that was written")[7]
}

fn write(primary: &Server, key: &str, value: &str) {
    primary.run::<()>(&["DURABLE.SET", key, value, "REPLICAS", "1", "TIMEOUT", "0"]);
}

#[test]
fn a_member_that_cannot_read_the_file_stays_out_until_the_old_version_is_back() {
    let group = Group::formed();
    let [primary, one, two] = group.shard();
    let key = group.key();
    exchange(two);
    assert_eq!(info(two, "state"), "unreadable");
    assert_eq!(info(two, "ready"), "0");
    let reason = info(two, "reason");
    assert!(
        reason.contains("another version of the module has written it, in format rdfo-st"),
        "{reason}"
    );
    two.wait_for_log("another version of the module has written it");
    two.wait_for_log("has another version of the module: its messages are of version");
    assert_eq!(setting(two, "cluster-replica-no-failover"), "yes");
    eventually("the primary to miss it", || {
        info(primary, "reason").contains(&two.addr()) && info(primary, "grants") == "1"
    });
    write(primary, &key, "by two members");
    two.load_at_next_start(module_path());
    two.restart();
    group.wait_until_ready();
    for member in [one, two] {
        assert_eq!(info(member, "voter"), "1");
    }
    assert_eq!(primary.run::<String>(&["GET", &key]), "by two members");
}

#[test]
fn the_server_does_not_promote_a_member_that_cannot_read_the_file() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = group.key();
    exchange(two);
    group.watch();
    for member in [primary, one] {
        eventually("it to be out of the configuration", || {
            !is_configured(member, two)
        });
    }
    two.pause();
    write(primary, &key, "not on it");
    primary.kill();
    two.resume();
    eventually("the other replica to miss the primary", || {
        info(one, "reason").contains("1 of 2 members for an election")
    });
    let id = group.cluster.id_of(primary);
    eventually("it to take the primary for failed", || {
        let nodes: String = two.run(&["CLUSTER", "NODES"]);
        let line = nodes.lines().find(|line| line.starts_with(id));
        let flags = line.and_then(|line| line.split(' ').nth(2));
        flags.is_some_and(|flags| flags.split(',').any(|flag| flag == "fail"))
    });
    primary.restart();
    let next = group.wait_for_another(primary);
    assert_eq!(next.port(), one.port());
    assert_eq!(next.run::<String>(&["GET", &key]), "not on it");
    assert!(!two.log().contains("Start of election delayed"));
}

#[test]
fn members_whose_messages_differ_do_not_count_and_name_each_other() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = group.key();
    let own = format_of(two);
    two.shutdown();
    // As if the file's format were the same in both versions.
    rename_format(two, b'~');
    exchange(two);
    assert_eq!(info(two, "state"), "replica");
    for (member, other) in [(primary, two), (one, two), (two, primary)] {
        let named = format!("{} has another version of the module", other.addr());
        eventually("the reason to name it", || {
            info(member, "ready") == "0"
                && (info(member, "reason").contains(&named) || info(member, "voter") == "0")
        });
        let id = group.cluster.id_of(other);
        member.wait_for_log(&format!("{id} has another version of the module"));
    }
    eventually("it to be out of the configuration", || {
        !is_configured(one, two)
    });
    write(primary, &key, "by two members");
    primary.kill();
    eventually("the other replica to know that it is alone", || {
        info(one, "reason").contains("1 of 2 members for an election")
    });
    primary.restart();
    let next = group.wait_for_another(primary);
    assert_eq!(next.port(), one.port());
    assert_eq!(next.run::<String>(&["GET", &key]), "by two members");
    two.shutdown();
    rename_format(two, own);
    two.load_at_next_start(module_path());
    two.restart();
    group.wait_until_ready();
}

#[test]
fn start_names_a_member_of_another_version() {
    let group = Group::unformed();
    let [primary, _, two] = group.shard();
    exchange(two);
    eventually("both replicas to be linked", || {
        primary.replica_links().len() == 2
    });
    let started = primary.try_run::<String>(&["DURABLE.FAILOVER", "START"]);
    let text = started.expect_err("it is refused").to_string();
    let id = group.cluster.id_of(two);
    let expected = format!("no answer from {id}: is the module loaded there, in this version");
    assert!(text.contains(&expected), "{text}");
    let id = group.cluster.id_of(primary);
    two.wait_for_log(&format!("{id} has another version of the module"));
}

/// The steps of docs/failover.md, one member at a time.
#[test]
fn an_upgrade_over_a_change_of_formats_loses_no_acknowledged_write() {
    let group = Group::formed();
    let [primary, one, two] = group.shard();
    let writer = Writer::start(&group);
    writer.wait_for_more();
    exchange(two);
    writer.wait_for_more();
    // Now nobody confirms to the primary any more, and it acknowledges nothing.
    exchange(one);
    eventually("the primary to have no confirmed replica", || {
        info(primary, "reason").contains("0 of 1 replicas have confirmed")
    });
    for member in [primary, one, two] {
        member.run::<()>(&["CONFIG", "SET", "durable.failover", "no"]);
    }
    for member in [primary, one, two] {
        eventually("the settings to be as before", || {
            setting(member, "cluster-replica-no-failover") == "no"
        });
        // Otherwise a replica goes to a primary without replicas after five seconds.
        member.run::<()>(&["CONFIG", "SET", "cluster-allow-replica-migration", "no"]);
        fs::remove_file(file_of(member)).expect("it was there");
    }
    writer.wait_for_more();
    one.run::<()>(&["CLUSTER", "FAILOVER"]);
    follow(&group, primary, one);
    follow(&group, two, one);
    exchange(primary);
    follow(&group, primary, one);
    for member in [primary, one, two] {
        member.run::<()>(&["CONFIG", "SET", "durable.failover", "yes"]);
    }
    for replica in [primary, two] {
        follow(&group, replica, one);
    }
    eventually("the primary to list both replicas", || {
        one.replica_links().len() == 2
    });
    group.form_by(one);
    writer.wait_for_more();
    writer.check(one);
}

/// Waits until a replica has the data of this primary. A replica whose primary became a replica may
/// stay with it (Redis 7.0): then it is moved.
fn follow(group: &Group, replica: &Server, primary: &Server) {
    let id = group.cluster.id_of(primary);
    let port = format!("master_port:{}\r\n", primary.port());
    eventually("the replica to follow its primary", || {
        let text: String = replica.run(&["INFO", "replication"]);
        let is_there = text.contains(&port);
        if text.contains("role:slave") && !is_there {
            let _ = replica.try_run::<()>(&["CLUSTER", "REPLICATE", id]);
        }
        is_there && text.contains("master_link_status:up")
    });
}
