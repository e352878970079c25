//! Each command of the family has the arity, flags and keys of the plain command.

use testkit::Server;

use crate::support::{command_info, family, replicated, say};

/// The flags without those that a module cannot set: the server computes them.
fn comparable(flags: &[String]) -> Vec<&str> {
    let mut kept: Vec<&str> = flags
        .iter()
        .map(String::as_str)
        .filter(|flag| !["module", "movablekeys"].contains(flag))
        .collect();
    kept.sort_unstable();
    kept
}

#[test]
fn every_command_has_the_arity_flags_and_key_positions_of_the_plain_one() {
    let server = Server::builder().start();
    for sample in family(&server) {
        let plain = command_info(&server, sample.name).expect("the server has no such command");
        let name = format!("durable.{}", sample.name.to_lowercase());
        let durable = command_info(&server, &name)
            .unwrap_or_else(|| panic!("the server has no command {name}"));
        // With options the arity is a minimum.
        let arity = match sample.takes_options {
            true => -plain.arity.abs(),
            false => plain.arity,
        };
        assert_eq!(durable.arity, arity, "{name}");
        assert_eq!(
            comparable(&durable.flags),
            comparable(&plain.flags),
            "{name}"
        );
        assert_eq!(durable.keys, plain.keys, "{name}");
    }
}

#[test]
fn the_keys_of_a_line_are_those_of_the_plain_line() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for sample in family(&server) {
        for options in ["", " TIMEOUT 0 REPLICAS 1"] {
            if !sample.takes_options && !options.is_empty() {
                continue;
            }
            let plain = say(&mut conn, &format!("COMMAND GETKEYS {}", sample.plain()));
            let line = format!("COMMAND GETKEYS {}{options}", sample.durable());
            assert!(plain.starts_with('*'), "{plain}");
            assert_eq!(say(&mut conn, &line), plain, "{line}");
        }
    }
}

#[test]
fn what_is_done_to_the_keys_is_told_as_for_the_plain_command() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for sample in family(&server) {
        let plain = say(
            &mut conn,
            &format!("COMMAND GETKEYSANDFLAGS {}", sample.plain()),
        );
        let durable = say(
            &mut conn,
            &format!("COMMAND GETKEYSANDFLAGS {}", sample.durable()),
        );
        // The sample of SET has no GET: with it the server flags the plain command's key as read,
        // too.
        assert_eq!(durable, plain, "{}", sample.name);
    }
}

#[test]
fn too_few_arguments_are_a_wrong_number_of_them() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for sample in family(&group.primary) {
        let name = format!("durable.{}", sample.name.to_lowercase());
        let wrong = format!("-ERR wrong number of arguments for '{name}' command\r\n");
        assert_eq!(say(&mut conn, &name), wrong);
    }
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
}

#[test]
fn each_twin_that_the_module_has_is_tested() {
    let server = Server::builder().start();
    let tested: Vec<String> = family(&server)
        .iter()
        .map(|sample| format!("durable.{}", sample.name.to_ascii_lowercase()))
        .collect();
    let list = ["COMMAND", "LIST", "FILTERBY", "MODULE", "durable"];
    let names: Vec<String> = server.run(&list);
    let others = [
        "durable.once",
        "durable.call",
        "durable.wait",
        "durable.replicas",
        "durable.failover",
        "durable.help",
    ];
    let twins = names.iter().filter(|name| name.starts_with("durable."));
    for name in twins.filter(|name| !others.contains(&name.as_str())) {
        assert!(tested.contains(name), "{name} has no sample");
    }
}
