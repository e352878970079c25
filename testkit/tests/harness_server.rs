//! Tests of the kit: one server, from its start to its end, and its connections.

#![forbid(unsafe_code)]

use redis::Commands;
use testkit::{eventually, server_has_setting, Role, Server};

fn plain() -> Server {
    Server::builder().module(false).start()
}

#[test]
fn two_servers_live_side_by_side_and_answer() {
    let (one, other) = (plain(), plain());
    assert_ne!(one.port(), other.port());
    let _: () = one.conn().set("k", "v").expect("SET");
    let there: Option<String> = other.conn().get("k").expect("GET");
    assert_eq!(there, None);
    assert_eq!(one.role(), Role::Primary);
    assert_eq!(one.info("server")["tcp_port"], one.port().to_string());
    assert_eq!(
        one.info_number("server", "process_id"),
        i64::from(one.pid())
    );
}

#[test]
fn configuration_lines_win_over_the_defaults_of_the_kit() {
    let server = Server::builder()
        .module(false)
        .config("save", "3600 1")
        .config("maxmemory", "77mb")
        .start();
    assert_eq!(
        server.run::<Vec<String>>(&["CONFIG", "GET", "save"])[1],
        "3600 1"
    );
    let (_, memory): (String, u64) = server.run(&["CONFIG", "GET", "maxmemory"]);
    assert_eq!(memory, 77 * 1024 * 1024);
}

#[test]
fn a_server_that_refuses_to_start_leaves_its_log() {
    // With the second setting the server listens for a moment before it ends.
    for (name, value) in [
        ("no-such-setting", "1"),
        ("loadmodule", "/no-such-module.so"),
    ] {
        let started = Server::builder()
            .module(false)
            .config(name, value)
            .try_start();
        let log = started.err().expect("the server started");
        assert!(log.contains(name) || log.contains(value), "{log}");
    }
}

#[test]
fn the_server_itself_tells_which_settings_it_has() {
    assert!(server_has_setting("maxmemory"));
    assert!(!server_has_setting("no-such-setting"));
}

#[test]
fn the_version_is_that_of_the_running_server() {
    let server = plain();
    let version = server.version();
    assert_eq!(
        server.version_in_info(),
        format!("{}.{}.{}", version.major, version.minor, version.patch)
    );
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() {
    let server = plain();
    let mut raw = server.raw();
    assert_eq!(raw.call(&["PING"]), b"+PONG\r\n");
    server.pause();
    assert!(server.is_alive());
    raw.send(&["PING"]);
    assert!(!raw.is_readable_now());
    server.resume();
    assert_eq!(raw.read_reply_bytes(), b"+PONG\r\n");
}

#[test]
fn a_killed_server_is_gone_and_comes_back_with_its_files() {
    let server = Server::builder()
        .module(false)
        .config("appendonly", "yes")
        .config("appendfsync", "always")
        .start();
    let _: () = server.conn().set("k", "v").expect("SET");
    let (port, pid) = (server.port(), server.pid());
    let mut raw = server.raw();
    server.kill();
    assert!(!server.is_alive());
    assert_eq!(raw.read_until_closed(), b"");
    server.restart();
    assert!(server.is_alive());
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    let kept: String = server.conn().get("k").expect("GET");
    assert_eq!(kept, "v");
}

#[test]
fn a_running_server_is_restarted_in_order_even_when_it_is_paused() {
    let server = plain();
    server.pause();
    server.restart();
    assert_eq!(server.raw().call(&["PING"]), b"+PONG\r\n");
    server.wait_for_log("User requested shutdown");
    server.shutdown();
    assert!(!server.is_alive());
}

#[test]
fn dropping_the_handle_ends_the_process() {
    let server = plain();
    let (pid, directory) = (server.pid(), server.dir().to_path_buf());
    drop(server);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!directory.exists());
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = std::thread::spawn(plain)
        .join()
        .expect("the server did not start");
    // join() returns after the thread has ended. A parent-death signal would have arrived by now.
    assert_eq!(server.raw().call(&["PING"]), b"+PONG\r\n");
    assert!(server.is_alive());
}

#[test]
fn both_protocols_are_to_be_had() {
    let server = plain();
    let info = |mut connection: redis::Connection| -> String {
        redis::cmd("CLIENT")
            .arg("INFO")
            .query(&mut connection)
            .expect("CLIENT INFO")
    };
    assert!(info(server.conn()).contains("resp=2"));
    assert!(info(server.conn3()).contains("resp=3"));
}

#[test]
fn raw_connections_show_replies_byte_by_byte() {
    let server = plain();
    let mut raw = server.raw();
    assert_eq!(raw.call(&["SET", "k", "v"]), b"+OK\r\n");
    assert_eq!(raw.call(&["GET", "none"]), b"$-1\r\n");
    // A pipeline: replies are read one by one, even if they arrived together.
    raw.send_bytes(b"*1\r\n$4\r\nPING\r\nECHO a\r\n");
    assert_eq!(raw.read_reply_bytes(), b"+PONG\r\n");
    assert_eq!(raw.read_exact(4), b"$1\r\n");
    assert_eq!(raw.read_exact(3), b"a\r\n");
    raw.hello3();
    assert_eq!(raw.call(&["GET", "none"]), b"_\r\n");
    assert_eq!(raw.call(&["CONFIG", "GET", "port"]).first(), Some(&b'%'));
    let id = raw.client_id();
    let listed: String = server.run(&["CLIENT", "LIST", "ID", &id.to_string()]);
    assert!(
        listed.contains(&format!("addr={}", raw.local_addr())),
        "{listed}"
    );
}

#[test]
fn a_connection_closed_by_the_server_is_readable_and_ends() {
    let server = plain();
    let mut raw = server.raw();
    let id = raw.client_id();
    assert!(!raw.is_readable_now());
    server.run::<i64>(&["CLIENT", "KILL", "ID", &id.to_string()]);
    eventually("the end of the connection to arrive", || {
        raw.is_readable_now()
    });
    assert_eq!(raw.read_until_closed(), b"");
}
