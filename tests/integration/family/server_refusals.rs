//! Where the server itself refuses the plain command, the durable one gets the same error, and
//! nothing is executed: no memory, a failed save, min-replicas-to-write, a replica, a pause, a long
//! script, a load.

use std::fs;

use testkit::{eventually, RawConn};

use crate::support::{
    builder, command_info, family, get, info, replicated, say, send, wait_for_waiters,
};

/// Asserts that the plain command is refused with this code, and that its durable form and
/// DURABLE.CALL get the same error.
#[track_caller]
fn refused_alike(conn: &mut RawConn, line: &str, code: &str) {
    let plain = say(conn, line);
    assert!(plain.starts_with(code), "{line}: {plain}");
    assert_eq!(say(conn, &format!("DURABLE.{line}")), plain, "{line}");
    assert_eq!(say(conn, &format!("DURABLE.CALL {line}")), plain, "{line}");
}

#[test]
fn without_memory_what_the_plain_command_may_not_do_no_durable_one_does() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    for sample in family(primary) {
        say(&mut conn, "CONFIG SET maxmemory 0");
        sample.prepare(&mut conn);
        let before = say(&mut conn, "DEBUG DIGEST");
        say(&mut conn, "CONFIG SET maxmemory 1");
        let denies = command_info(primary, sample.name)
            .is_some_and(|command| command.flags.iter().any(|flag| flag == "denyoom"));
        if denies {
            refused_alike(&mut conn, &sample.plain(), "-OOM ");
            assert_eq!(say(&mut conn, "DEBUG DIGEST"), before, "{}", sample.name);
        } else {
            let reply = say(&mut conn, &sample.durable());
            assert!(!reply.starts_with('-'), "{}: {reply}", sample.name);
        }
    }
    say(&mut conn, "CONFIG SET maxmemory 0");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn a_script_that_may_write_without_memory_writes_durably_too() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "SET old v");
    say(&mut conn, "CONFIG SET maxmemory 1");
    for set in [
        "redis.pcall('SET', 'k', 'v')",
        "redis.pcall('DURABLE.SET', 'k', 'v', 'REPLICAS', '0')",
    ] {
        // The script may write by its flags, or because it has already written.
        for start in [
            "#!lua flags=allow-oom\nreturn",
            "redis.call('DEL', 'old') return",
        ] {
            let script = format!("{start} {set}");
            assert_eq!(
                conn.call_text(&["EVAL", &script, "0"]),
                "+OK\r\n",
                "{script}"
            );
        }
        let refused = conn.call_text(&["EVAL", &format!("return {set}"), "0"]);
        assert!(refused.starts_with("-OOM "), "{refused}");
    }
}

#[test]
fn with_too_few_good_replicas_the_server_itself_refuses_writes() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET min-replicas-to-write 2");
    refused_alike(&mut conn, "SET k v", "-NOREPLICAS ");
    refused_alike(&mut conn, "DEL k", "-NOREPLICAS ");
    let plain = say(&mut conn, "SET k v");
    // The server treats DURABLE.CALL as a write, whatever command it runs.
    assert_eq!(say(&mut conn, "DURABLE.CALL GET k"), plain);
    assert_eq!(say(&mut conn, "DURABLE.GET k"), "$-1\r\n");
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
}

