//! Access control: the family and DURABLE.CALL refuse a user what the plain command refuses, with
//! the same error.

use crate::support::{family, info, replicated, say, user};

#[test]
fn a_user_who_may_not_run_the_plain_command_may_not_run_its_twin() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut operator = primary.raw();
    for sample in family(primary) {
        sample.prepare(&mut operator);
        let before = say(&mut operator, "DEBUG DIGEST");
        let mut conn = user(primary, &format!("~* &* +@all -{}", sample.name));
        let plain = say(&mut conn, &sample.plain());
        assert!(plain.starts_with("-NOPERM "), "{plain}");
        assert_eq!(say(&mut conn, &sample.durable()), plain);
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {}", sample.plain())),
            plain
        );
        assert_eq!(
            say(&mut operator, "DEBUG DIGEST"),
            before,
            "{}",
            sample.name
        );
    }
    assert_eq!(info(primary, "waiters_peak"), 0);
}

#[test]
fn a_user_who_may_run_the_plain_command_alone_may_not_run_its_twin() {
    let group = replicated(1);
    let primary = &group.primary;
    for sample in family(primary) {
        let mut conn = user(primary, &format!("~* &* +{}", sample.name));
        for (line, name) in [
            (
                sample.durable(),
                format!("durable.{}", sample.name.to_lowercase()),
            ),
            (
                format!("DURABLE.CALL {}", sample.plain()),
                "durable.call".to_owned(),
            ),
        ] {
            let reply = say(&mut conn, &line);
            assert!(reply.starts_with("-NOPERM "), "{line}: {reply}");
            assert!(reply.to_lowercase().contains(&name), "{line}: {reply}");
        }
    }
    assert_eq!(say(&mut primary.raw(), "DBSIZE"), ":0\r\n");
}

#[test]
fn keys_that_the_plain_command_may_not_touch_are_not_touched() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut operator = primary.raw();
    for sample in family(primary) {
        sample.prepare(&mut operator);
        let before = say(&mut operator, "DEBUG DIGEST");
        // The user may access other keys only, or only the first of several keys.
        for pattern in ["~other:*", "~k"] {
            let mut conn = user(primary, &format!("{pattern} +@all"));
            let plain = {
                say(&mut conn, "MULTI");
                let queued = say(&mut conn, &sample.plain());
                say(&mut conn, "DISCARD");
                queued
            };
            if !plain.starts_with('-') {
                continue;
            }
            assert!(plain.starts_with("-NOPERM "), "{plain}");
            assert_eq!(say(&mut conn, &sample.durable()), plain, "{pattern}");
            let call = format!("DURABLE.CALL {}", sample.plain());
            assert_eq!(say(&mut conn, &call), plain, "{pattern}");
            assert_eq!(
                say(&mut operator, "DEBUG DIGEST"),
                before,
                "{}",
                sample.name
            );
        }
    }
    assert_eq!(info(primary, "waiters_peak"), 0);
}

