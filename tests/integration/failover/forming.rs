//! DURABLE.FAILOVER START and STATUS, and the settings of a group.

use testkit::{eventually, server_has_setting, Server};

use crate::support::group::{info, status, Group};
use crate::support::setting;

fn error(server: &Server, words: &[&str]) -> String {
    let result = server.try_run::<redis::Value>(words);
    result.expect_err("it is refused").to_string()
}

#[test]
fn start_forms_a_group_and_writes_go_on() {
    let group = Group::unformed();
    let [primary, one, two] = group.shard();
    assert_eq!(info(primary, "state"), "no group");
    let key = group.key();
    primary.run::<()>(&["DURABLE.SET", &key, "before"]);
    group.form();
    assert_eq!(info(primary, "state"), "primary");
    assert_eq!(info(primary, "term"), "1");
    assert_eq!(info(primary, "grants"), "2");
    for replica in [one, two] {
        assert_eq!(info(replica, "state"), "replica");
        assert_eq!(info(replica, "voter"), "1");
    }
    primary.run::<()>(&["DURABLE.SET", &key, "after", "REPLICAS", "2"]);
    let reply = status(primary);
    assert_eq!(
        reply["state"],
        redis::Value::BulkString(b"primary".to_vec())
    );
    assert_eq!(reply["guaranteed"], redis::Value::Int(1));
    assert_eq!(reply["votes"], redis::Value::Int(2));
    let redis::Value::Array(members) = &reply["members"] else {
        panic!("members is no array");
    };
    assert_eq!(members.len(), 3);
}

#[test]
fn start_says_what_is_missing_and_changes_nothing() {
    let group = Group::unformed();
    let [primary, one, two] = group.shard();
    let start = ["DURABLE.FAILOVER", "START"];
    assert!(error(one, &start)
        .contains("START needs a primary, this is a replica; nothing was changed"));
    primary.run::<()>(&["CONFIG", "SET", "durable.expected-replicas", "3"]);
    let text = error(primary, &start);
    assert!(
        text.contains(
            "the cluster knows 2 replicas of this primary, durable.expected-replicas is 3"
        ),
        "{text}"
    );
    primary.run::<()>(&["CONFIG", "SET", "durable.expected-replicas", "2"]);
    one.run::<()>(&["CONFIG", "SET", "durable.failover-replicas", "2"]);
    let text = error(primary, &start);
    assert!(
        text.contains(
            "declines: there durable.expected-replicas is 2 and durable.failover-replicas is 2"
        ),
        "{text}"
    );
    assert_eq!(info(primary, "state"), "no group");
    // The other replica may have accepted already.
    eventually("it to be no member", || {
        info(two, "state") == "no group" && setting(two, "cluster-replica-no-failover") == "no"
    });
    one.run::<()>(&["CONFIG", "SET", "durable.failover-replicas", "1"]);
    primary.run::<()>(&["CONFIG", "SET", "durable.failover-replicas", "2"]);
    let text = error(primary, &start);
    assert!(
        text.contains("durable.replicas requires 1, fewer than durable.failover-replicas 2"),
        "{text}"
    );
    primary.run::<()>(&["CONFIG", "SET", "durable.failover-replicas", "1"]);
    group.form();
    assert!(error(primary, &start).contains("belongs to a group already"));
}

#[test]
fn a_member_without_the_setting_is_named() {
    let group = Group::unformed();
    let [primary, one, _] = group.shard();
    one.run::<()>(&["CONFIG", "SET", "durable.failover", "no"]);
    eventually("the setting to be applied", || {
        info(one, "state").is_empty()
    });
    let text = error(primary, &["DURABLE.FAILOVER", "START"]);
    assert!(
        text.contains("no group was formed: no answer from"),
        "{text}"
    );
    assert!(text.contains(group.cluster.id_of(one)), "{text}");
}

