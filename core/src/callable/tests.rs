//! Verdicts by example.

use super::*;

fn verdict(name: &str, flags: &str, categories: &str) -> Verdict {
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    judge(CommandInfo {
        name,
        flags: &words(flags),
        categories: &words(categories),
    })
}

#[test]
fn reads_and_writes_of_data_may_run() {
    assert_eq!(
        verdict("get", "readonly fast", "read string fast"),
        Verdict::Data
    );
    assert_eq!(
        verdict("blpop", "write noscript blocking", "write list"),
        Verdict::Data
    );
    assert_eq!(
        verdict("flushall", "write", "keyspace write dangerous"),
        Verdict::Data
    );
    assert_eq!(
        verdict("xinfo|stream", "readonly", "read stream"),
        Verdict::Data
    );
}

#[test]
fn scripts_are_told_apart_from_commands_that_manage_scripts() {
    assert_eq!(
        verdict("eval", "noscript stale", "slow scripting"),
        Verdict::Script
    );
    assert_eq!(
        verdict("fcall_ro", "readonly noscript", "scripting"),
        Verdict::Script
    );
    assert_eq!(
        verdict("function|flush", "write noscript", "write scripting"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("script|load", "noscript stale", "slow scripting"),
        Verdict::NotData
    );
}

#[test]
fn commands_that_do_not_handle_data_are_refused() {
    assert_eq!(
        verdict("wait", "noscript", "slow connection"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("multi", "noscript loading stale fast", "transaction"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("publish", "pubsub loading stale fast", "pubsub"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("pfdebug", "write denyoom admin", "write"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("migrate", "write movablekeys", "keyspace write"),
        Verdict::NotData
    );
}

#[test]
fn our_own_commands_are_refused_and_those_of_other_modules_need_the_setting() {
    assert_eq!(
        verdict("durable.set", "write denyoom module", "write"),
        Verdict::NotData
    );
    assert_eq!(
        verdict("slothint.map", "readonly module", ""),
        Verdict::NotData
    );
    assert_eq!(
        verdict("json.set", "write denyoom module", ""),
        Verdict::OtherModules
    );
    assert_eq!(verdict("x.y", "module", ""), Verdict::NotData);
}

#[test]
fn the_setting_names_whole_commands_in_any_case() {
    assert!(is_allowed(b"JSON.SET  json.get", b"json.set"));
    assert!(!is_allowed(b"json.set", b"json.se"));
    assert!(!is_allowed(b"json.set", b""));
    assert!(!is_allowed(b"", b""));
}

#[test]
fn our_own_names_are_recognized_in_any_case() {
    assert!(is_own_command(b"Durable.CALL") && is_own_command(b"SLOTHINT"));
    assert!(!is_own_command(b"durabl") && !is_own_command(b""));
}
