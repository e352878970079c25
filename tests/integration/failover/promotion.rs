//! Who becomes primary of a group, and that acknowledged writes survive it.

use std::fs;

use testkit::{eventually, Server};

use crate::support::group::{file_of, info, is_configured, status, Group};

/// Writes, and returns the keys of the shard with the number that is in each.
fn write_some(group: &Group, primary: &Server) -> String {
    let key = group.key();
    for number in 0..50 {
        primary.run::<()>(&["DURABLE.SET", &key, &number.to_string(), "TIMEOUT", "0"]);
    }
    key
}

fn value(server: &Server, key: &str) -> String {
    server.run(&["GET", key])
}

#[test]
fn a_killed_primary_is_replaced_without_an_operator() {
    let group = Group::watchful();
    let [primary, ..] = group.shard();
    let key = write_some(&group, primary);
    primary.kill();
    let next = group.wait_for_another(primary);
    assert_eq!(value(next, &key), "49");
    next.run::<()>(&["DURABLE.SET", &key, "50", "TIMEOUT", "0"]);
    assert_eq!(value(next, &key), "50");
    primary.restart();
    group.wait_until_ready();
    assert_eq!(info(primary, "state"), "replica");
}

#[test]
fn a_primary_that_restarts_empty_at_once_gives_way_to_a_replica() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    // It has no append-only file: it comes back without its data, and the cluster does not notice.
    primary.kill();
    primary.restart();
    let next = group.wait_for_another(primary);
    assert!([one.port(), two.port()].contains(&next.port()));
    assert_eq!(value(next, &key), "49");
    group.wait_until_ready();
    let _: String = primary.run(&["READONLY"]);
    eventually("the old primary to have the data", || {
        let mut connection = primary.conn();
        let _: redis::RedisResult<()> = redis::cmd("READONLY").query(&mut connection);
        let read: redis::RedisResult<String> = redis::cmd("GET").arg(&key).query(&mut connection);
        read.is_ok_and(|value| value == "49")
    });
}

#[test]
fn a_closed_primary_refuses_and_says_why() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    // Nobody can vote.
    for replica in [one, two] {
        replica.pause();
    }
    primary.kill();
    primary.restart();
    eventually("it to be closed", || info(primary, "state") == "closed");
    eventually("the cluster to be known again", || {
        let refused = primary.try_run::<()>(&["DURABLE.SET", &key, "1"]);
        refused.is_err_and(|error| {
            error
                .to_string()
                .contains("CLOSED this primary holds no term")
        })
    });
    for replica in [one, two] {
        replica.resume();
    }
    let next = group.wait_for_another(primary);
    assert_eq!(value(next, &key), "49");
}

#[test]
fn with_one_replica_down_nobody_is_promoted_until_it_is_back() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    two.pause();
    primary.run::<()>(&[
        "DURABLE.SET",
        &key,
        "alone",
        "REPLICAS",
        "1",
        "TIMEOUT",
        "0",
    ]);
    primary.kill();
    eventually("the replica to know that it is alone", || {
        info(one, "reason").contains("1 of 2 members for an election, this member included")
    });
    assert_eq!(info(one, "state"), "replica");
    two.resume();
    let next = group.wait_for_another(primary);
    assert_eq!(value(next, &key), "alone");
}

#[test]
fn a_restarted_replica_helps_to_elect_the_one_that_has_everything() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    two.kill();
    for member in [primary, one] {
        eventually("the dead replica to be out of the configuration", || {
            !is_configured(member, two)
        });
    }
    let key = write_some(&group, primary);
    primary.kill();
    two.restart();
    let next = group.wait_for_another(primary);
    assert_eq!(next.port(), one.port());
    assert_eq!(value(next, &key), "49");
    two.wait_for_log("as a witness: its own data are not confirmed");
    primary.restart();
    group.wait_until_ready();
    eventually("the restarted replica to be in the configuration", || {
        is_configured(one, two)
    });
}

#[test]
fn a_restarted_replica_that_may_have_acknowledged_more_is_waited_for() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    // The primary hears of nothing that happens to the replica.
    primary.pause();
    two.kill();
    two.restart();
    eventually("the other replica to know that it is not enough", || {
        info(one, "reason").contains("whose data are confirmed")
    });
    assert_eq!(info(one, "state"), "replica");
    primary.resume();
    group.wait_until_ready();
    assert_eq!(group.holder().map(Server::port), Some(primary.port()));
    assert_eq!(value(primary, &key), "49");
}