#[test]
fn permissions_to_read_and_to_write_are_those_of_the_plain_command() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut operator = primary.raw();
    let other_lines = [
        "SET k v GET",
        "SET k v NX",
        "GETSET k v",
        "COPY k k2",
        "SORT k BY w_*",
        "SORT k STORE k2",
        "BITFIELD k GET u8 0",
        "BITFIELD k SET u8 0 1",
        "OBJECT ENCODING k",
        "ZUNIONSTORE k2 1 k",
        "LMOVE k k2 LEFT LEFT",
        "STRLEN k",
    ];
    let family = family(primary);
    let lines = family.iter().map(|sample| sample.plain());
    let lines: Vec<String> = lines.chain(other_lines.map(str::to_owned)).collect();
    let (mut refused, mut allowed) = (0, 0);
    for rules in ["%R~*", "%W~*", "%R~k %W~k2", "%W~k %R~k2", "~k"] {
        for line in &lines {
            say(&mut operator, "FLUSHALL");
            let mut conn = user(primary, &format!("{rules} +@all"));
            let plain = say(&mut conn, line);
            say(&mut operator, "FLUSHALL");
            let named = line.split(' ').next().expect("an empty line");
            if family.iter().any(|sample| sample.name == named) {
                assert_eq!(
                    say(&mut conn, &format!("DURABLE.{line}")),
                    plain,
                    "{rules}: {line}"
                );
                say(&mut operator, "FLUSHALL");
            }
            assert_eq!(
                say(&mut conn, &format!("DURABLE.CALL {line}")),
                plain,
                "{rules}: {line}"
            );
            if plain.starts_with("-NOPERM ") {
                refused += 1;
                assert_eq!(say(&mut operator, "DBSIZE"), ":0\r\n", "{rules}: {line}");
            } else {
                allowed += 1;
            }
        }
    }
    assert!(
        refused > 30 && allowed > 30,
        "{refused} refused, {allowed} allowed"
    );
}

#[test]
fn subcommands_and_selectors_are_checked_as_for_the_plain_command() {
    let group = replicated(1);
    let primary = &group.primary;
    say(&mut primary.raw(), "SET k v");
    let mut conn = user(primary, "~* +durable.call +object|encoding +durable.get");
    assert_eq!(
        say(&mut conn, "DURABLE.CALL OBJECT ENCODING k"),
        say(&mut conn, "OBJECT ENCODING k")
    );
    for line in ["OBJECT REFCOUNT k", "MEMORY USAGE k", "GET k"] {
        let plain = say(&mut conn, line);
        assert!(plain.starts_with("-NOPERM "), "{plain}");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {line}")),
            plain,
            "{line}"
        );
    }
    let plain = say(&mut conn, "GET k");
    assert_eq!(say(&mut conn, "DURABLE.GET k"), plain);
    // One selector per command: `r` keys only with GET, `w` keys only with SET.
    let mut conn = user(
        primary,
        "+durable.get +durable.set +durable.call ~* (%R~r* +get) (%W~w* +set)",
    );
    for (line, fine) in [
        ("SET w v", true),
        ("SET r v", false),
        ("SET w v GET", false),
        ("GET r", true),
        ("GET w", false),
    ] {
        // The root permissions allow all keys, the selectors allow the plain commands.
        for durable in [format!("DURABLE.{line}"), format!("DURABLE.CALL {line}")] {
            let reply = say(&mut conn, &durable);
            assert_eq!(!reply.starts_with("-NOPERM "), fine, "{durable}: {reply}");
        }
    }
}

#[test]
fn a_user_who_has_not_logged_in_is_told_to() {
    let group = replicated(1);
    let mut operator = group.primary.raw();
    let mut stranger = group.primary.raw();
    assert_eq!(
        say(&mut operator, "ACL SETUSER default on resetpass >secret"),
        "+OK\r\n"
    );
    let mut late = group.primary.raw();
    for line in [
        "DURABLE.SET k v",
        "DURABLE.GET k",
        "DURABLE.CALL GET k",
        "DURABLE.WAIT",
        "DURABLE.HELP",
    ] {
        let reply = say(&mut late, line);
        assert!(reply.starts_with("-NOAUTH "), "{line}: {reply}");
    }
    assert_eq!(say(&mut operator, "ACL SETUSER default nopass"), "+OK\r\n");
    assert_eq!(say(&mut stranger, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn a_denial_is_in_the_servers_own_log() {
    let group = replicated(1);
    let primary = &group.primary;
    say(&mut primary.raw(), "ACL LOG RESET");
    let mut conn = user(primary, "~allowed +@all");
    assert!(say(&mut conn, "DURABLE.GET k").starts_with("-NOPERM "));
    let log = say(&mut primary.raw(), "ACL LOG");
    assert!(log.contains("limited") && log.contains("key"), "{log}");
}
