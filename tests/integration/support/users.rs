//! ACL users.

use testkit::{RawConn, Server};

use crate::support::say;

/// A connection of a user with exactly these rules.
pub fn user(server: &Server, rules: &str) -> RawConn {
    let mut operator = server.raw();
    let line = format!("ACL SETUSER limited reset on nopass {rules}");
    assert_eq!(say(&mut operator, &line), "+OK\r\n", "{line}");
    let mut conn = server.raw();
    assert_eq!(say(&mut conn, "AUTH limited any"), "+OK\r\n");
    conn
}
