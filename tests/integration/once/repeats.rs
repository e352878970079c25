//! DURABLE.ONCE sent again: nothing is executed, and the recorded reply comes, once the requirement
//! of the retry is met.

use testkit::{encode_command, RawConn, Server};

use crate::support::{connections, info, patient, replicated, say, send, wait_for_waiters};

/// Sends a command twice with the same id. Both replies are the same, byte for byte.
fn twice(conn: &mut RawConn, id: &str, words: &[&str]) -> String {
    let command = [&["DURABLE.ONCE", id, "REPLICAS", "0"], words].concat();
    let first = conn.call_text(&command);
    assert_eq!(conn.call_text(&command), first, "{words:?}");
    first
}

#[test]
fn a_command_is_executed_once_and_its_reply_is_repeated_in_both_protocols() {
    let server = Server::builder().start();
    for protocol in [2, 3] {
        let mut conn = server.raw();
        if protocol == 3 {
            conn.hello3();
        }
        say(&mut conn, "FLUSHALL");
        for (place, line) in [
            "SET k v",
            "SET k w GET",
            "SET k w NX",
            "GET none",
            "INCR n",
            "INCRBYFLOAT f 0.5",
            "APPEND k x",
            "MGET k none n",
            "RPUSH l a b c",
            "LPOP l",
            "LRANGE l 0 -1",
            "LRANGE none 0 -1",
            "LPOP none 2",
            "SADD s a b",
            "SMEMBERS s",
            "SPOP s",
            "HSET h f v g w",
            "HGETALL h",
            "HRANDFIELD h 2 WITHVALUES",
            "ZADD z 1.5 a inf b -3 c",
            "ZADD z INCR 0.1 a",
            "ZSCORE z a",
            "ZRANGE z 0 -1 WITHSCORES",
            "ZPOPMIN z",
            "XADD x * f v",
            "XRANGE x - +",
            "XREAD COUNT 1 STREAMS x 0",
            "XREAD COUNT 1 STREAMS x 99999999999999",
            "EXPIRE k 100",
            "GEOADD g 13.361389 38.115556 p",
            "BITFIELD b INCRBY u8 0 7 OVERFLOW FAIL INCRBY u2 0 9",
            "OBJECT ENCODING k",
            "RENAME k j",
        ]
        .into_iter()
        .enumerate()
        {
            let words: Vec<&str> = line.split(' ').collect();
            let reply = twice(&mut conn, &format!("{protocol}-{place}"), &words);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
        assert_eq!(say(&mut conn, "LLEN l"), ":2\r\n");
        assert_eq!(say(&mut conn, "XLEN x"), ":1\r\n");
    }
    assert_eq!(info(&server, "once_total"), 66);
    assert_eq!(info(&server, "once_repeated_total"), 66);
}

#[test]
fn over_the_other_protocol_version_the_reply_is_converted() {
    let server = Server::builder().start();
    let (mut two, mut three) = (server.raw(), server.raw());
    three.hello3();
    say(&mut two, "HSET h f v");
    say(&mut two, "ZADD z 1.5 a");
    for (command, in_2, in_3) in [
        (
            "HGETALL h",
            "*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
            "%1\r\n$1\r\nf\r\n$1\r\nv\r\n",
        ),
        ("ZSCORE z a", "$3\r\n1.5\r\n", ",1.5\r\n"),
        ("GET none", "$-1\r\n", "_\r\n"),
    ] {
        let line = |id: &str| format!("DURABLE.ONCE {id} REPLICAS 0 {command}");
        let (a, b) = (command.replace(' ', ""), command.replace(' ', "-"));
        assert_eq!(say(&mut three, &line(&a)), in_3);
        assert_eq!(say(&mut two, &line(&a)), in_2);
        assert_eq!(say(&mut two, &line(&b)), in_2);
        let converted = say(&mut three, &line(&b));
        // RESP2 does not tell a map from an array, nor a double from a string.
        assert!(converted == in_3 || converted == in_2, "{converted}");
    }
}

#[test]
fn the_id_belongs_to_one_command_with_its_arguments() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCRBY n 2"),
        ":2\r\n"
    );
    // The name's case and the options may differ.
    assert_eq!(
        say(&mut conn, "durable.once id TIMEOUT 5 REPLICAS 0 incrby n 2"),
        ":2\r\n"
    );
    let other = "-ERR this id was used for another command; nothing was executed\r\n";
    for command in ["INCRBY n 3", "DECRBY n 2", "GET n", "DEL n"] {
        let reply = say(&mut conn, &format!("DURABLE.ONCE id REPLICAS 0 {command}"));
        assert_eq!(reply, other, "{command}");
    }
    // Another database is another place.
    say(&mut conn, "SELECT 1");
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCRBY n 2"),
        ":2\r\n"
    );
    say(&mut conn, "SELECT 0");
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n2\r\n");
}

#[test]
fn an_error_of_the_command_is_not_recorded() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    say(&mut conn, "SET k text");
    for _ in 0..2 {
        let reply = say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR k");
        assert_eq!(reply, say(&mut conn, "INCR k"));
    }
    say(&mut conn, "SET k 1");
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR k"),
        ":2\r\n"
    );
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR k"),
        ":2\r\n"
    );
}