#[test]
fn after_a_failed_save_writes_are_refused_as_plain_ones() {
    let group = builder(1)
        .primary(|builder| {
            builder
                .module_args(&["timeout-ms", "0"])
                .config("save", "3600 1000000")
        })
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    say(&mut conn, "SET old v");
    // A directory with the name of the snapshot makes the save fail.
    let path = primary.dir().join("dump.rdb");
    let _ = fs::remove_file(&path);
    fs::create_dir(path.clone()).expect("cannot create a directory");
    eventually("the save to fail", || {
        // The server refuses BGSAVE while the child process of a full synchronization runs.
        say(&mut conn, "BGSAVE");
        let state = primary.info("persistence");
        state
            .get("rdb_last_bgsave_status")
            .is_some_and(|status| status == "err")
    });
    refused_alike(&mut conn, "SET k v", "-MISCONF ");
    refused_alike(&mut conn, "DEL old", "-MISCONF ");
    let plain = say(&mut conn, "SET k v");
    assert_eq!(say(&mut conn, "DURABLE.CALL GET old"), plain);
    assert_eq!(say(&mut conn, "DURABLE.GET old"), "$1\r\nv\r\n");
    assert_eq!(say(&mut conn, "DBSIZE"), ":1\r\n");
    say(&mut conn, "CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn a_read_only_replica_refuses_writes_as_plain_ones_and_reads_by_name() {
    let group = replicated(1);
    let mut conn = group.replicas[0].raw();
    for sample in family(&group.replicas[0]) {
        let plain = say(&mut conn, &sample.plain());
        let durable = say(&mut conn, &sample.durable());
        if sample.name == "GET" {
            assert_eq!(
                durable,
                "-READONLY DURABLE.GET needs a primary, this is a replica\r\n"
            );
        } else {
            assert!(plain.starts_with("-READONLY "), "{plain}");
            assert_eq!(durable, plain, "{}", sample.name);
        }
        let called = say(&mut conn, &format!("DURABLE.CALL {}", sample.plain()));
        assert!(called.starts_with("-READONLY "), "{called}");
    }
    let refused = "-READONLY DURABLE.REPLICAS needs a primary, this is a replica\r\n";
    assert_eq!(say(&mut conn, "DURABLE.REPLICAS"), refused);
    assert!(say(&mut conn, "DURABLE.HELP").starts_with('*'));
}

#[test]
fn a_writable_replica_runs_nothing_durable() {
    let group = builder(1)
        .replica(|_, builder| builder.config("replica-read-only", "no"))
        .start();
    let mut conn = group.replicas[0].raw();
    let before = say(&mut conn, "DEBUG DIGEST");
    for sample in family(&group.replicas[0]) {
        let refused =
            |name: &str| format!("-READONLY {name} needs a primary, this is a replica\r\n");
        assert_eq!(
            say(&mut conn, &sample.durable()),
            refused(&format!("DURABLE.{}", sample.name))
        );
        let called = say(
            &mut conn,
            &format!("DURABLE.CALL REPLICAS 0 {}", sample.plain()),
        );
        assert_eq!(called, refused("DURABLE.CALL"));
    }
    assert_eq!(say(&mut conn, "DEBUG DIGEST"), before);
}

#[test]
fn a_replica_that_lost_its_primary_and_serves_no_stale_data_says_so() {
    let group = builder(1)
        .replica(|_, builder| builder.config("replica-serve-stale-data", "no"))
        .start();
    group.primary.kill();
    let mut conn = group.replicas[0].raw();
    eventually("the replica to notice the lost primary", || {
        say(&mut conn, "GET k").starts_with("-MASTERDOWN ")
    });
    let plain = say(&mut conn, "GET k");
    assert_eq!(say(&mut conn, "DURABLE.GET k"), plain);
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), plain);
    // The server treats DURABLE.CALL as a write, whatever command it runs.
    let write = say(&mut conn, "SET k v");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), write);
    assert_eq!(say(&mut conn, "DURABLE.CALL GET k"), write);
    assert!(say(&mut conn, "DURABLE.HELP").starts_with('*'));
}

#[test]
fn a_pause_of_writes_holds_them_and_every_call_back_and_lets_reads_through() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut operator = primary.raw();
    say(&mut operator, "SET k v");
    assert_eq!(say(&mut operator, "DURABLE.WAIT"), ":1\r\n");
    assert_eq!(say(&mut operator, "CLIENT PAUSE 86400000 WRITE"), "+OK\r\n");
    let mut held: Vec<RawConn> = Vec::new();
    for line in [
        "DURABLE.APPEND k w",
        "DURABLE.CALL APPEND k w",
        "DURABLE.CALL GET k",
        "DURABLE.DEL nokey",
    ] {
        let mut conn = primary.raw();
        send(&mut conn, line);
        held.push(conn);
        let count = held.len() as i64;
        eventually("the server to hold the command back", || {
            primary.info_number("clients", "blocked_clients") == count
        });
    }
    // The replica has everything, so a read does not wait.
    assert_eq!(say(&mut operator, "DURABLE.GET k"), "$1\r\nv\r\n");
    assert_eq!(info(primary, "waiters"), 0);
    assert!(held.iter_mut().all(|conn| !conn.is_readable_now()));
    assert_eq!(say(&mut operator, "CLIENT UNPAUSE"), "+OK\r\n");
    for conn in &mut held {
        let reply = conn.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
    }
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("vww"));
}

