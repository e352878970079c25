//! DURABLE.FAILOVER REPLACE: a member is exchanged for another replica.

use std::fs;
use std::time::Instant;

use durable_failover::NodeId;
use testkit::{eventually, Server};

use crate::support::group::{
    file_of, heard_ms_ago, info, is_configured, status, Group, IN_A_GROUP,
};
use crate::support::setting;

/// A group whose third member is to be exchanged for the further replica.
fn group() -> Group {
    let group = Group::with_spare(IN_A_GROUP);
    group.watch();
    group
}

fn replace<'a>(group: &'a Group, old: &Server, new: &Server) -> [&'a str; 4] {
    let (old, new) = (group.cluster.id_of(old), group.cluster.id_of(new));
    ["DURABLE.FAILOVER", "REPLACE", old, new]
}

fn error(server: &Server, words: &[&str]) -> String {
    let result = server.try_run::<redis::Value>(words);
    result.expect_err("it is refused").to_string()
}

fn joining(server: &Server) -> String {
    redis::from_redis_value(status(server)["joining"].clone()).expect("a text")
}

#[test]
fn a_dead_member_is_exchanged_and_the_new_one_votes() {
    let mut group = group();
    let [primary, _, old] = group.shard();
    let key = group.key();
    old.kill();
    primary.run::<()>(&["DURABLE.SET", &key, "before", "TIMEOUT", "0"]);
    let words = replace(&group, old, group.spare());
    assert_eq!(primary.run::<String>(&words), "OK");
    // It is safe to send again.
    assert_eq!(primary.run::<String>(&words), "OK");
    assert_eq!(joining(primary), "");
    group.members = [0, 3, 5];
    group.wait_until_ready();
    // Without the vote of the new member nobody would be elected.
    let [primary, one, new] = group.shard();
    primary.run::<()>(&["DURABLE.SET", &key, "after", "TIMEOUT", "0"]);
    primary.kill();
    let next = group.wait_for_another(primary);
    assert!([one.port(), new.port()].contains(&next.port()));
    assert_eq!(next.run::<String>(&["GET", &key]), "after");
}

#[test]
fn the_old_member_leaves_and_is_not_promoted_by_the_cluster() {
    let mut group = group();
    let [primary, _, old] = group.shard();
    let new = group.spare();
    new.wait_for_log("this replica is no member of group");
    assert_eq!(setting(new, "cluster-replica-no-failover"), "yes");
    assert_eq!(primary.run::<String>(&replace(&group, old, new)), "OK");
    old.wait_for_log("this server was exchanged for another node");
    assert_eq!(info(old, "state"), "no group");
    assert_eq!(setting(old, "cluster-replica-no-failover"), "yes");
    // It comes back as no member, with the setting of its configuration.
    old.kill();
    old.restart();
    eventually("it to be told again", || {
        setting(old, "cluster-replica-no-failover") == "yes"
    });
    assert_eq!(info(old, "state"), "no group");
    // It can take a place again, once the new member counts.
    group.members = [0, 3, 5];
    group.wait_until_ready();
    let [primary, one, _] = group.shard();
    eventually("both replicas to count", || info(primary, "grants") == "2");
    let old = &group.cluster.nodes[4];
    assert_eq!(primary.run::<String>(&replace(&group, one, old)), "OK");
    eventually("it to be a voter", || info(old, "voter") == "1");
}

#[test]
fn replace_says_what_is_missing_and_changes_nothing() {
    let group = group();
    let [primary, one, old] = group.shard();
    let new = group.spare();
    let cases: [(&Server, &Server, &str); 4] = [
        (
            primary,
            new,
            "cannot exchange itself: promote another member first",
        ),
        (old, one, "is a member already"),
        (new, &group.cluster.nodes[1], "is no member of this group"),
        (
            old,
            &group.cluster.nodes[1],
            "does not replicate this primary",
        ),
    ];
    for (old, new, expected) in cases {
        let text = error(primary, &replace(&group, old, new));
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
    }
    let text = error(primary, &["DURABLE.FAILOVER", "REPLACE", "a", "b"]);
    assert!(text.contains("needs the ids of two nodes"), "{text}");
    let text = error(one, &replace(&group, old, new));
    assert!(
        text.contains("needs the primary that holds the term"),
        "{text}"
    );
    new.run::<()>(&["CONFIG", "SET", "durable.failover-replicas", "2"]);
    let text = error(primary, &replace(&group, old, new));
    assert!(
        text.contains("declines: there durable.expected-replicas is 2"),
        "{text}"
    );
    assert_eq!(info(new, "state"), "no group");
    assert_eq!(joining(primary), "");
    assert_eq!(info(old, "voter"), "1");
}

#[test]
fn where_every_replica_guarantees_writes_nobody_can_be_exchanged() {
    let group = Group::with_spare(&[
        "failover",
        "yes",
        "expected-replicas",
        "2",
        "failover-replicas",
        "2",
        "replicas",
        "2",
    ]);
    let [primary, _, old] = group.shard();
    let text = error(primary, &replace(&group, old, group.spare()));
    assert!(
        text.contains("2 replicas other than")
            && text.contains("have to have confirmed, and 1 have"),
        "{text}"
    );
}

/// Begins an exchange that cannot go on: the old member has left the configuration, and the other
/// one is frozen and cannot confirm.
fn begin(group: &Group) -> testkit::RawConn {
    let [primary, one, old] = group.shard();
    old.kill();
    eventually("the old member to leave the configuration", || {
        !is_configured(one, old) && !is_configured(primary, old)
    });
    // The primary has to hear that the replica has the configuration: it says so before it tells
    // its state.
    let since = Instant::now();
    eventually("the primary to hear of it", || {
        heard_ms_ago(primary, one) < since.elapsed().as_millis()
    });
    one.pause();
    let mut conn = primary.raw();
    conn.send(&replace(group, old, group.spare()));
    let id = group.cluster.id_of(group.spare());
    let id = NodeId::parse(id.as_bytes()).expect("an id").0;
    eventually("the primary to have the new list on its disk", || {
        let file = fs::read(file_of(primary));
        file.is_ok_and(|bytes| bytes.windows(id.len()).any(|part| part == id))
    });
    conn
}

#[test]
fn the_next_primary_finishes_what_a_dead_one_has_begun() {
    let mut group = group();
    let [primary, one, _] = group.shard();
    let key = group.key();
    primary.run::<()>(&["DURABLE.SET", &key, "v", "TIMEOUT", "0"]);
    let _conn = begin(&group);
    group.spare().pause();
    one.resume();
    eventually("the replica to go by the new list", || {
        !joining(one).is_empty()
    });
    primary.kill();
    primary.restart();
    let next = group.wait_for_another(primary);
    assert_eq!(next.port(), one.port());
    group.spare().resume();
    group.spare().wait_for_log("is a member of group");
    group.members = [0, 3, 5];
    group.wait_until_ready();
    let holder = group.holder().expect("there is one");
    assert_eq!(joining(holder), "");
    assert_eq!(holder.run::<String>(&["GET", &key]), "v");
}
