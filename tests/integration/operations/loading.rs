//! Loading the module: arguments of `loadmodule`, lines of redis.conf, MODULE LOAD.

use testkit::differences::REPORTS_FSYNCS;
use testkit::{module_path, Server};

use crate::support::{info, never_unloads, say, setting, unload_and_load_again};

#[test]
fn arguments_and_lines_of_the_configuration_file_are_settings() {
    let server = Server::builder()
        .module_args(&[
            "replicas",
            "ALL",
            "Timeout-Ms",
            "500",
            "expected-replicas",
            "2",
        ])
        .config("durable.max-waiters", "5")
        .config("durable.call-allow", "\"a.b c.d\"")
        .start();
    assert_eq!(setting(&server, "durable.replicas"), "all");
    assert_eq!(setting(&server, "durable.timeout-ms"), "500");
    assert_eq!(setting(&server, "durable.expected-replicas"), "2");
    assert_eq!(setting(&server, "durable.max-waiters"), "5");
    assert_eq!(setting(&server, "durable.call-allow"), "a.b c.d");
    let refused = say(&mut server.raw(), "DURABLE.SET k v");
    assert!(refused.starts_with("-NOREPLICAS 0 of 2 "), "{refused}");
}

#[test]
fn the_configuration_file_wins_over_the_arguments() {
    let server = Server::builder()
        .module_args(&["timeout-ms", "500", "replicas", "3"])
        .config("durable.timeout-ms", "700")
        .start();
    assert_eq!(setting(&server, "durable.timeout-ms"), "700");
    assert_eq!(setting(&server, "durable.replicas"), "3");
}

#[test]
fn arguments_and_changes_survive_a_rewrite_and_a_restart() {
    let server = Server::builder()
        .module_args(&["timeout-ms", "500", "replicas", "2"])
        .start();
    // `timeout-ms` is set to the module's default, which the argument has overridden. `replicas` is
    // set to a new value.
    for (name, other) in [
        ("durable.timeout-ms", "1000"),
        ("durable.replicas", "majority"),
    ] {
        server.run::<()>(&["CONFIG", "SET", name, other]);
    }
    assert_eq!(say(&mut server.raw(), "CONFIG REWRITE"), "+OK\r\n");
    server.restart();
    assert_eq!(setting(&server, "durable.timeout-ms"), "1000");
    assert_eq!(setting(&server, "durable.replicas"), "majority");
    // Back to the value of the argument.
    server.run::<()>(&["CONFIG", "SET", "durable.timeout-ms", "500"]);
    assert_eq!(say(&mut server.raw(), "CONFIG REWRITE"), "+OK\r\n");
    server.restart();
    assert_eq!(setting(&server, "durable.timeout-ms"), "500");
}

#[test]
fn a_bad_argument_refuses_the_load_and_the_log_says_why() {
    let names = "the names are replicas, replica-allow, call-allow, failover, failover-strict, \
                 expected-replicas, fsync, timeout-ms, max-waiters, max-waiters-per-user, \
                 once-ttl-ms, slothint-max-age-ms, failover-replicas";
    let cases: [(&[&str], &str); 11] = [
        (&["bogus", "1"], names),
        (&["durable.replicas", "1"], names),
        (
            &["replicas", "1001"],
            "the argument replicas 1001 is not accepted: it takes 0 to 1000, majority or all",
        ),
        (
            &["timeout-ms", "x"],
            "the argument timeout-ms x is not accepted: it takes 0 to 86400000",
        ),
        (
            &["timeout-ms", "-1"],
            "the argument timeout-ms -1 is not accepted: it takes 0 to 86400000",
        ),
        (
            &["max-waiters", "0"],
            "the argument max-waiters 0 is not accepted: it takes 1 to 1000000",
        ),
        (
            &["replicas", "1", "timeout-ms"],
            "the argument timeout-ms has no value",
        ),
        (&["slothint-max-age-ms", "60001"], "it takes 0 to 60000"),
        // As strict as CONFIG SET.
        (&["timeout-ms", "+5"], "it takes 0 to 86400000"),
        (&["timeout-ms", "007"], "it takes 0 to 86400000"),
        (
            &["replicas", "1", "Replicas", "2"],
            "the argument Replicas is given twice",
        ),
    ];
    for (arguments, reason) in cases {
        let Err(log) = Server::builder().module_args(arguments).try_start() else {
            panic!("a server started with {arguments:?}");
        };
        let line = log
            .lines()
            .find(|line| line.contains("<durable> not loaded: "));
        assert!(
            line.is_some_and(|line| line.contains(reason)),
            "{arguments:?}: {log}"
        );
    }
}

