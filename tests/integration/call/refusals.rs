//! Commands that DURABLE.CALL refuses before anything is executed: commands that are not data
//! commands, those that manage scripts, the module's own commands, and commands of other modules
//! that `durable.call-allow` does not name.

use testkit::differences::HAS_VECTOR_SETS;
use testkit::{RawConn, Server};

use crate::support::{
    all_commands, info, never_unloads, replicated, say, unload_and_load_again, CommandInfo,
};

fn not_data(name: &str) -> String {
    format!(
        "-ERR '{name}' is not a data command, DURABLE.CALL takes commands that read or write data; \
         nothing was executed\r\n"
    )
}

fn other_modules(name: &str) -> String {
    format!(
        "-ERR '{name}' is another module's command, and durable.call-allow does not name it; \
         nothing was executed\r\n"
    )
}

/// The commands that run a script: they run from the event loop.
const RUNS_SCRIPT: [&str; 6] = [
    "eval",
    "evalsha",
    "eval_ro",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
];

/// The expected refusal by the server's description of the command, `None` for a command that runs.
fn expected_refusal(name: &str, info: &CommandInfo) -> Option<String> {
    let flag = |name: &str| info.flags.iter().any(|flag| flag == name);
    let outer = name.split('|').next().expect("an empty name");
    let manages_scripts = ["script", "function"].contains(&outer);
    if RUNS_SCRIPT.contains(&name) {
        None
    } else if manages_scripts
        || !flag("readonly") && !flag("write")
        || flag("admin")
        || flag("pubsub")
        || name == "migrate"
        || name == "lolwut"
        || ["durable.", "slothint"]
            .iter()
            .any(|own| name.starts_with(own))
    {
        Some(not_data(outer))
    } else if flag("module") {
        Some(other_modules(outer))
    } else {
        None
    }
}

/// A command with as many arguments as its arity needs. Most are wrong, and the command says so.
fn line(name: &str, info: &CommandInfo, word: &str) -> Vec<String> {
    let mut words: Vec<String> = name.split('|').map(str::to_owned).collect();
    let wanted = usize::try_from(info.arity.abs()).expect("an arity");
    while words.len() < wanted {
        words.push(word.to_owned());
    }
    words
}

fn call(conn: &mut RawConn, words: &[String]) -> String {
    let mut all = vec!["DURABLE.CALL"];
    all.extend(words.iter().map(String::as_str));
    conn.call_text(&all)
}

#[test]
fn every_command_of_the_server_either_runs_or_is_refused_before_anything_is_executed() {
    let group = replicated(1);
    let primary = &group.primary;
    // The server's PINGs to its replicas would move the offset that is compared here.
    primary.run::<()>(&["CONFIG", "SET", "repl-ping-replica-period", "3600"]);
    let mut conn = primary.raw();
    let (mut refused, mut ran) = (0, 0);
    for (name, command) in all_commands(primary) {
        if name == "command" {
            // COMMAND has subcommands and also runs without one. The next test is about it.
            continue;
        }
        if !command.subcommands.is_empty() {
            // Without a subcommand the server answers an error.
            let reply = call(&mut conn, std::slice::from_ref(&name));
            assert!(reply.starts_with("-ERR "), "{name}: {reply}");
            continue;
        }
        for word in ["k", "1", "0"] {
            let words = line(&name, &command, word);
            let expected = expected_refusal(&name, &command);
            if expected.is_some() {
                // From 7.4 on fields of hashes can expire and change the digest.
                say(&mut conn, "FLUSHALL");
            }
            say(&mut conn, "SET kept v");
            let before = (say(&mut conn, "DEBUG DIGEST"), primary.offset());
            let reply = call(&mut conn, &words);
            match expected {
                Some(expected) => {
                    assert_eq!(reply, expected, "{words:?}");
                    let after = (say(&mut conn, "DEBUG DIGEST"), primary.offset());
                    assert_eq!(after, before, "{words:?}");
                    refused += 1;
                }
                None => {
                    assert!(
                        !reply.contains("; nothing was executed"),
                        "{words:?}: {reply}"
                    );
                    ran += 1;
                }
            }
        }
    }
    assert!(refused > 300 && ran > 300, "{refused} refused, {ran} ran");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    let digests =
        [primary, &group.replicas[0]].map(|server| say(&mut server.raw(), "DEBUG DIGEST"));
    assert_eq!(digests[0], digests[1]);
    assert_eq!(info(primary, "waiters"), 0);
}

#[test]
fn a_command_that_has_subcommands_and_runs_without_is_refused_both_ways() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for line in ["COMMAND", "COMMAND COUNT", "COMMAND GETKEYS GET k"] {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {line}")),
            not_data("COMMAND"),
            "{line}"
        );
    }
}

