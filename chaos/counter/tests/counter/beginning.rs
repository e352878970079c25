//! What is wrong at the start is said in plain words, with the exit code 2.

use std::net::TcpListener;

use testkit::{Cluster, Replicated, ReservedPort, Server};

use crate::program::{refusal, Program};

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_server_without_the_module_is_named() {
    let server = Server::builder().module(false).start();
    let text = refusal(&[&server.addr()], None);
    assert_says(
        &text,
        &[&server.addr(), "the redis-durable module is not loaded"],
    );
}

#[test]
fn missing_replicas_are_named() {
    let server = Server::builder().start();
    let text = refusal(&[&server.addr(), "--replicas", "2"], None);
    assert_says(
        &text,
        &[
            "NOREPLICAS 0 of 2 required replicas are connected; nothing was executed",
            "wait until its replicas are connected",
        ],
    );
}

#[test]
fn a_wrong_or_missing_password_is_named() {
    let server = Server::builder().config("requirepass", "secret").start();
    for password in [None, Some("wrong")] {
        let text = refusal(&[&server.addr()], password);
        assert_says(&text, &["set PASSWORD to the right password"]);
    }
}

#[test]
fn a_replica_is_no_place_to_count() {
    let servers = Replicated::start(1);
    let text = refusal(&[&servers.replicas[0].addr()], None);
    assert_says(&text, &["READONLY", "this is a replica: name the primary"]);
}

#[test]
fn of_several_addresses_the_one_that_answered_is_named() {
    let servers = Replicated::start(1);
    let (primary, replica) = (servers.primary.addr(), servers.replicas[0].addr());
    let port = ReservedPort::any();
    let nowhere = format!("127.0.0.1:{}", port.number());
    for order in [[&primary, &replica], [&replica, &primary]] {
        let text = refusal(&[order[0], order[1], "--replicas", "2"], None);
        assert_says(&text, &[&primary, "NOREPLICAS"]);
        assert!(!text.contains(&replica), "{text}");
    }
    for order in [[&nowhere, &replica], [&replica, &nowhere]] {
        let text = refusal(&[order[0], order[1]], None);
        assert_says(&text, &[&replica, "READONLY"]);
        assert!(!text.contains(&nowhere), "{text}");
    }
}

#[test]
fn counting_begins_at_whichever_address_is_the_primary() {
    let servers = Replicated::start(1);
    let (primary, replica) = (servers.primary.addr(), servers.replicas[0].addr());
    let program = Program::start(&[&replica, &primary, "--replicas", "1"]);
    program.wait_for_growth(&servers.primary);
    let ended = program.end();
    assert_eq!(ended.code, 0, "{}", ended.output);
}

#[test]
fn nobody_listens_and_nobody_is_a_sentinel() {
    let port = ReservedPort::any();
    let nowhere = format!("127.0.0.1:{}", port.number());
    assert_says(&refusal(&[&nowhere], None), &[&nowhere, "refused"]);
    let server = Server::builder().start();
    let text = refusal(&[&server.addr(), "--sentinel", "main"], None);
    assert_says(&text, &[&server.addr(), "this is not a Sentinel"]);
}

#[test]
fn a_server_that_does_not_answer_is_named_with_the_limit() {
    // The kernel accepts the connection, and nobody reads from it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let patience = ["--patience", "1"];
    let text = refusal(&[&[address.as_str()], &patience[..]].concat(), None);
    assert_says(&text, &[&address, "no answer within 1 s"]);
    assert!(!text.contains("TLS"), "{text}");
    for mode in ["--sentinel=main", "--cluster"] {
        let text = refusal(&[&[address.as_str(), mode], &patience[..]].concat(), None);
        assert_says(&text, &[&address, "no answer within 1 s"]);
    }
    let text = refusal(
        &[&[address.as_str(), "--tls"], &patience[..]].concat(),
        None,
    );
    assert_says(
        &text,
        &[&address, "no answer within", "is this a TLS port?"],
    );
}

#[test]
fn a_server_without_tls_is_asked_about() {
    let server = Server::builder().start();
    let text = refusal(&[&server.addr(), "--tls", "--patience", "1"], None);
    assert_says(&text, &[&server.addr(), "is this a TLS port?"]);
}

#[test]
fn cluster_mode_and_the_option_must_agree() {
    let server = Server::builder().start();
    let text = refusal(&[&server.addr(), "--cluster"], None);
    assert_says(&text, &["leave --cluster (CLUSTER=1) out"]);
    // A replica owns no slot, so it redirects every key.
    let cluster = Cluster::start(1, 1);
    let text = refusal(&[&cluster.nodes[1].addr()], None);
    assert_says(&text, &["MOVED", "add --cluster (CLUSTER=1)"]);
}
