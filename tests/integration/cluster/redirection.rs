//! In a cluster the family and DURABLE.CALL get the same MOVED, ASK, CROSSSLOT, TRYAGAIN and
//! CLUSTERDOWN as the plain commands.

use testkit::{eventually, Cluster};

use crate::support::{key_of, say, two_primaries};

#[test]
fn in_a_cluster_it_is_redirected_as_the_plain_command_is() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    for line in [
        format!("SET {own} v"),
        format!("GET {own}"),
        format!("DEL {own} {{{own}}}2"),
    ] {
        let plain = say(&mut conn, &line);
        assert!(!plain.starts_with('-'), "{plain}");
        say(&mut conn, &format!("SET {own} v"));
        assert!(
            !say(&mut conn, &format!("DURABLE.{line}")).starts_with('-'),
            "{line}"
        );
        say(&mut conn, &format!("SET {own} v"));
        assert!(
            !say(&mut conn, &format!("DURABLE.CALL {line}")).starts_with('-'),
            "{line}"
        );
    }
    for (line, code) in [
        (format!("SET {foreign} v"), "-MOVED "),
        (format!("GET {foreign}"), "-MOVED "),
        (format!("DEL {foreign} {{{foreign}}}2"), "-MOVED "),
        (format!("MSET {own} v {foreign} v"), "-CROSSSLOT "),
        (format!("DEL {own} {foreign}"), "-CROSSSLOT "),
        (format!("RENAME {own} {foreign}"), "-CROSSSLOT "),
    ] {
        let plain = say(&mut conn, &line);
        assert!(plain.starts_with(code), "{line}: {plain}");
        for durable in [
            format!("DURABLE.{line}"),
            format!("DURABLE.CALL {line}"),
            format!("DURABLE.CALL TIMEOUT 5 REPLICAS 1 {line}"),
        ] {
            assert_eq!(say(&mut conn, &durable), plain, "{durable}");
        }
    }
    // Keys at positions that only the inner command knows.
    for line in [
        format!("ZUNIONSTORE {foreign} 1 {foreign}"),
        format!("XREAD COUNT 1 STREAMS {foreign} {{{foreign}}}2 0 0"),
        format!("XREADGROUP GROUP g c STREAMS {foreign} >"),
        format!("LMPOP 2 {foreign} {{{foreign}}}2 LEFT"),
        format!("OBJECT ENCODING {foreign}"),
    ] {
        let plain = say(&mut conn, &line);
        assert!(plain.starts_with("-MOVED "), "{plain}");
        let durable = format!("DURABLE.CALL TIMEOUT 5 {line}");
        assert_eq!(say(&mut conn, &durable), plain, "{durable}");
    }
    // On a replica, reads and writes are sent to the primary.
    let mut replica = cluster.nodes[2].raw();
    let plain = say(&mut replica, &format!("GET {own}"));
    assert!(plain.starts_with("-MOVED "), "{plain}");
    for read_only in ["READWRITE", "READONLY"] {
        assert_eq!(say(&mut replica, read_only), "+OK\r\n");
        for line in [
            format!("DURABLE.SET {own} v"),
            format!("DURABLE.CALL SET {own} v"),
            format!("DURABLE.CALL GET {own}"),
        ] {
            assert_eq!(say(&mut replica, &line), plain, "{line} after {read_only}");
        }
    }
    say(&mut replica, "READWRITE");
    assert_eq!(say(&mut replica, &format!("DURABLE.GET {own}")), plain);
}

#[test]
fn in_a_transaction_it_is_redirected_when_it_is_queued() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    for (node, key) in [(0, &foreign), (1, &own), (2, &own)] {
        let mut conn = cluster.nodes[node].raw();
        let plain = say(&mut conn, &format!("SET {key} v"));
        assert!(plain.starts_with("-MOVED "), "{plain}");
        for command in [
            "DURABLE.SET",
            "DURABLE.CALL SET",
            "DURABLE.CALL REPLICAS 0 SET",
        ] {
            assert_eq!(say(&mut conn, "MULTI"), "+OK\r\n");
            assert_eq!(say(&mut conn, &format!("{command} {key} v")), plain);
            assert!(
                say(&mut conn, "EXEC").starts_with("-EXECABORT "),
                "{command}"
            );
        }
    }
    // Queued commands are executed as they were sent.
    let mut conn = cluster.nodes[0].raw();
    say(&mut conn, "MULTI");
    for line in [
        format!("DURABLE.CALL REPLICAS 0 SET {own} v"),
        format!("DURABLE.CALL REPLICAS 0 DEL {own} {{{own}}}2"),
        "DURABLE.CALL REPLICAS 0 DBSIZE".into(),
    ] {
        assert_eq!(say(&mut conn, &line), "+QUEUED\r\n");
    }
    assert_eq!(say(&mut conn, "EXEC"), "*3\r\n+OK\r\n:1\r\n:0\r\n");
}

