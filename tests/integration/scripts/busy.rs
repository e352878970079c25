//! Scripts that run for so long that the server answers BUSY to everybody else.

use testkit::differences::REPORTS_FSYNCS;
use testkit::{eventually, FakeReplica, RawConn, Server};

use crate::support::{
    connections, info, patient, replicated, say, send, settles, wait_for_waiters,
};

const FOR_EVER: &str = "while true do end";
/// Busy for seconds, long enough for a test on a busy machine to see it. (Scripts have no clock:
/// TIME stands still in newer servers.)
const LONG: &str = "for step = 1, 300000000 do end
    return redis.call('INCR', KEYS[1])";

fn busy_server() -> Server {
    patient(Server::builder())
        .config("busy-reply-threshold", "20")
        .start()
}

#[track_caller]
fn wait_until_busy(conn: &mut RawConn) {
    eventually("the server to be busy", || {
        say(conn, "GET k").starts_with("-BUSY ")
    });
}

#[track_caller]
fn wait_until_free(conn: &mut RawConn) {
    eventually("the server to be free", || {
        !say(conn, "GET k").starts_with("-BUSY ")
    });
}

/// Called in a handler, this script would kill the server.
#[test]
fn the_caller_of_a_busy_script_disconnects_and_the_server_lives() {
    let group = crate::support::builder(1)
        .primary(|builder| patient(builder).config("busy-reply-threshold", "20"))
        .start();
    let primary = &group.primary;
    let mut other = primary.raw();
    let library = "#!lua name=lib\nredis.register_function('f', function() while true do end end)";
    other.call_text(&["FUNCTION", "LOAD", library]);
    for (words, kill) in [
        (&["EVAL", FOR_EVER, "0"][..], "SCRIPT KILL"),
        (&["EVAL_RO", FOR_EVER, "0"][..], "SCRIPT KILL"),
        (&["FCALL", "f", "0"][..], "FUNCTION KILL"),
    ] {
        let mut caller = primary.raw();
        let id = caller.client_id();
        caller.send(&[&["DURABLE.CALL"], words].concat());
        wait_until_busy(&mut other);
        drop(caller);
        // The server notices it while the script runs.
        for _ in 0..20 {
            assert!(say(&mut other, "GET k").starts_with("-BUSY "));
        }
        assert_eq!(say(&mut other, kill), "+OK\r\n");
        wait_until_free(&mut other);
        eventually("the caller to be gone", || {
            !say(&mut other, "CLIENT LIST").contains(&format!("id={id} "))
        });
        assert_eq!(info(primary, "waiters"), 0);
    }
    settles(&group);
}

#[test]
fn the_caller_of_a_killed_script_gets_the_error_of_the_plain_command() {
    let server = busy_server();
    let mut clients = connections(&server, 2);
    let mut killed = |words: &[&str]| {
        let [caller, other] = &mut clients[..] else {
            panic!("two clients");
        };
        caller.send(words);
        wait_until_busy(other);
        assert_eq!(say(other, "SCRIPT KILL"), "+OK\r\n");
        String::from_utf8_lossy(&caller.read_reply_bytes()).into_owned()
    };
    let plain = killed(&["EVAL", FOR_EVER, "0"]);
    assert_eq!(
        killed(&["DURABLE.CALL", "REPLICAS", "0", "EVAL", FOR_EVER, "0"]),
        plain
    );
}

/// A script that has written cannot be killed. Its caller leaves, and its effect is kept.
#[test]
fn a_busy_script_that_has_written_ends_although_its_caller_has_left() {
    let server = busy_server();
    let mut clients = connections(&server, 2);
    let script = format!("redis.call('SET', KEYS[1], 1) {LONG}");
    let words = [
        "DURABLE.ONCE",
        "id",
        "REPLICAS",
        "0",
        "EVAL",
        &script,
        "1",
        "n",
    ];
    clients[0].send(&words);
    let mut other = clients.pop().expect("a client");
    wait_until_busy(&mut other);
    assert!(say(&mut other, "SCRIPT KILL").starts_with("-UNKILLABLE "));
    drop(clients);
    wait_until_free(&mut other);
    assert_eq!(say(&mut other, "GET n"), "$1\r\n2\r\n");
    // Whoever sends it again gets the reply.
    assert_eq!(other.call_text(&words), ":2\r\n");
    assert_eq!(say(&mut other, "GET n"), "$1\r\n2\r\n");
}

/// A report of a replica that arrives while a script of the module runs is not taken for a command
/// of the module.
#[test]
fn reports_of_fsyncs_are_heard_while_a_script_is_busy() {
    let server = busy_server();
    if !server.has(REPORTS_FSYNCS) {
        return;
    }
    let mut replica = FakeReplica::start(&server);
    server.run::<()>(&["SET", "first", "v"]);
    replica.wait_for_offset(server.offset());
    let mut clients = connections(&server, 3);
    eventually("the replica to count", || {
        let offset = replica.ack_what_was_read();
        replica.ack_fsynced(offset, 1);
        say(&mut clients[2], "DURABLE.WAIT TIMEOUT 5") == ":1\r\n"
    });
    send(&mut clients[0], "DURABLE.SET k v FSYNC 1");
    wait_for_waiters(&server, 1);
    let offset = server.offset();
    replica.wait_for_offset(offset);
    clients[1].send(&["DURABLE.CALL", "REPLICAS", "0", "EVAL", LONG, "1", "n"]);
    let mut other = clients.pop().expect("a client");
    wait_until_busy(&mut other);
    replica.ack_fsynced(offset, offset);
    // The server has read the report when it has answered a later command.
    assert!(say(&mut other, "GET k").starts_with("-BUSY "));
    assert_eq!(clients[0].read_reply_bytes(), b"+OK\r\n");
    assert_eq!(clients[1].read_reply_bytes(), b":1\r\n");
}

#[test]
fn other_clients_that_wait_are_released_after_a_busy_script() {
    let group = replicated(1);
    let mut clients = connections(&group.primary, 3);
    say(&mut clients[2], "CONFIG SET busy-reply-threshold 20");
    group.replicas[0].pause();
    send(&mut clients[0], "DURABLE.SET k v");
    wait_for_waiters(&group.primary, 1);
    clients[1].send(&["DURABLE.CALL", "EVAL", FOR_EVER, "0"]);
    wait_until_busy(&mut clients[2]);
    group.replicas[0].resume();
    assert!(say(&mut clients[2], "DURABLE.SET k w").starts_with("-BUSY "));
    assert_eq!(say(&mut clients[2], "SCRIPT KILL"), "+OK\r\n");
    assert_eq!(clients[0].read_reply_bytes(), b"+OK\r\n");
    assert!(clients[1].read_reply_bytes().starts_with(b"-ERR "));
    settles(&group);
}
