//! Scripts that append to a list, and the comparison of a durable script with the plain one.

use testkit::{RawConn, Server};

/// Appends its argument to the list.
pub const PUSH: &str = "return redis.call('RPUSH', KEYS[1], ARGV[1])";

/// Sends a script that appends `value` to the list.
pub fn script(client: &mut RawConn, script: &str, value: &str) {
    client.send(&[
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL",
        script,
        "1",
        "list",
        value,
    ]);
}

/// Reads one reply as text.
pub fn reply(client: &mut RawConn) -> String {
    String::from_utf8_lossy(&client.read_reply_bytes()).into_owned()
}

/// The list that the scripts append to.
pub fn list(server: &Server) -> Vec<String> {
    server.run(&["LRANGE", "list", "0", "-1"])
}

/// The plain command and DURABLE.CALL get the same reply, which is returned.
#[track_caller]
pub fn same(conn: &mut RawConn, words: &[&str]) -> String {
    let plain = conn.call_text(words);
    let durable = [&["DURABLE.CALL", "REPLICAS", "0"], words].concat();
    assert_eq!(conn.call_text(&durable), plain, "{words:?}");
    plain
}
