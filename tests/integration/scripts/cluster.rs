//! Scripts inside DURABLE.CALL in a cluster: keys and redirections are those of the plain command.

use testkit::{Cluster, Server};

use crate::support::scripts::same;
use crate::support::{key_of, say, send_in_one_turn, two_primaries};

const INCR: &str = "return redis.call('INCR', KEYS[1])";

#[test]
fn declared_and_undeclared_keys_are_checked_as_for_the_plain_command() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let other_slot = crate::support::keys_of(&cluster, 0)
        .find(|key| cluster.slot_of(key) != cluster.slot_of(&own))
        .expect("a key in another slot");
    let mut conn = cluster.nodes[0].raw();
    let get = "return redis.call('GET', KEYS[1])";
    let of_argument = "return redis.call('GET', ARGV[1])";
    let pair = |prefix: &str| {
        format!("{prefix}redis.call('GET', ARGV[1]) return redis.call('GET', ARGV[2])")
    };
    let tagged = format!("{{{own}}}2");
    let cases: &[(&[&str], &str)] = &[
        (&["EVAL", get, "1", &own], "$-1"),
        (&["EVAL", get, "2", &own, &tagged], "$-1"),
        (&["EVAL_RO", get, "1", &own], "$-1"),
        (&["EVAL", get, "1", &foreign], "-MOVED "),
        (&["EVAL", get, "2", &foreign, &foreign], "-MOVED "),
        (&["EVAL", get, "2", &own, &foreign], "-CROSSSLOT "),
        (&["EVAL", get, "2", &own, &other_slot], "-CROSSSLOT "),
        (&["EVAL", "return 1", "0"], ":1"),
        (&["EVAL", of_argument, "0", &own], "$-1"),
        (&["EVAL", of_argument, "0", &foreign], "-ERR "),
        (&["EVAL", of_argument, "1", &own, &foreign], "-ERR "),
        (&["EVAL", &pair(""), "0", &own, &other_slot], "$-1"),
        (&["EVAL", &pair("#!lua\n"), "0", &own, &other_slot], "-ERR "),
        (
            &["EVAL", &pair("#!lua\n"), "1", &own, &own, &other_slot],
            "-ERR ",
        ),
        (
            &[
                "EVAL",
                &pair("#!lua flags=allow-cross-slot-keys\n"),
                "0",
                &own,
                &other_slot,
            ],
            "$-1",
        ),
        (&["EVAL", "#!lua flags=no-cluster\nreturn 1", "0"], "-ERR "),
    ];
    // Twice: a script with keys in two slots must not disturb the calls after it.
    for _ in 0..2 {
        for (words, begin) in cases {
            let reply = same(&mut conn, words);
            assert!(reply.starts_with(begin), "{words:?}: {reply}");
        }
    }
    let key = "DURABLE.CALL TIMEOUT 5 EVAL script 2 a b c";
    assert_eq!(
        say(&mut conn, &format!("COMMAND GETKEYS {key}")),
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    );
}

/// Most servers do not tell a module's call which slot the declared keys are in. There a script
/// with a shebang may use one other slot, which must be this node's too. Valkey 9 refuses that.
#[test]
fn a_script_with_a_shebang_may_use_another_slot_than_its_declared_keys() {
    let cluster = two_primaries();
    let own = key_of(&cluster, 0);
    let other_slot = crate::support::keys_of(&cluster, 0)
        .find(|key| cluster.slot_of(key) != cluster.slot_of(&own))
        .expect("a key in another slot");
    let mut conn = cluster.nodes[0].raw();
    let script = "#!lua\nreturn redis.call('GET', ARGV[1])";
    let words = ["EVAL", script, "1", &own, &other_slot];
    let plain = conn.call_text(&words);
    let refusal = "-ERR Script attempted to access keys";
    assert!(plain.starts_with(refusal), "{plain}");
    let durable = [&["DURABLE.CALL", "REPLICAS", "0"], &words[..]].concat();
    let reply = conn.call_text(&durable);
    assert!(reply == "$-1\r\n" || reply == plain, "{reply}");
}

