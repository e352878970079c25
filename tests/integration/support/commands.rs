//! Sending commands and reading replies.

use testkit::{RawConn, Server};

/// Sends one command, given as words in a line, and returns the reply as text.
#[track_caller]
pub fn say(conn: &mut RawConn, line: &str) -> String {
    send(conn, line);
    String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned()
}

/// Sends one command, given as words in a line.
pub fn send(conn: &mut RawConn, line: &str) {
    conn.send(&line.split_whitespace().collect::<Vec<_>>());
}

/// Sends a command on each connection. The server reads all of them in one turn of its event loop,
/// in this order.
#[track_caller]
pub fn send_in_one_turn(server: &Server, clients: &mut [RawConn], commands: &[&[&str]]) {
    // The server reads connections in the order in which they became readable. The one that it read
    // last may still be in its list when it is stopped. So that one has to be the first.
    for client in clients.iter_mut().rev() {
        assert_eq!(say(client, "ECHO here"), "$4\r\nhere\r\n");
    }
    server.pause();
    for (client, command) in clients.iter_mut().zip(commands) {
        client.send(command);
    }
    server.resume();
}

/// The bytes of several commands, each given as words in a line.
pub fn packet(lines: &[&str]) -> Vec<u8> {
    let encode = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        testkit::encode_command(&words)
    };
    lines.iter().flat_map(encode).collect()
}

/// Connections that the server has accepted.
#[track_caller]
pub fn connections(server: &Server, count: usize) -> Vec<RawConn> {
    (0..count)
        .map(|_| {
            let mut conn = server.raw();
            assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
            conn
        })
        .collect()
}

/// The value of a key, or `None`.
#[track_caller]
pub fn get(server: &Server, key: &str) -> Option<String> {
    server.run(&["GET", key])
}