#[test]
fn the_status_says_which_member_is_silent() {
    let group = Group::formed();
    let [primary, _, two] = group.shard();
    two.pause();
    let address = two.addr();
    eventually("the primary to miss the member", || {
        let text = info(primary, "reason");
        text.contains("1 of 2 members for an election without this primary")
            && text.contains(&address)
    });
    assert_eq!(info(primary, "ready"), "0");
    let reply = status(primary);
    assert_eq!(reply["ready"], redis::Value::Int(0));
    two.resume();
    group.wait_until_ready();
}

#[test]
fn an_operator_s_failover_is_confirmed_by_votes() {
    let group = Group::watchful();
    let [primary, one, _] = group.shard();
    let key = write_some(&group, primary);
    for order in [vec![], vec!["FORCE"], vec!["TAKEOVER"]] {
        let holder = group.holder().expect("there is one");
        let mut others = [primary, one].into_iter();
        let next = others.find(|node| node.port() != holder.port());
        let next = next.expect("there is another");
        // Otherwise the other primaries may not know yet that it is a replica, and do not vote.
        group.cluster.wait_until_agreed();
        let mut words = vec!["CLUSTER", "FAILOVER"];
        words.extend(order);
        next.run::<()>(&words);
        // By force a replica can be promoted that lacks something. Then another takes over.
        next.wait_for_log("this server is a primary without a term now");
        group.wait_until_ready();
        let holder = group.holder().expect("there is one");
        assert_eq!(value(holder, &key), "49");
    }
}

#[test]
fn a_whole_shard_that_restarts_waits_for_an_operator() {
    let group = Group::formed();
    let [primary, one, two] = group.shard();
    let key = group.key();
    for member in [primary, one, two] {
        member.kill();
    }
    for member in [primary, one, two] {
        member.restart();
    }
    eventually("the primary to be closed", || {
        info(primary, "state") == "closed"
    });
    let refused = one.try_run::<()>(&["DURABLE.FAILOVER", "ACCEPT-LOSS"]);
    let text = refused.expect_err("it is a replica").to_string();
    assert!(
        text.contains("and this is a replica; nothing was changed"),
        "{text}"
    );
    assert_eq!(
        primary.run::<String>(&["DURABLE.FAILOVER", "ACCEPT-LOSS"]),
        "OK"
    );
    group.wait_until_ready();
    primary.wait_for_log("an operator has accepted the loss of acknowledged writes");
    primary.run::<()>(&["DURABLE.SET", &key, "1", "TIMEOUT", "0"]);
}

#[test]
fn an_unreadable_file_means_no_vote_and_a_closed_primary() {
    let group = Group::watchful();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    primary.kill();
    fs::write(file_of(primary), b"garbage").expect("written");
    primary.restart();
    primary.wait_for_log("neither of its two records is whole");
    let next = group.wait_for_another(primary);
    assert!([one.port(), two.port()].contains(&next.port()));
    assert_eq!(value(next, &key), "49");
    assert_eq!(info(primary, "state"), "unreadable");
    assert_eq!(info(primary, "ready"), "0");
}

#[test]
fn a_member_that_restarts_without_the_setting_is_a_member_all_the_same() {
    let group = Group::with(&["expected-replicas", "2"]);
    let [primary, one, two] = group.shard();
    for member in [primary, one, two] {
        member.run::<()>(&["CONFIG", "SET", "durable.failover", "yes"]);
    }
    group.form();
    group.watch();
    let key = write_some(&group, primary);
    // It has no data, and nothing in its configuration says that it belongs to a group.
    primary.kill();
    primary.restart();
    primary.wait_for_log("says that this server is a member of a group");
    let next = group.wait_for_another(primary);
    assert_eq!(value(next, &key), "49");
    group.wait_until_ready();
}

#[test]
fn a_member_that_is_reset_is_no_voter() {
    let group = Group::formed();
    let [primary, _, two] = group.shard();
    write_some(&group, primary);
    assert_eq!(info(two, "voter"), "1");
    two.run::<()>(&["CLUSTER", "RESET", "SOFT"]);
    eventually("its vote to be gone", || info(two, "voter") == "0");
}

#[test]
fn a_replica_gets_its_vote_back_after_flushall() {
    let group = Group::formed();
    let [primary, one, two] = group.shard();
    let key = write_some(&group, primary);
    primary.run::<()>(&["FLUSHALL"]);
    // Until both have confirmed again, the write is refused.
    let write = ["DURABLE.SET", &key, "1", "REPLICAS", "2", "TIMEOUT", "0"];
    eventually("both replicas to count again", || {
        match primary.try_run::<String>(&write) {
            Ok(reply) => reply == "OK",
            Err(error) => {
                assert_eq!(error.code(), Some("NOREPLICAS"), "{error}");
                false
            }
        }
    });
    group.wait_until_ready();
    for replica in [one, two] {
        assert_eq!(info(replica, "voter"), "1");
    }
}