#[test]
fn a_command_that_the_server_lacks_has_no_durable_form() {
    let server = Server::builder()
        .config("rename-command", "LMOVE \"\"")
        .start();
    let mut conn = server.raw();
    let reply = say(&mut conn, "DURABLE.LMOVE a b LEFT LEFT");
    assert!(reply.starts_with("-ERR unknown command"), "{reply}");
    assert!(!say(&mut conn, "DURABLE.INCR n REPLICAS 0").starts_with("-ERR unknown command"));
    let log = server.log();
    assert!(
        log.contains("no DURABLE.LMOVE: this server has no LMOVE"),
        "{log}"
    );
}

#[test]
fn a_bad_line_of_the_configuration_file_refuses_the_start() {
    let cases = [
        ("durable.timeout-ms", "86400001", "durable.timeout-ms"),
        ("durable.replicas", "most", "durable.replicas"),
        // The server's own message, which does not name the setting.
        ("durable.nosuch", "1", "Module Configuration detected"),
    ];
    for (name, bad, reason) in cases {
        let Err(log) = Server::builder().config(name, bad).try_start() else {
            panic!("a server started with {name} {bad}");
        };
        assert!(log.contains(reason), "{name}: {log}");
    }
}

#[test]
fn fsync_as_an_argument_needs_a_server_that_knows_it() {
    let started = Server::builder()
        .module_args(&["replicas", "1", "fsync", "1"])
        .try_start();
    match started {
        Ok(server) => {
            assert!(server.has(REPORTS_FSYNCS));
            assert_eq!(setting(&server, "durable.fsync"), "1");
        }
        Err(log) => {
            assert!(!Server::builder().start().has(REPORTS_FSYNCS), "{log}");
            assert!(
                log.contains(
                    "the argument fsync 1 is not accepted: FSYNC needs Redis 7.2 or later"
                ),
                "{log}"
            );
        }
    }
}

#[test]
fn the_module_is_loaded_into_a_running_server_and_finds_its_replicas() {
    let group = testkit::Replicated::builder()
        .replicas(1)
        .module_on_replicas(false)
        .primary(|builder| builder.module(false))
        .start();
    let mut conn = group.primary.raw();
    let path = module_path().display().to_string();
    let loaded = conn.call_text(&["MODULE", "LOAD", &path, "timeout-ms", "0"]);
    assert_eq!(loaded, "+OK\r\n");
    assert_eq!(setting(&group.primary, "durable.timeout-ms"), "0");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    assert_eq!(say(&mut group.replicas[0].raw(), "GET k"), "$1\r\nv\r\n");
}

#[test]
fn a_load_that_is_refused_at_run_time_leaves_nothing_and_can_be_repeated() {
    let server = Server::builder().module(false).start();
    let path = module_path().display().to_string();
    let mut conn = server.raw();
    for _ in 0..3 {
        let refused = conn.call_text(&["MODULE", "LOAD", &path, "bogus", "1"]);
        assert!(
            refused.starts_with("-ERR Error loading the extension"),
            "{refused}"
        );
        assert!(say(&mut conn, "DURABLE.WAIT").starts_with("-ERR unknown command"));
    }
    assert_eq!(conn.call_text(&["MODULE", "LOAD", &path]), "+OK\r\n");
    assert_eq!(info(&server, "waiters"), 0);
    if never_unloads(&server) {
        return unload_and_load_again(&server);
    }
    for _ in 0..5 {
        assert_eq!(say(&mut conn, "MODULE UNLOAD durable"), "+OK\r\n");
        assert_eq!(conn.call_text(&["MODULE", "LOAD", &path]), "+OK\r\n");
    }
}

/// Users copy the example. It has to load as it is, to name every setting, and to show its default.
#[test]
fn the_example_configuration_loads_and_shows_every_default() {
    let example = include_str!("../../../redis.conf.example");
    let installed = "loadmodule /usr/local/lib/redis-durable/libredis_durable.so";
    let here = format!("loadmodule {}", module_path().display());
    assert!(
        example.contains(installed),
        "redis.conf.example does not load the module"
    );
    let mut file = tempfile::NamedTempFile::new().expect("cannot create a temporary file");
    std::io::Write::write_all(&mut file, example.replace(installed, &here).as_bytes())
        .expect("cannot write the temporary file");
    let path = file.path().to_str().expect("a path that is not UTF-8");
    let from_example = Server::builder()
        .module(false)
        .config("include", path)
        .start();
    let settings = |server: &Server| -> Vec<String> {
        let mut settings: Vec<String> = server.run(&["CONFIG", "GET", "durable.*"]);
        settings.sort();
        settings
    };
    assert_eq!(
        settings(&from_example),
        settings(&Server::builder().start())
    );
    let named = example.lines().filter(|line| line.starts_with("durable."));
    let all: Vec<String> = from_example.run(&["CONFIG", "GET", "durable.*"]);
    assert_eq!(named.count(), all.len() / 2, "{all:?}");
}
