//! COMMAND GETKEYS of a DURABLE.CALL returns the keys of the inner command. These tests run without
//! cluster mode.

use testkit::Server;

use crate::support::{family, say};

/// Commands with their keys in many different places.
const KEYED: &[&str] = &[
    "GET a",
    "MSET a 1 b 2",
    "DEL a b c",
    "OBJECT ENCODING a",
    "XINFO STREAM a",
    "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
    "ZUNION 2 a b",
    "LMPOP 2 a b LEFT",
    "BLMPOP 0 2 a b LEFT",
    "SORT a BY w_* GET # STORE d",
    "XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "BITOP AND d a b",
    "GEORADIUS a 1 1 1 km STORE d",
    "SINTERCARD 2 a b LIMIT 1",
    "SMOVE a b m",
    "COPY a b",
    "SET TIMEOUT REPLICAS",
    "MEMORY USAGE a",
    "PFMERGE d a b",
    "SUNIONSTORE d a b",
];

#[test]
fn its_keys_are_those_of_the_inner_command_wherever_they_stand() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let family = family(&server);
    let family: Vec<String> = family.iter().map(|sample| sample.plain()).collect();
    let lines = family
        .iter()
        .map(String::as_str)
        .chain(KEYED.iter().copied());
    for line in lines {
        for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let plain = say(&mut conn, &format!("COMMAND {question} {line}"));
            assert!(plain.starts_with('*'), "{line}: {plain}");
            for options in ["", "TIMEOUT 0", "REPLICAS MAJORITY FSYNC 1 TIMEOUT 5"] {
                let durable = format!("COMMAND {question} DURABLE.CALL {options} {line}");
                assert_eq!(say(&mut conn, &durable), plain, "{durable}");
            }
        }
    }
}

#[test]
fn a_line_without_keys_has_none() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for line in [
        "DBSIZE",
        "TIMEOUT",
        "TIMEOUT x",
        "REPLICAS 1",
        "NOSUCHCOMMAND k",
        "DURABLE.SET k v",
        "DURABLE.CALL DURABLE.CALL GET k",
        "GET",
        "XREAD STREAMS",
        "ZUNIONSTORE d 99999999 a",
        "ZUNIONSTORE d -1 a",
        "LMPOP x a",
    ] {
        let reply = say(&mut conn, &format!("COMMAND GETKEYS DURABLE.CALL {line}"));
        assert!(
            reply.starts_with("-ERR ") || reply == "*0\r\n",
            "{line}: {reply}"
        );
    }
    // DURABLE.CALL nested very deeply: the search for keys does not recurse.
    let mut words = vec!["COMMAND", "GETKEYS"];
    words.resize(100_000, "DURABLE.CALL");
    let reply = conn.call_text(&words);
    assert!(reply.starts_with("-ERR ") || reply == "*0\r\n", "{reply}");
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
}