#[test]
fn a_member_without_the_module_is_named() {
    let group = Group::with_one_bare_node();
    let [primary, one, bare] = group.shard();
    let text = error(primary, &["DURABLE.FAILOVER", "START"]);
    let id = group.cluster.id_of(bare);
    assert!(
        text.contains(&format!("no answer from {id}: is the module loaded there")),
        "{text}"
    );
    primary.wait_for_log(&format!(
        "failover: no group was formed: no answer from {id}"
    ));
    // Nothing has changed: the shard is what it was.
    eventually("the replica to be no member", || {
        info(one, "state") == "no group" && setting(one, "cluster-replica-no-failover") == "no"
    });
    let key = group.key();
    primary.run::<()>(&["DURABLE.SET", &key, "v", "REPLICAS", "2", "TIMEOUT", "0"]);
}

#[test]
fn a_group_changes_settings_of_the_server_and_gives_them_back() {
    let group = Group::formed();
    let [primary, one, two] = group.shard();
    assert_eq!(setting(primary, "cluster-replica-no-failover"), "yes");
    assert_eq!(setting(primary, "cluster-allow-replica-migration"), "no");
    for (name, value) in [
        ("durable.expected-replicas", "3"),
        ("durable.failover-replicas", "2"),
    ] {
        let text = error(primary, &["CONFIG", "SET", name, value]);
        assert!(
            text.contains("failover group of this server has agreed"),
            "{text}"
        );
    }
    let turn_off = |member: &Server| {
        member.run::<()>(&["CONFIG", "SET", "durable.failover", "no"]);
        eventually("it to be off", || info(member, "state").is_empty());
    };
    turn_off(one);
    // The others still vote without it, and the server of this one must not promote it.
    one.wait_for_log("Turn it off on all members of the group");
    assert_eq!(setting(one, "cluster-replica-no-failover"), "yes");
    turn_off(two);
    turn_off(primary);
    for member in [primary, one, two] {
        eventually("the settings to be as before", || {
            setting(member, "cluster-replica-no-failover") == "no"
                && setting(member, "cluster-allow-replica-migration") == "yes"
        });
    }
}

#[test]
fn strict_refuses_what_a_failover_may_lose() {
    let group = Group::formed();
    let [primary, ..] = group.shard();
    let key = group.key();
    primary.run::<()>(&["DURABLE.SET", &key, "1", "REPLICAS", "0"]);
    primary.run::<()>(&["CONFIG", "SET", "durable.failover-strict", "yes"]);
    let text = error(primary, &["DURABLE.SET", &key, "2", "REPLICAS", "0"]);
    assert!(
        text.contains("is below durable.failover-replicas 1"),
        "{text}"
    );
    assert_eq!(primary.run::<String>(&["GET", &key]), "1");
    primary.run::<()>(&["DURABLE.SET", &key, "3", "REPLICAS", "1"]);
}

#[test]
fn outside_of_cluster_mode_it_cannot_be_turned_on() {
    let server = Server::builder().start();
    assert!(server_has_setting("cluster-enabled"));
    let text = error(&server, &["CONFIG", "SET", "durable.failover", "yes"]);
    assert!(
        text.contains("durable.failover needs cluster mode"),
        "{text}"
    );
    assert_eq!(setting(&server, "durable.failover"), "no");
    let text = error(&server, &["DURABLE.FAILOVER", "START"]);
    assert!(
        text.contains("durable.failover is off; nothing was changed"),
        "{text}"
    );
    let text = error(&server, &["DURABLE.FAILOVER", "NONSENSE"]);
    assert!(
        text.contains("accepted are STATUS, START, REPLACE and ACCEPT-LOSS"),
        "{text}"
    );
}

#[test]
fn the_module_is_not_unloaded_while_it_guards_a_group() {
    let group = Group::formed();
    let [primary, ..] = group.shard();
    let text = error(primary, &["MODULE", "UNLOAD", "durable"]);
    assert!(!text.is_empty());
    primary.wait_for_log("not unloaded: durable.failover was turned on");
}
