//! The module's log lines about replicas: one when the requirement can no longer be met, one when
//! it can be met again, and one for links that do not count. A write logs nothing.

use testkit::{eventually, FakeReplica, Replicated, Server};

use crate::support::{info, patient, say};

fn lines(server: &Server, text: &str) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains(text)).count()
}

const UNMET: &str =
    "the configured requirement cannot be met: 1 of 2 required replicas are connected";
const MET: &str = "the configured requirement can be met again: 2 replicas count, 2 required";

#[test]
fn a_lost_replica_is_one_line_and_its_return_another_with_what_happened_meanwhile() {
    let group = Replicated::builder()
        .replicas(2)
        .primary(|builder| builder.module_args(&["replicas", "2", "timeout-ms", "1"]))
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    eventually("the requirement to be met", || {
        say(&mut conn, "DURABLE.SET k v TIMEOUT 0") == "+OK\r\n"
    });
    // On a busy machine the replicas connect late, and the log has a line about it. A lost replica
    // is logged again only after the line about their return.
    eventually("the log line about the return of late replicas", || {
        lines(primary, "requirement cannot be met")
            == lines(primary, "requirement can be met again")
    });
    let before = lines(primary, UNMET);
    let met_before = lines(primary, MET);
    group.replicas[0].kill();
    eventually("the log line about the requirement", || {
        lines(primary, UNMET) == before + 1
    });
    for _ in 0..5 {
        let refused = say(&mut conn, "DURABLE.SET k v");
        assert!(refused.starts_with("-NOREPLICAS 1 of 2 "), "{refused}");
    }
    group.replicas[0].restart();
    eventually("the log line about the returned replica", || {
        lines(primary, MET) == met_before + 1
    });
    assert_eq!(lines(primary, UNMET), before + 1);
    let log = primary.log();
    let line = log
        .lines()
        .rfind(|line| line.contains(MET))
        .expect("no log line about the returned replica");
    assert!(
        line.contains("meanwhile 5 commands were refused (NOREPLICAS) and 0 given up (UNACKED)"),
        "{line}"
    );
}

#[test]
fn links_that_do_not_count_are_one_line_with_the_reasons() {
    let primary = patient(Server::builder()).start();
    info(&primary, "replicas_online");
    let _portless = FakeReplica::builder()
        .without_listening_port()
        .start(&primary);
    let silent = FakeReplica::start(&primary);
    let line = format!(
        "links that do not count as replicas: 127.0.0.1:0 (no listening port), 127.0.0.1:{} (loading); \
         see DURABLE.REPLICAS",
        silent.listening_port()
    );
    primary.wait_for_log(&line);
    assert_eq!(lines(&primary, &line), 1);
}

#[test]
fn a_setting_that_cannot_be_met_is_one_line() {
    let server = patient(Server::builder()).start();
    server.run::<()>(&["CONFIG", "SET", "durable.replicas", "majority"]);
    server.wait_for_log("the configured requirement cannot be met: durable.replicas is majority");
    server.run::<()>(&["CONFIG", "SET", "durable.replicas", "0"]);
    server
        .wait_for_log("the configured requirement can be met again: 0 replicas count, 0 required");
}
