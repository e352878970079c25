//! The ACL categories of the commands, and the log line on servers that put no module commands into
//! categories.

use std::collections::BTreeSet;

use testkit::differences::{ADDS_MODULE_CATEGORIES, PUTS_MODULE_COMMANDS_INTO_CATEGORIES};
use testkit::Server;

use crate::support::{command_info, family, replicated, say, user};

const ALSO: [&str; 9] = [
    "durable.call",
    "durable.wait",
    "durable.replicas",
    "durable.help",
    "durable.set",
    "slothint",
    "slothint.map",
    "slothint.slots",
    "slothint.watch",
];

fn has_categories(server: &Server) -> bool {
    server.has(PUTS_MODULE_COMMANDS_INTO_CATEGORIES)
}

fn has_own_category(server: &Server) -> bool {
    server.has(ADDS_MODULE_CATEGORIES)
}

#[test]
fn commands_are_in_the_categories_of_the_plain_ones() {
    let server = Server::builder().start();
    let categories = |name: &str| -> BTreeSet<String> {
        let found = command_info(&server, name)
            .unwrap_or_else(|| panic!("the server has no command {name}"));
        found.categories.into_iter().collect()
    };
    for sample in family(&server) {
        let mut expected = categories(sample.name);
        if has_own_category(&server) {
            expected.insert("durable".to_owned());
        }
        let shown = categories(&format!("durable.{}", sample.name));
        if has_categories(&server) {
            assert_eq!(shown, expected, "{}", sample.name);
        }
    }
    if has_categories(&server) {
        assert!(categories("durable.call").contains("write"));
        assert!(categories("slothint").contains("fast"));
        for name in ["slothint.map", "slothint.slots", "slothint.watch"] {
            assert!(categories(name).contains("slow"), "{name}");
        }
        for (name, plain) in [("durable.wait", "wait"), ("durable.replicas", "role")] {
            let mut expected = categories(plain);
            if has_own_category(&server) {
                expected.insert("durable".to_owned());
            }
            assert_eq!(categories(name), expected, "{name}");
        }
    }
}

#[test]
fn the_category_of_the_module_names_all_of_its_commands() {
    let server = Server::builder().start();
    let listed = server.try_run::<BTreeSet<String>>(&["ACL", "CAT", "durable"]);
    if !has_own_category(&server) {
        assert!(listed.is_err(), "{listed:?}");
        return;
    }
    let listed = listed.expect("ACL CAT durable failed");
    let family = family(&server)
        .into_iter()
        .map(|sample| format!("durable.{}", sample.name.to_lowercase()));
    for name in family.chain(ALSO.map(str::to_owned)) {
        assert!(listed.contains(&name), "{name} is not in {listed:?}");
    }
    // A rule with the category allows or denies all of them.
    let mut conn = user(&server, "~* +@all -@durable");
    for line in [
        "DURABLE.GET k",
        "DURABLE.CALL GET k",
        "DURABLE.WAIT",
        "DURABLE.HELP",
    ] {
        assert!(say(&mut conn, line).starts_with("-NOPERM "), "{line}");
    }
    let mut conn = user(&server, "~* +@durable");
    assert!(say(&mut conn, "DURABLE.HELP").starts_with('*'));
    assert!(
        say(&mut conn, "DURABLE.GET k REPLICAS 0").starts_with("-NOPERM "),
        "allowed without +get"
    );
}

#[test]
fn rules_by_category_bind_the_family_where_the_server_has_categories() {
    let group = replicated(1);
    if !has_categories(&group.primary) {
        return;
    }
    let mut conn = user(&group.primary, "~* +@all -@write");
    for line in [
        "DURABLE.SET k v",
        "DURABLE.CALL SET k v",
        "DURABLE.XADD k * f v",
        "DURABLE.CALL GET k",
    ] {
        assert!(say(&mut conn, line).starts_with("-NOPERM "), "{line}");
    }
    assert!(!say(&mut conn, "DURABLE.GET k").starts_with('-'));
    let mut conn = user(&group.primary, "~* +@all -@read");
    assert!(say(&mut conn, "DURABLE.GET k").starts_with("-NOPERM "));
    assert!(say(&mut conn, "DURABLE.CALL GET k").starts_with("-NOPERM "));
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn who_may_not_administer_may_not_list_the_replicas() {
    let group = replicated(1);
    let primary = &group.primary;
    if !has_categories(primary) {
        return;
    }
    for rules in [
        "~* +@all -@admin",
        "~* +@all -@dangerous",
        "~* +@read +@write +@slow",
    ] {
        let mut conn = user(primary, rules);
        let plain = say(&mut conn, "ROLE");
        let durable = say(&mut conn, "DURABLE.REPLICAS");
        assert!(plain.starts_with("-NOPERM "), "{rules}: {plain}");
        assert!(durable.starts_with("-NOPERM "), "{rules}: {durable}");
    }
    let mut conn = user(primary, "+@admin");
    assert!(say(&mut conn, "DURABLE.REPLICAS").starts_with("*1\r\n"));
}

#[test]
fn where_there_are_no_categories_the_log_says_how_to_deny_a_command() {
    let group = replicated(1);
    let primary = &group.primary;
    let log = primary.log();
    let warned = log
        .lines()
        .filter(|line| line.contains("into no ACL categories"));
    let warned: Vec<&str> = warned.collect();
    if has_categories(primary) {
        assert_eq!(warned.len(), 0, "{log}");
        return;
    }
    assert_eq!(warned.len(), 1, "{log}");
    let rule = "-durable.replicas";
    assert!(warned[0].contains(rule), "{}", warned[0]);
    let mut conn = user(primary, &format!("~* +@all -@admin -@dangerous {rule}"));
    assert!(say(&mut conn, "DURABLE.REPLICAS").starts_with("-NOPERM "));
    assert!(!say(&mut conn, "DURABLE.SET k v").starts_with('-'));
}
