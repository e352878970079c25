//! DURABLE.CALL with unknown, removed and renamed commands. It answers unknown names like the
//! server, and judges a renamed command by what it is, not by its name.

use testkit::{RawConn, Server};

use crate::support::{info, patient, replicated, say};

/// Asserts that DURABLE.CALL answers an unknown command like the server.
#[track_caller]
fn answered_alike(conn: &mut RawConn, words: &[&[u8]]) {
    let plain = conn.call(words);
    assert!(plain.starts_with(b"-ERR unknown "), "{words:?}");
    let durable = [&[&b"DURABLE.CALL"[..]], words].concat();
    let reply = conn.call(&durable);
    assert_eq!(
        reply.escape_ascii().to_string(),
        plain.escape_ascii().to_string()
    );
}

#[test]
fn what_the_server_does_not_know_is_refused_in_its_own_words() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let long = vec![b'x'; 1000];
    let cases: [&[&[u8]]; 11] = [
        &[b"NOSUCH"],
        &[b"NOSUCH", b"with", b"arguments"],
        &[b"durable.nosuch", b"k"],
        &[b"XINFO", b"NOSUCH", b"k"],
        &[b"config", b"nosuch"],
        &[b"Config|get", b"port"],
        &[b"%s%n", b"k"],
        &[b"\xff\r\n-OK", b"\r\n", b""],
        &[&long, &long, b"k"],
        &[b"NOSUCH", &long[..100], &long[..30], b"k"],
        &[b"XINFO", &long],
    ];
    for words in cases {
        answered_alike(&mut conn, words);
    }
    assert_eq!(say(&mut conn, "DURABLE.CALL SET k v"), "+OK\r\n");
}

/// The server hashes all bytes of a subcommand's name, but compares them only up to a null byte. So
/// some names with a null byte find a command that COMMAND INFO does not find.
#[test]
fn a_name_with_a_null_byte_in_it_is_called_by_no_spelling() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    let port = primary.port().to_string();
    for number in 0..150 {
        let cases: [(&str, &str, &[&str], &str); 5] = [
            ("CONFIG", "GET", &["port"], "CONFIG"),
            ("client", "KILL", &["SKIPME", "no"], "CLIENT"),
            ("Function", "FLUSH", &[], "FUNCTION"),
            ("SCRIPT", "flush", &[], "SCRIPT"),
            ("CLIENT", "REPLY", &["OFF"], "CLIENT"),
        ];
        for (name, sub, rest, shown) in cases {
            let spelt = match number {
                0 => format!("{sub}\0"),
                _ => format!("{sub}\0{number}"),
            };
            let mut words = vec!["DURABLE.CALL", "REPLICAS", "0", name, &spelt];
            words.extend(rest);
            assert_eq!(
                conn.call_text(&words),
                format!("-ERR unknown subcommand '{sub}'. Try {shown} HELP.\r\n"),
                "{number}"
            );
        }
        let words = ["DURABLE.CALL", &format!("GET\0{number}"), "k"];
        let reply = conn.call_text(&words);
        assert!(reply.starts_with("-ERR unknown command 'GET', "), "{reply}");
    }
    let kept: Vec<String> = primary.run(&["CONFIG", "GET", "port"]);
    assert_eq!(kept[1], port);
    assert_eq!(info(primary, "waiters_peak"), 0);
}

fn renamed(line: &'static str) -> (testkit::Replicated, RawConn) {
    let group = testkit::Replicated::builder()
        .replicas(1)
        .primary(move |builder| patient(builder).config("rename-command", line))
        .start();
    let conn = group.primary.raw();
    (group, conn)
}

#[test]
fn a_command_that_was_removed_is_unknown() {
    let (_group, mut conn) = renamed("FLUSHALL \"\"");
    say(&mut conn, "SET k v");
    let unknown = say(&mut conn, "FLUSHALL");
    assert!(unknown.starts_with("-ERR unknown command"), "{unknown}");
    assert_eq!(say(&mut conn, "DURABLE.CALL FLUSHALL"), unknown);
    assert_eq!(say(&mut conn, "EXISTS k"), ":1\r\n");
}

#[test]
fn a_command_that_was_renamed_is_what_it_was() {
    for (line, call) in [
        ("CONFIG STRLEN2", "STRLEN2 GET x"),
        ("MIGRATE carry", "carry 127.0.0.1 1 k 0 10"),
        ("LOLWUT art", "art"),
    ] {
        let (_group, mut conn) = renamed(line);
        say(&mut conn, "SET k v");
        let name = call.split(' ').next().unwrap_or_default();
        let refused = format!(
            "-ERR '{name}' is not a data command, DURABLE.CALL takes commands that read or write data; \
             nothing was executed\r\n"
        );
        assert_eq!(say(&mut conn, &format!("DURABLE.CALL {call}")), refused);
        assert_eq!(say(&mut conn, "EXISTS k"), ":1\r\n");
    }
    let (_group, mut conn) = renamed("STRLEN length");
    say(&mut conn, "SET k v");
    assert_eq!(say(&mut conn, "DURABLE.CALL length k"), ":1\r\n");
}

/// The module needs these commands to read acknowledgements, to end waits and to judge commands.
#[test]
fn a_server_without_the_commands_that_the_module_needs_does_not_load_it() {
    for name in ["ROLE", "CLIENT", "COMMAND"] {
        let started = Server::builder()
            .config("rename-command", &format!("{name} \"\""))
            .try_start();
        let Err(log) = started else {
            panic!("a server without {name} started");
        };
        let why = format!(
            "not loaded: the module needs the server's command {name}, which was renamed or disabled"
        );
        assert!(log.contains(&why), "{log}");
    }
}
