//! The keys of DURABLE.CALL in a cluster, where the command filter moves them to fixed places.
//! Clients get the keys from COMMAND GETKEYS, no client reaches a key by naming another, and the
//! filter changes neither access control nor memory.

use testkit::Cluster;

use crate::support::{key_of, keys_of, say, two_primaries};

#[test]
fn from_a_script_it_is_refused_for_a_foreign_key_as_the_plain_command_is() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    let mut call = |command: &str, key: &str| {
        let script = format!("return redis.pcall({command}, KEYS[1] and '{key}', 'v')");
        let reply = conn.call_text(&["EVAL", &script, "1", &own]);
        reply
            .split(" script:")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let durable = "'DURABLE.CALL', 'REPLICAS', '0', 'SET'";
    assert_eq!(call(durable, &own), "+OK\r\n");
    let plain = call("'SET'", &foreign);
    assert!(plain.starts_with('-'), "{plain}");
    assert_eq!(call(durable, &foreign), plain);
}

#[test]
fn clients_that_ask_where_its_keys_are_are_told() {
    let cluster = two_primaries();
    let mut conn = cluster.nodes[0].raw();
    let info = say(&mut conn, "COMMAND INFO DURABLE.CALL");
    assert!(info.contains("movablekeys"), "{info}");
    for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
        for inner in [
            "SET k v",
            "GET k",
            "MSET a 1 b 2",
            "ZUNIONSTORE d 2 a b",
            "DEL one-key k",
            "DBSIZE",
        ] {
            let plain = say(&mut conn, &format!("COMMAND {question} {inner}"));
            for options in ["", "REPLICAS 0 ", "timeout 5 Replicas ALL FSYNC 1 "] {
                let line = format!("COMMAND {question} durable.Call {options}{inner}");
                assert_eq!(say(&mut conn, &line), plain, "{line}");
            }
        }
    }
    for line in [
        "COMMAND GETKEYS DURABLE.CALL",
        "COMMAND GETKEYS DURABLE.CALL REPLICAS 1",
    ] {
        let reply = say(&mut conn, line);
        assert!(reply.starts_with("-ERR ") || reply == "*0\r\n", "{reply}");
    }
}

#[test]
fn words_that_look_like_its_own_are_still_the_clients() {
    let cluster = two_primaries();
    let own = key_of(&cluster, 0);
    let mut conn = cluster.nodes[0].raw();
    for (line, reply) in [
        (format!("DURABLE.CALL SET {own} one-key"), "+OK\r\n"),
        (format!("DURABLE.CALL GET {own}"), "$7\r\none-key\r\n"),
        (
            format!("durable.call RPUSH {{{own}}}l no-key one-key"),
            ":2\r\n",
        ),
        ("DURABLE.CALL DBSIZE".into(), ":2\r\n"),
    ] {
        assert_eq!(say(&mut conn, &line), reply, "{line}");
    }
    let wrong_arity = "-ERR wrong number of arguments for 'durable.call' command\r\n";
    for line in ["DURABLE.CALL", "DURABLE.CALL REPLICAS 0"] {
        assert_eq!(say(&mut conn, line), wrong_arity, "{line}");
    }
    // The client sends the filter's own words, and reaches no key with them.
    let foreign = key_of(&cluster, 1);
    for line in [
        "DURABLE.CALL one-key".into(),
        "DURABLE.CALL NO-KEY".into(),
        "DURABLE.CALL one-key a".into(),
        format!("DURABLE.CALL two-keys {own} {own}"),
        format!("DURABLE.CALL one-key {own} SET v"),
        format!("DURABLE.CALL one-key {own} 1 v"),
        format!("DURABLE.CALL two-keys {own} {own} 1,5 SET v"),
        format!("DURABLE.CALL no-key SET {foreign} v"),
        format!("DURABLE.CALL no-key no-key SET {own} v"),
    ] {
        let reply = say(&mut conn, &line);
        assert!(reply.starts_with('-'), "{line}: {reply}");
    }
    for words in [
        ["DURABLE.CALL", "one-key", &own, "9 SET", "v"],
        ["DURABLE.CALL", "one-key", &own, "0 SET", "v"],
        ["DURABLE.CALL", "one-key", &own, "2 SET", &foreign],
        ["DURABLE.CALL", "two-keys", &own, &own, "1 SET"],
        ["DURABLE.CALL", "two-keys", &own, &own, "1,9 SET"],
    ] {
        let reply = conn.call_text(&words);
        assert!(reply.starts_with('-'), "{words:?}: {reply}");
    }
    assert_eq!(say(&mut conn, "DBSIZE"), ":2\r\n");
}

