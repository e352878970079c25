//! DURABLE.ONCE in a cluster: keys and redirections are those of the plain command, and a slot that
//! is moving executes nothing twice.

use crate::support::{key_of, say, two_primaries};

#[test]
fn it_is_redirected_as_the_plain_command_is() {
    let cluster = two_primaries();
    let (own, foreign) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut conn = cluster.nodes[0].raw();
    for id in ["id", "one-key?", "3 id", "no key"] {
        let mut once = |words: &[&str]| {
            conn.call_text(&[&["DURABLE.ONCE", id, "REPLICAS", "0"], words].concat())
        };
        assert_eq!(once(&["APPEND", &own, "x"]), once(&["APPEND", &own, "x"]));
        assert!(once(&["GET", &foreign]).starts_with("-MOVED "));
        assert!(once(&["MSET", &own, "1", &foreign, "2"]).starts_with("-CROSSSLOT "));
    }
    assert_eq!(say(&mut conn, &format!("STRLEN {own}")), ":4\r\n");
    let records: Vec<String> = cluster.nodes[0].run(&["KEYS", "durable:once:*"]);
    assert_eq!(records.len(), 4);
    for record in records {
        assert_eq!(cluster.slot_of(&record), cluster.slot_of(&own), "{record}");
    }
    for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
        let plain = say(&mut conn, &format!("COMMAND {question} SET k v"));
        let once = say(
            &mut conn,
            &format!("COMMAND {question} DURABLE.ONCE id TIMEOUT 5 SET k v"),
        );
        assert_eq!(once, plain);
    }
}

#[test]
fn while_a_slot_moves_a_new_id_is_told_to_try_again_and_a_record_is_answered() {
    let cluster = two_primaries();
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let tag = key_of(&cluster, 0);
    let slot = cluster.slot_of(&tag);
    let mut conn = from.raw();
    let key = format!("{{{tag}}}n");
    let old = format!("DURABLE.ONCE old REPLICAS 0 INCR {key}");
    let new = format!("DURABLE.ONCE new REPLICAS 0 INCR {key}");
    assert_eq!(say(&mut conn, &old), ":1\r\n");
    cluster.begin_to_move(slot, from, to);
    let try_again = "-TRYAGAIN ";
    assert_eq!(say(&mut conn, &old), ":1\r\n");
    assert!(say(&mut conn, &new).starts_with(try_again));
    // The key moves first, and its record stays behind.
    let move_key = |key: &str| {
        let port = to.port().to_string();
        from.run::<String>(&["MIGRATE", "127.0.0.1", &port, key, "0", "10000"])
    };
    assert_eq!(move_key(&key), "OK");
    let asked = say(&mut conn, &old);
    assert!(asked.starts_with("-ASK "), "{asked}");
    let mut other = to.raw();
    for line in [&old, &new] {
        assert_eq!(say(&mut other, "ASKING"), "+OK\r\n");
        let reply = say(&mut other, line);
        assert!(reply.starts_with(try_again), "{reply}");
    }
    let records: Vec<String> = from.run(&["KEYS", "durable:once:*"]);
    assert_eq!(move_key(&records[0]), "OK");
    assert_eq!(say(&mut other, "ASKING"), "+OK\r\n");
    assert_eq!(say(&mut other, &old), ":1\r\n");
    let (slot, id) = (slot.to_string(), cluster.id_of(to));
    for node in [to, from] {
        node.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", id]);
    }
    assert_eq!(say(&mut other, &old), ":1\r\n");
    assert_eq!(say(&mut other, &new), ":2\r\n");
}

#[test]
fn a_replica_answers_nothing() {
    let group = crate::support::replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "DURABLE.ONCE id INCR n");
    let replica = &group.replicas[0];
    let mut conn = replica.raw();
    let reply = say(&mut conn, "DURABLE.ONCE id INCR n");
    assert!(reply.starts_with("-READONLY "), "{reply}");
    replica.run::<()>(&["CONFIG", "SET", "replica-read-only", "no"]);
    for id in ["id", "new"] {
        let reply = say(&mut conn, &format!("DURABLE.ONCE {id} INCR n"));
        assert!(
            reply.starts_with("-READONLY DURABLE.ONCE needs a primary"),
            "{reply}"
        );
    }
}
