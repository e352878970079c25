//! The recipes of docs/operations/acl.md: what each user may do and may not
//! do. The rules are read from the page.

use testkit::differences::PUTS_MODULE_COMMANDS_INTO_CATEGORIES;
use testkit::{RawConn, Server};

use crate::support::say;

const PAGE: &str = include_str!("../../../docs/operations/acl.md");

/// The ACL SETUSER command on the page whose rules contain `part`.
#[track_caller]
fn recipe(part: &str) -> &'static str {
    let mut spans = PAGE.split('`');
    spans
        .find(|span| span.starts_with("ACL SETUSER ") && span.contains(part))
        .unwrap_or_else(|| panic!("no recipe contains {part}"))
}

/// A server, and a connection of the user of the recipe that contains `part`.
fn with(part: &str) -> (Server, RawConn) {
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let line = recipe(part);
    assert_eq!(say(&mut server.raw(), line), "+OK\r\n", "{line}");
    let name = line.split_whitespace().nth(2).unwrap_or_default();
    let mut conn = server.raw();
    assert_eq!(say(&mut conn, &format!("AUTH {name} secret")), "+OK\r\n");
    (server, conn)
}

#[track_caller]
fn may(conn: &mut RawConn, line: &str) {
    let reply = say(conn, line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

#[track_caller]
fn may_not(conn: &mut RawConn, line: &str) {
    let reply = say(conn, line);
    assert!(reply.starts_with("-NOPERM "), "{line}: {reply}");
}

#[test]
fn a_user_of_some_keys_and_two_durable_commands_may_do_nothing_else() {
    let (_server, mut conn) = with("~app:*");
    may(&mut conn, "DURABLE.SET app:1 v");
    may(&mut conn, "DURABLE.GET app:1");
    may_not(&mut conn, "DURABLE.SET other v");
    may_not(&mut conn, "DURABLE.DEL app:1");
    may_not(&mut conn, "DURABLE.REPLICAS");
    // The page says that no ACL rule can forbid this.
    may(&mut conn, "SET app:1 v");
}

#[test]
fn a_user_of_nearly_everything_may_not_see_the_replicas_or_pose_as_one() {
    let (_server, mut conn) = with("-durable.replicas");
    may(&mut conn, "DURABLE.SET k v");
    may(&mut conn, "DURABLE.CALL GET k");
    may_not(&mut conn, "DURABLE.REPLICAS");
    may_not(&mut conn, "REPLCONF ACK 1");
}

#[test]
fn a_reader_may_read_durably_and_write_nothing() {
    let (_server, mut conn) = with("%R~*");
    may(&mut conn, "DURABLE.GET k");
    may(&mut conn, "GET k");
    may_not(&mut conn, "DURABLE.SET k v");
    may_not(&mut conn, "SET k v");
}

#[test]
fn a_writer_by_category_has_the_durable_writes_where_module_commands_have_categories() {
    let (server, mut conn) = with("+@write");
    may(&mut conn, "SET k v");
    if !server.has(PUTS_MODULE_COMMANDS_INTO_CATEGORIES) {
        may_not(&mut conn, "DURABLE.SET k v");
        let by_name = format!("{} +durable.set +durable.del", recipe("+@write"));
        assert_eq!(say(&mut server.raw(), &by_name), "+OK\r\n");
    }
    may(&mut conn, "DURABLE.SET k v");
    may(&mut conn, "DURABLE.DEL k");
}