/// The server stores a key in the slot of the keys that a command declares, so a wrong declaration
/// would corrupt its data.
#[test]
fn nobody_stores_a_key_under_the_slot_of_another() {
    let cluster = two_primaries();
    let mut owned = keys_of(&cluster, 0);
    let (own, other) = (owned.next().unwrap(), owned.next().unwrap());
    let mut conn = cluster.nodes[0].raw();
    let lies: [&[&str]; 5] = [
        &["DURABLE.CALL", "one-key", &own, "2 SET", &other],
        &[
            "DURABLE.CALL",
            "one-key",
            &own,
            "4 REPLICAS",
            "0",
            "SET",
            &other,
        ],
        &["DURABLE.CALL", "two-keys", &own, &own, "2,3 SET", &other],
        &["DURABLE.CALL", "no-key", "SET", &other, "v"],
        &[
            "DURABLE.CALL",
            "no-key",
            "REPLICAS",
            "0",
            "SET",
            &other,
            "v",
        ],
    ];
    for words in lies {
        let refused = conn.call_text(words);
        assert!(refused.starts_with("-ERR "), "{words:?}: {refused}");
        say(&mut conn, "MULTI");
        say(&mut conn, &format!("SET {own} v"));
        conn.call_text(words);
        let executed = say(&mut conn, "EXEC");
        assert!(executed.contains("-E"), "{words:?}: {executed}");
        let script = "return redis.pcall(unpack(ARGV))";
        let call = [&["EVAL", script, "0"], words].concat();
        let refused = conn.call_text(&call);
        assert!(refused.starts_with('-'), "{words:?}: {refused}");
        assert_eq!(say(&mut conn, &format!("EXISTS {other}")), ":0\r\n");
        say(&mut conn, &format!("DEL {own}"));
    }
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
    // The connection still works.
    let sent = conn.call_text(&["DURABLE.CALL", "SET", &own, "v"]);
    assert_eq!(sent, "+OK\r\n");
}

/// Many servers leak the key positions that they find for a module. The filter sees the commands of
/// all users. If it asked the server for the keys of each, any user could use up the memory.
#[test]
fn keys_are_found_without_leaving_memory_behind() {
    let cluster = Cluster::builder(1, 0)
        .node(|_, builder| {
            builder
                .module_args(&["replicas", "0"])
                .config("rename-command", "UNLINK erase")
        })
        .start();
    let node = &cluster.nodes[0];
    let keys: Vec<String> = (0..300).map(|number| format!("{{k}}{number}")).collect();
    let users = ["-@all +ping", "-@all +durable.call ~x", "+@all ~*"];
    for (number, rules) in users.into_iter().enumerate() {
        let user = format!("u{number}");
        let rules = format!("ACL SETUSER {user} on nopass {rules}");
        assert_eq!(say(&mut node.raw(), &rules), "+OK\r\n");
        let mut conn = node.raw();
        assert_eq!(say(&mut conn, &format!("AUTH {user} x")), "+OK\r\n");
        let migrate = ["MIGRATE", "127.0.0.1", "1", "", "0", "1", "KEYS"];
        for inner in [
            &["DEL"][..],
            &["ERASE"],
            &migrate,
            &["EVAL", "return 1", "300"],
        ] {
            let mut words = vec!["DURABLE.CALL"];
            words.extend(inner);
            words.extend(keys.iter().map(String::as_str));
            let mut used_after = |calls| {
                for _ in 0..calls {
                    conn.call_text(&words);
                }
                node.info_number("memory", "used_memory")
            };
            let before = used_after(100);
            let grown = used_after(2000) - before;
            // All positions that were found would take about 5 MB.
            assert!(
                grown < 1_000_000,
                "the memory grew by {grown} bytes: {inner:?} with the rules {rules}"
            );
        }
    }
}