#[test]
fn while_a_slot_moves_it_is_answered_ask_and_tryagain_as_the_plain_command_is() {
    let cluster = two_primaries();
    let key = key_of(&cluster, 0);
    let (source, target) = (&cluster.nodes[0], &cluster.nodes[1]);
    let (mut conn, mut there) = (source.raw(), target.raw());
    say(&mut conn, &format!("SET {{{key}}}here v"));
    cluster.begin_to_move(cluster.slot_of(&key), source, target);

    for (line, code) in [
        (format!("SET {{{key}}}gone v"), "-ASK "),
        (format!("GET {{{key}}}gone"), "-ASK "),
        (format!("DEL {{{key}}}here {{{key}}}gone"), "-TRYAGAIN "),
    ] {
        let plain = say(&mut conn, &line);
        assert!(plain.starts_with(code), "{line}: {plain}");
        for durable in [format!("DURABLE.{line}"), format!("DURABLE.CALL {line}")] {
            assert_eq!(say(&mut conn, &durable), plain, "{durable}");
        }
    }
    assert_eq!(
        say(&mut conn, &format!("DURABLE.GET {{{key}}}here")),
        "$1\r\nv\r\n"
    );
    // The other node executes it after ASKING, and only then.
    for (durable, reply) in [
        (format!("DURABLE.SET {{{key}}}gone v"), "+OK\r\n"),
        (format!("DURABLE.CALL GET {{{key}}}gone"), "$1\r\nv\r\n"),
    ] {
        assert!(
            say(&mut there, &durable).starts_with("-MOVED "),
            "{durable}"
        );
        assert_eq!(say(&mut there, "ASKING"), "+OK\r\n");
        assert_eq!(say(&mut there, &durable), reply, "{durable}");
    }
    // Only some of the keys have moved.
    let line = format!("DEL {{{key}}}gone {{{key}}}here");
    assert_eq!(say(&mut there, "ASKING"), "+OK\r\n");
    let plain = say(&mut there, &line);
    assert!(plain.starts_with("-TRYAGAIN "), "{plain}");
    for durable in [format!("DURABLE.{line}"), format!("DURABLE.CALL {line}")] {
        assert_eq!(say(&mut there, "ASKING"), "+OK\r\n");
        assert_eq!(say(&mut there, &durable), plain, "{durable}");
        let elsewhere = say(&mut there, &durable);
        assert!(elsewhere.starts_with("-MOVED "), "{durable}: {elsewhere}");
    }
}

/// The slot map of the hints may be old. Redirections by an old map would send clients back and
/// forth.
#[test]
fn a_slot_that_has_just_moved_is_served_at_once_whatever_the_age_of_the_map() {
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| builder.module_args(&["slothint-max-age-ms", "60000", "replicas", "0"]))
        .start();
    let key = key_of(&cluster, 0);
    let slot = cluster.slot_of(&key).to_string();
    let (source, target) = (&cluster.nodes[0], &cluster.nodes[1]);
    let (mut here, mut there) = (source.raw(), target.raw());
    for conn in [&mut here, &mut there] {
        say(conn, &format!("SLOTHINT {key}"));
    }
    let set = format!("DURABLE.CALL SET {key} v");
    for node in [target, source] {
        node.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", cluster.id_of(target)]);
    }
    assert_eq!(say(&mut there, &set), "+OK\r\n");
    let plain = say(&mut here, &format!("SET {key} v"));
    assert!(plain.starts_with("-MOVED "), "{plain}");
    assert_eq!(say(&mut here, &set), plain);
}

#[test]
fn an_unassigned_slot_is_clusterdown_as_for_the_plain_command() {
    let cluster = two_primaries();
    let key = key_of(&cluster, 0);
    let slot = cluster.slot_of(&key).to_string();
    let node = &cluster.nodes[0];
    node.run::<()>(&["CLUSTER", "DELSLOTS", &slot]);
    let mut conn = node.raw();
    eventually("the plain command to be refused", || {
        say(&mut conn, &format!("GET {key}")).starts_with("-CLUSTERDOWN ")
    });
    let plain = say(&mut conn, &format!("GET {key}"));
    for line in [
        format!("DURABLE.GET {key}"),
        format!("DURABLE.CALL GET {key}"),
    ] {
        assert_eq!(say(&mut conn, &line), plain, "{line}");
    }
    let foreign = key_of(&cluster, 1);
    for key in [key, foreign] {
        let plain = say(&mut conn, &format!("SET {key} v"));
        for line in [
            format!("DURABLE.SET {key} v"),
            format!("DURABLE.CALL SET {key} v"),
        ] {
            assert_eq!(say(&mut conn, &line), plain, "{line}");
        }
    }
}