#[test]
fn what_it_does_not_take_is_refused_and_nothing_is_executed() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let long = "i".repeat(65);
    let bad_id = "-ERR DURABLE.ONCE takes an id of 1 to 64 bytes; nothing was executed\r\n";
    let arity = "-ERR wrong number of arguments for 'durable.once' command\r\n";
    assert_eq!(conn.call_text(&["DURABLE.ONCE", "", "INCR", "n"]), bad_id);
    assert_eq!(
        conn.call_text(&["DURABLE.ONCE", &long, "INCR", "n"]),
        bad_id
    );
    assert_eq!(say(&mut conn, "DURABLE.ONCE id"), arity);
    assert_eq!(say(&mut conn, "DURABLE.ONCE id REPLICAS 0"), arity);
    for (line, reply) in [
        ("DBSIZE", "-ERR DURABLE.ONCE needs a command with a key; nothing was executed\r\n"),
        ("FLUSHALL", "-ERR DURABLE.ONCE needs a command with a key; nothing was executed\r\n"),
        ("CONFIG GET x", "-ERR 'CONFIG' is not a data command, DURABLE.ONCE takes commands that read or write data; nothing was executed\r\n"),
        ("DURABLE.INCR n", "-ERR 'DURABLE.INCR' is not a data command, DURABLE.ONCE takes commands that read or write data; nothing was executed\r\n"),
        ("SCRIPT FLUSH n", "-ERR 'SCRIPT' is not a data command, DURABLE.ONCE takes commands that read or write data; nothing was executed\r\n"),
        ("NOSUCH n", "-ERR unknown command 'NOSUCH', with args beginning with: 'n' \r\n"),
        (
            "REPLICAS 0 INCR n",
            "-ERR REPLICAS is given twice, it is taken once; nothing was executed\r\n",
        ),
    ] {
        let refused = say(&mut conn, &format!("DURABLE.ONCE id REPLICAS 0 {line}"));
        assert_eq!(refused, reply, "{line}");
    }
    let bytes = [
        &b"DURABLE.ONCE"[..],
        b"\xff\0 id",
        b"REPLICAS",
        b"0",
        b"INCR",
        b"n",
    ];
    conn.send_bytes(&encode_command(&bytes));
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn a_large_reply_is_not_kept() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    say(&mut conn, "SETRANGE k 70000 x");
    let reply = say(&mut conn, "DURABLE.ONCE id REPLICAS 0 GETDEL k");
    assert_eq!(reply.len(), 70_011);
    let kept_not = "-ERR executed before; its reply of 70011 bytes was not kept\r\n";
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 GETDEL k"),
        kept_not
    );
}

#[test]
fn twenty_connections_with_one_id_make_one_execution_and_get_one_reply() {
    let group = replicated(1);
    group.replicas[0].pause();
    let mut clients = connections(&group.primary, 20);
    for client in &mut clients {
        send(client, "DURABLE.ONCE id TIMEOUT 0 INCR n");
    }
    wait_for_waiters(&group.primary, 20);
    group.replicas[0].resume();
    for client in &mut clients {
        assert_eq!(client.read_reply_bytes(), b":1\r\n");
    }
    assert_eq!(info(&group.primary, "once_total"), 1);
    assert_eq!(info(&group.primary, "once_repeated_total"), 19);
}

#[test]
fn a_retry_waits_for_its_own_requirement() {
    let group = crate::support::builder(1).primary(patient).start();
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    for _ in 0..2 {
        let reply = say(&mut conn, "DURABLE.ONCE id TIMEOUT 5 INCR n");
        assert!(reply.starts_with("-UNACKED 0 of 1 "), "{reply}");
    }
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n"),
        ":1\r\n"
    );
    let refused = say(&mut conn, "DURABLE.ONCE id REPLICAS 2 INCR n");
    assert!(refused.starts_with("-NOREPLICAS 1 of 2 "), "{refused}");
    send(&mut conn, "DURABLE.ONCE id INCR n");
    wait_for_waiters(&group.primary, 1);
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn in_transactions_and_scripts_it_works_without_waiting() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for expected in ["*2\r\n:1\r\n$1\r\n1\r\n", "*2\r\n:1\r\n$1\r\n1\r\n"] {
        say(&mut conn, "MULTI");
        say(&mut conn, "DURABLE.ONCE a REPLICAS 0 INCR n");
        say(&mut conn, "GET n");
        assert_eq!(say(&mut conn, "EXEC"), expected);
    }
    let script = "return redis.call('DURABLE.ONCE','b','REPLICAS','0','INCR',KEYS[1])";
    for _ in 0..2 {
        assert_eq!(conn.call_text(&["EVAL", script, "1", "m"]), ":1\r\n");
    }
    say(&mut conn, "MULTI");
    say(&mut conn, "DURABLE.ONCE c INCR n");
    let reply = say(&mut conn, "EXEC");
    assert!(
        reply.contains("DURABLE.ONCE cannot wait inside MULTI"),
        "{reply}"
    );
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}