/// GEORADIUS takes the key of its last STORE, but its key specifications find the key of the first.
/// Some servers flag these specifications, and there the module asks the server. The others also
/// name the first key when they are asked, so different keys are not tested there.
#[test]
fn where_a_command_takes_another_key_than_its_specifications_find_the_server_is_asked() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    let info = say(&mut conn, "COMMAND INFO GEORADIUS");
    let flagged = info.contains("variable_flags") || info.contains("incomplete");
    say(&mut conn, &format!("GEOADD {own} 1 1 m"));
    for (first, last) in [(&own, &own), (&own, &foreign), (&foreign, &own)] {
        if first != last && !flagged {
            continue;
        }
        let inner = format!("GEORADIUS {own} 1 1 9 km STORE {{{first}}}a STORE {{{last}}}b");
        let plain = say(&mut conn, &inner);
        assert_eq!(say(&mut conn, &format!("DURABLE.CALL {inner}")), plain);
        for line in ["MULTI", &format!("DURABLE.CALL REPLICAS 0 {inner}")] {
            say(&mut conn, line);
        }
        let executed = say(&mut conn, "EXEC");
        let refused = plain.starts_with('-');
        let expected = if refused {
            "-EXECABORT"
        } else {
            "*1\r\n:1\r\n"
        };
        assert!(executed.starts_with(expected), "{inner}: {executed}");
    }
}

#[test]
fn a_key_that_a_user_may_not_reach_is_denied_and_others_are_not() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let node = &cluster.nodes[0];
    let mut operator = node.raw();
    let rules =
        format!("ACL SETUSER u on nopass +durable.call +set +get +ping %R~{own} %W~{{{own}}}w");
    assert_eq!(say(&mut operator, &rules), "+OK\r\n");
    say(&mut operator, &format!("SET {own} v"));
    let mut conn = node.raw();
    say(&mut conn, "AUTH u u");
    for inner in [
        format!("GET {own}"),
        format!("SET {own} w"),
        format!("SET {{{own}}}w w"),
        format!("GET {{{own}}}w"),
        format!("GET {foreign}"),
        format!("SET {foreign} v"),
        format!("DEL {own}"),
    ] {
        let plain = say(&mut conn, &inner);
        let durable = say(&mut conn, &format!("DURABLE.CALL {inner}"));
        let code = |reply: &str| reply.split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(code(&durable), code(&plain), "{inner}: {durable}");
    }
    let dry = say(
        &mut operator,
        &format!("ACL DRYRUN u DURABLE.CALL GET {own}"),
    );
    assert_eq!(dry, "+OK\r\n");
    let dry = say(
        &mut operator,
        &format!("ACL DRYRUN u DURABLE.CALL GET {foreign}"),
    );
    assert!(dry.contains("no permissions to access the"), "{dry}");
    say(&mut operator, "ACL SETUSER u -durable.call");
    let denied = say(&mut conn, &format!("DURABLE.CALL GET {own}"));
    assert!(denied.starts_with("-NOPERM "), "{denied}");
}

/// Valkey 9 keeps the cross-slot flag of one call for later calls, also for those of the module.
#[test]
fn a_script_that_reaches_for_two_slots_does_not_stop_durable_writes() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    let script = "return redis.pcall(unpack(ARGV))";
    for words in [
        ["MSET", &own, "v", &foreign, "v"],
        ["DURABLE.CALL", "MSET", &own, &foreign, "v"],
    ] {
        let mut command = vec!["EVAL", script, "0"];
        command.extend(words);
        let refused = conn.call_text(&command);
        assert!(refused.starts_with('-'), "{refused}");
        for line in [
            format!("DURABLE.SET {own} v"),
            format!("DURABLE.CALL SET {own} v"),
        ] {
            assert_eq!(say(&mut conn, &line), "+OK\r\n", "{line}");
        }
        assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
        assert!(say(&mut conn, &format!("SLOTHINT {foreign}")).starts_with("*3"));
    }
}
