//! Who may use DURABLE.ONCE: the permissions are those for DURABLE.CALL. The record's key needs
//! none.

use testkit::Server;

use crate::support::{say, user};

#[test]
fn the_user_needs_the_inner_command_and_its_keys_and_no_record() {
    let server = Server::builder().start();
    let mut conn = user(&server, "+durable.once +incr +get ~app:*");
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR app:n"),
        ":1\r\n"
    );
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR app:n"),
        ":1\r\n"
    );
    for line in ["INCR other", "DEL app:n", "SET durable:once:{x}:id v"] {
        let reply = say(&mut conn, &format!("DURABLE.ONCE no REPLICAS 0 {line}"));
        assert!(reply.starts_with("-NOPERM "), "{line}: {reply}");
    }
}

#[test]
fn a_user_who_may_not_run_the_command_gets_no_recorded_reply() {
    let server = Server::builder().start();
    let mut owner = server.raw();
    say(&mut owner, "SET secret v");
    assert_eq!(
        say(&mut owner, "DURABLE.ONCE id REPLICAS 0 GET secret"),
        "$1\r\nv\r\n"
    );
    for rules in ["+durable.once +get ~app:*", "+durable.once ~*"] {
        let mut conn = user(&server, rules);
        let reply = say(&mut conn, "DURABLE.ONCE id REPLICAS 0 GET secret");
        assert!(reply.starts_with("-NOPERM "), "{rules}: {reply}");
    }
    let mut conn = user(&server, "+durable.once +eval ~*");
    let script = "return redis.pcall('DURABLE.ONCE','id','REPLICAS','0','GET','secret')";
    let reply = conn.call_text(&["EVAL", script, "0"]);
    assert!(
        reply.starts_with('-') && !reply.contains("$1\r\nv"),
        "{reply}"
    );
}