#[test]
fn with_the_append_only_file_on_a_pause_of_writes_does_not_kill_the_server() {
    let group = builder(1)
        .primary(|builder| {
            builder
                .module_args(&["timeout-ms", "0"])
                .config("appendonly", "yes")
        })
        .start();
    let primary = &group.primary;
    let mut operator = primary.raw();
    assert_eq!(say(&mut operator, "CLIENT PAUSE 86400000 WRITE"), "+OK\r\n");
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.CALL SET k v");
    eventually("the server to hold the command back", || {
        primary.info_number("clients", "blocked_clients") == 1
    });
    let mut reader = primary.raw();
    send(&mut reader, "DURABLE.GET k");
    reader.read_reply_bytes();
    assert_eq!(say(&mut operator, "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn while_a_script_runs_too_long_everybody_is_told_so() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut conn, mut busy, mut waiting) = (primary.raw(), primary.raw(), primary.raw());
    say(&mut conn, "CONFIG SET busy-reply-threshold 1");
    group.replicas[0].pause();
    send(&mut waiting, "DURABLE.SET before v");
    wait_for_waiters(primary, 1);
    busy.send(&["EVAL", "while true do end", "0"]);
    eventually("the script to exceed its time", || {
        say(&mut conn, "GET k").starts_with("-BUSY ")
    });
    refused_alike(&mut conn, "SET k v", "-BUSY ");
    refused_alike(&mut conn, "GET k", "-BUSY ");
    let plain = say(&mut conn, "GET k");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), plain);
    group.replicas[0].resume();
    assert_eq!(say(&mut conn, "SCRIPT KILL"), "+OK\r\n");
    assert!(busy.read_reply_bytes().starts_with(b"-"));
    assert_eq!(waiting.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn while_the_server_loads_its_data_it_says_so() {
    let group = builder(1)
        .primary(|builder| {
            builder
                .module_args(&["timeout-ms", "0"])
                .config("loading-process-events-interval-bytes", "1024")
        })
        .start();
    let primary = &group.primary;
    let (mut conn, mut reloading, mut waiting) = (primary.raw(), primary.raw(), primary.raw());
    say(&mut conn, "DEBUG POPULATE 2000 key 200");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    group.replicas[0].pause();
    send(&mut waiting, "DURABLE.SET before v");
    wait_for_waiters(primary, 1);
    say(&mut conn, "CONFIG SET key-load-delay 1000");
    send(&mut reloading, "DEBUG RELOAD");
    eventually("the server to load", || {
        say(&mut conn, "GET k").starts_with("-LOADING ")
    });
    let plain = say(&mut conn, "GET k");
    // The server answers these commands itself. The load is still running.
    for line in [
        "DURABLE.GET k",
        "DURABLE.SET k v",
        "DURABLE.CALL GET k",
        "DURABLE.WAIT",
    ] {
        assert_eq!(say(&mut conn, line), plain, "{line}");
    }
    assert!(say(&mut conn, "DURABLE.HELP").starts_with('*'));
    assert!(
        !waiting.is_readable_now(),
        "answered without an acknowledgement"
    );
    let reloaded = say(&mut conn, "CONFIG SET key-load-delay 0");
    assert!(
        reloaded == "+OK\r\n" || reloaded.starts_with("-LOADING "),
        "{reloaded}"
    );
    assert_eq!(reloading.read_reply_bytes(), b"+OK\r\n");
    group.replicas[0].resume();
    assert_eq!(waiting.read_reply_bytes(), b"+OK\r\n");
    say(&mut conn, "CONFIG SET key-load-delay 0");
    assert_eq!(get(&group.replicas[0], "before").as_deref(), Some("v"));
}
