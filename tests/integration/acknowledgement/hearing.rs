//! Where the server tells who sends an acknowledgement, the module hears it and does not ask.

use testkit::{eventually, FakeReplica};

use crate::support::{info, patient, say, send, wait_for_waiters};

#[test]
fn a_replica_that_came_before_the_module_is_looked_at() {
    let group = testkit::Replicated::builder()
        .replicas(1)
        .module_on_replicas(false)
        .primary(|builder| {
            builder
                .module(false)
                .config("enable-module-command", "local")
        })
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    let path = testkit::module_path().display().to_string();
    assert_eq!(conn.call_text(&["MODULE", "LOAD", &path]), "+OK\r\n");
    for _ in 0..20 {
        assert_eq!(say(&mut conn, "DURABLE.SET k v TIMEOUT 0"), "+OK\r\n");
    }
}

#[test]
fn nobody_but_the_replica_itself_ends_a_wait() {
    let primary = patient(testkit::Server::builder()).start();
    info(&primary, "replicas_online");
    let mut fake = FakeReplica::start(&primary);
    primary.run::<()>(&["SET", "first", "v"]);
    fake.wait_for_offset(primary.offset());
    fake.ack_what_was_read();
    eventually("the replica to count", || {
        info(&primary, "replicas_online") == 1
    });
    let mut writer = primary.raw();
    send(&mut writer, "DURABLE.SET k v");
    wait_for_waiters(&primary, 1);
    // A client that says what the replica says, and acknowledges the whole stream.
    let mut liar = primary.raw();
    let port = fake.listening_port().to_string();
    let announced = liar.call_text(&["REPLCONF", "listening-port", &port]);
    assert_eq!(announced, "+OK\r\n");
    let end = primary.offset().to_string();
    for _ in 0..3 {
        // This command has no reply.
        send(&mut liar, &format!("REPLCONF ACK {end}"));
        assert_eq!(say(&mut liar, "PING"), "+PONG\r\n");
        assert_eq!(info(&primary, "waiters"), 1);
    }
    assert!(!writer.is_readable_now());
    fake.wait_for_offset(primary.offset());
    fake.ack_what_was_read();
    assert_eq!(writer.read_reply_bytes(), b"+OK\r\n");
}