#[test]
fn a_scripts_own_durable_commands_find_their_keys() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    let script = "return redis.call('DURABLE.CALL', 'REPLICAS', '0', 'INCR', ARGV[1])";
    let call = |key: &str| ["DURABLE.CALL", "EVAL", script, "1", &own, key].map(str::to_owned);
    let mut reply = |key: &str| {
        conn.send(&call(key));
        String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned()
    };
    assert_eq!(reply(&own), ":1\r\n");
    assert_eq!(reply(&own), ":2\r\n");
    let refused = reply(&foreign);
    assert!(refused.starts_with("-ERR "), "{refused}");
}

#[test]
fn a_script_whose_slot_moved_before_it_ran_is_told_to_try_again() {
    // Without replicas: with them, Valkey assigns a slot only once they have acknowledged that.
    let cluster = Cluster::start(2, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let key = key_of(&cluster, 0);
    let slot = cluster.slot_of(&key).to_string();
    let mut clients = [from.raw(), from.raw()];
    let script = ["DURABLE.CALL", "REPLICAS", "0", "EVAL", INCR, "1", &key];
    let give_away = ["CLUSTER", "SETSLOT", &slot, "NODE", cluster.id_of(to)];
    send_in_one_turn(from, &mut clients, &[&script, &give_away]);
    let [client, operator] = &mut clients;
    assert_eq!(operator.read_reply_bytes(), b"+OK\r\n");
    let reply = String::from_utf8_lossy(&client.read_reply_bytes()).into_owned();
    assert_eq!(
        reply,
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
    );
    let again = client.call_text(&script);
    assert!(again.starts_with("-MOVED "), "{again}");
    let keys: i64 = from.run(&["CLUSTER", "COUNTKEYSINSLOT", &slot]);
    assert_eq!(keys, 0, "nothing was executed");
}

#[test]
fn in_a_migrating_slot_it_is_redirected_or_told_to_try_again_and_runs_once() {
    let cluster = two_primaries();
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let key = key_of(&cluster, 0);
    let slot = cluster.slot_of(&key);
    let mut conn = from.raw();
    let words = ["DURABLE.CALL", "REPLICAS", "0", "EVAL", INCR, "1", &key];
    assert_eq!(conn.call_text(&words), ":1\r\n");
    cluster.begin_to_move(slot, from, to);
    assert_eq!(conn.call_text(&words), ":2\r\n", "the key is still here");
    let port = to.port().to_string();
    let moved: String = from.run(&["MIGRATE", "127.0.0.1", &port, &key, "0", "10000"]);
    assert_eq!(moved, "OK");
    let asked = conn.call_text(&words);
    assert!(asked.starts_with("-ASK "), "{asked}");
    let mut other = to.raw();
    assert!(other.call_text(&words).starts_with("-MOVED "));
    assert_eq!(say(&mut other, "ASKING"), "+OK\r\n");
    // The script runs after its handler, when nobody knows that the client had sent ASKING.
    let reply = other.call_text(&words);
    assert!(reply.starts_with("-TRYAGAIN "), "{reply}");
    let (number, id) = (slot.to_string(), cluster.id_of(to));
    for node in [to, from] {
        node.run::<()>(&["CLUSTER", "SETSLOT", &number, "NODE", id]);
    }
    assert_eq!(other.call_text(&words), ":3\r\n");
}

#[test]
fn a_replica_runs_no_script() {
    let cluster = two_primaries();
    let key = key_of(&cluster, 0);
    let replica: &Server = cluster.replicas_of(&cluster.nodes[0])[0];
    let mut conn = replica.raw();
    assert_eq!(say(&mut conn, "READONLY"), "+OK\r\n");
    let words = ["DURABLE.CALL", "EVAL", INCR, "1", &key];
    assert!(conn.call_text(&words).starts_with("-MOVED "));
    let keyless = conn.call_text(&["DURABLE.CALL", "EVAL", "return 1", "0"]);
    assert!(keyless.starts_with("-READONLY "), "{keyless}");
}