#[test]
fn an_administrators_commands_are_refused_in_any_spelling() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for (words, name) in [
        ("CONFIG SET maxmemory 1", "CONFIG"),
        ("config get *", "config"),
        ("Shutdown NOW", "Shutdown"),
        ("MULTI", "MULTI"),
        ("EXEC", "EXEC"),
        ("DISCARD", "DISCARD"),
        ("WATCH k", "WATCH"),
        ("SUBSCRIBE c", "SUBSCRIBE"),
        ("PUBLISH c m", "PUBLISH"),
        ("SPUBLISH c m", "SPUBLISH"),
        ("MONITOR", "MONITOR"),
        ("WAIT 1 0", "WAIT"),
        ("AUTH x", "AUTH"),
        ("HELLO 3", "HELLO"),
        ("CLIENT KILL TYPE normal", "CLIENT"),
        ("CLIENT PAUSE 100000", "CLIENT"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF"),
        ("SLAVEOF NO ONE", "SLAVEOF"),
        ("FAILOVER", "FAILOVER"),
        ("DEBUG SEGFAULT", "DEBUG"),
        ("DEBUG SLEEP 1000", "DEBUG"),
        ("MIGRATE 127.0.0.1 1 k 0 1000", "MIGRATE"),
        ("MODULE UNLOAD durable", "MODULE"),
        ("SYNC", "SYNC"),
        ("PSYNC ? -1", "PSYNC"),
        ("REPLCONF ACK 9999999", "REPLCONF"),
        ("SELECT 1", "SELECT"),
        ("QUIT", "QUIT"),
        ("RESET", "RESET"),
        ("PING", "PING"),
        ("ACL SETUSER x on", "ACL"),
        ("SAVE", "SAVE"),
        ("BGREWRITEAOF", "BGREWRITEAOF"),
        ("LATENCY RESET", "LATENCY"),
        ("SLOWLOG RESET", "SLOWLOG"),
        ("PFDEBUG ENCODING k", "PFDEBUG"),
    ] {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {words}")),
            not_data(name),
            "{words}"
        );
        let line = format!("DURABLE.CALL TIMEOUT 0 REPLICAS 1 {words}");
        assert_eq!(say(&mut conn, &line), not_data(name), "{line}");
    }
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn commands_that_manage_scripts_are_refused() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let script = "return redis.call('SET', 'k', 'v')";
    let digest = conn.call_text(&["SCRIPT", "LOAD", script]);
    let sha = digest
        .lines()
        .nth(1)
        .expect("SCRIPT LOAD without a digest")
        .to_owned();
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    for line in [
        &["SCRIPT", "FLUSH"][..],
        &["SCRIPT", "LOAD", script],
        &["SCRIPT", "KILL"],
        &["FUNCTION", "FLUSH"],
        &["FUNCTION", "LOAD", library],
    ] {
        let words: Vec<String> = line.iter().map(|word| word.to_string()).collect();
        assert_eq!(call(&mut conn, &words), not_data(line[0]), "{line:?}");
    }
    assert_eq!(
        say(&mut conn, &format!("SCRIPT EXISTS {sha}")),
        "*1\r\n:1\r\n"
    );
    assert_eq!(say(&mut conn, "FUNCTION LIST"), "*0\r\n");
}

#[test]
fn durable_commands_are_refused_however_often_they_are_nested() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for line in [
        "DURABLE.SET k v",
        "durable.get k",
        "DURABLE.CALL SET k v",
        "DURABLE.WAIT",
        "DURABLE.REPLICAS",
        "DURABLE.HELP",
    ] {
        let name = line.split(' ').next().expect("an empty name");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {line}")),
            not_data(name)
        );
    }
    let words = vec!["DURABLE.CALL"; 50_000];
    assert_eq!(conn.call_text(&words), not_data("DURABLE.CALL"));
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
}

#[test]
fn another_modules_commands_run_if_the_setting_names_them() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    if !group.primary.has(HAS_VECTOR_SETS) {
        // These servers come without a second module. The unit tests of core/ check the rule.
        return;
    }
    let add = "VADD vectors VALUES 2 1.0 0.5 element";
    assert_eq!(
        say(&mut conn, &format!("DURABLE.CALL {add}")),
        other_modules("VADD")
    );
    assert_eq!(
        say(&mut conn, "DURABLE.CALL vcard vectors"),
        other_modules("vcard")
    );
    assert_eq!(say(&mut conn, "EXISTS vectors"), ":0\r\n");
    // A part of a name does not allow the command.
    for setting in ["vad", "vaddx", "vcard vsim"] {
        conn.call_text(&["CONFIG", "SET", "durable.call-allow", setting]);
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {add}")),
            other_modules("VADD")
        );
    }
    assert_eq!(
        conn.call_text(&["CONFIG", "SET", "durable.call-allow", "vcard VADD"]),
        "+OK\r\n"
    );
    assert_eq!(
        say(&mut conn, &format!("DURABLE.CALL REPLICAS 1 {add}")),
        ":1\r\n"
    );
    assert_eq!(say(&mut conn, "DURABLE.CALL VCARD vectors"), ":1\r\n");
    assert_eq!(say(&mut group.replicas[0].raw(), "VCARD vectors"), ":1\r\n");
    // The setting does not allow the module's own commands.
    conn.call_text(&["CONFIG", "SET", "durable.call-allow", "durable.set config"]);
    assert_eq!(
        say(&mut conn, "DURABLE.CALL DURABLE.SET k v"),
        not_data("DURABLE.SET")
    );
    assert_eq!(
        say(&mut conn, "DURABLE.CALL CONFIG GET x"),
        not_data("CONFIG")
    );
    assert_eq!(
        say(&mut conn, "DURABLE.CALL VCARD vectors"),
        other_modules("VCARD")
    );
}

#[test]
fn what_was_found_out_about_a_command_is_forgotten_when_modules_come_and_go() {
    // This module is unloaded and loaded again, and its registry of commands with it.
    let server = Server::builder().start();
    if never_unloads(&server) {
        return unload_and_load_again(&server);
    }
    let mut conn = server.raw();
    for _ in 0..3 {
        assert_eq!(say(&mut conn, "DURABLE.CALL REPLICAS 0 SET k v"), "+OK\r\n");
        assert_eq!(
            say(&mut conn, "DURABLE.CALL REPLICAS 0 CONFIG GET x"),
            not_data("CONFIG")
        );
        assert_eq!(say(&mut conn, "MODULE UNLOAD durable"), "+OK\r\n");
        let path = testkit::module_path().display().to_string();
        assert_eq!(conn.call_text(&["MODULE", "LOAD", &path]), "+OK\r\n");
    }
}
