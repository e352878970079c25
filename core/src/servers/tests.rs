//! The table at some versions and at every boundary, against expectations that are written down
//! separately.

use proptest::prelude::*;

use super::Server::{Redis, Valkey};
use super::*;

/// The columns of [`EXPECTED`], Redis before the bar and Valkey after it. An `x` marks a server on
/// which the fact holds.
const REDIS: [&str; 10] = [
    "7.0.0", "7.0.15", "7.2.0", "7.2.7", "7.4.0", "8.0.0", "8.0.2", "8.2.0", "8.4.0", "8.6.3",
];
const VALKEY: [&str; 6] = ["7.2.7", "8.0.0", "8.0.1", "8.1.1", "9.0.0", "9.1.2"];
#[rustfmt::skip]
const EXPECTED: [(Fact, &str); 18] = [
    (Fact::CallsLackMemoryCheck,           "x . . . . . . . . . | . . . . . ."),
    (Fact::TellsFsyncs,                    ". . x x x x x x x x | x x x x x x"),
    (Fact::CategorizesModuleCommands,      ". . x x x x x x x x | x x x x x x"),
    (Fact::AddsModuleCategories,           ". . . . x x x x x x | . x x x x x"),
    (Fact::MovesSlotsAtomically,           ". . . . . . . . . . | . . . . x x"),
    (Fact::ServesUnblockedBeforeTurnEnd,   ". . x x x x x x x x | x x x x x x"),
    (Fact::UnblockAbortsOnUnserved,        ". . x x . . . . . . | . . . . . ."),
    (Fact::RefusesToBlockSubscribers,      ". . . . . . . . . . | x x x x x x"),
    (Fact::WakesAfterLastTimer,            "x x . . . . . . . . | . . . . . ."),
    (Fact::CallsStayCrossSlot,             ". . . . . . . . . . | . . . . x x"),
    (Fact::ClientInfoCrashesInCalls,       ". . . . . . . . . . | . . . . x x"),
    (Fact::TopologyCrashesCalls,           ". . . . . . . . . . | x x . . . ."),
    (Fact::TellsMissingPortAsZero,         ". . x x x x x x x x | x x x x x x"),
    (Fact::AsksForKeysOnThreadsInClusters, ". . . . . . . x x x | x x x x x x"),
    (Fact::AsksForKeysOnThreadsAnywhere,   ". . . . . . . . x x | . . . . . ."),
    (Fact::LooksUpPipelines,               ". . . . . . . . x x | . . . . x x"),
    (Fact::LooksUpOnThreads,               ". . . . . x x x x x | x x x x x x"),
    (Fact::RepeatsAclRules,                ". . x x x x x x x x | x x x x x x"),
];

fn version(text: &str) -> Version {
    Version::parse(text.as_bytes()).expect("a version")
}

fn servers() -> impl Iterator<Item = Server> {
    let redis = REDIS.iter().map(|text| Redis(version(text)));
    redis.chain(VALKEY.iter().map(|text| Valkey(version(text))))
}

#[test]
fn each_server_has_the_expected_facts() {
    for (column, server) in servers().enumerate() {
        let facts = Facts::of(server);
        for (fact, marks) in EXPECTED {
            let marks: Vec<&str> = marks.split(' ').filter(|&mark| mark != "|").collect();
            assert_eq!(marks.len(), REDIS.len() + VALKEY.len(), "{fact:?}");
            assert_eq!(
                facts.has(fact),
                marks[column] == "x",
                "{fact:?} on {server:?}"
            );
        }
    }
}

#[test]
fn every_fact_has_one_row_and_one_expectation() {
    let rows: Vec<Fact> = ROWS.iter().map(|row| row.fact).collect();
    let expected: Vec<Fact> = EXPECTED.iter().map(|&(fact, _)| fact).collect();
    assert_eq!(rows, expected);
    for (index, row) in ROWS.iter().enumerate() {
        assert_eq!(row.fact as usize, index);
        assert!(
            row.reason.ends_with('.') && !row.upstream.is_empty(),
            "{row:?}"
        );
    }
}

/// The last version before each boundary, and the first one after it.
#[test]
fn boundaries_are_exact() {
    let begin = [
        (
            Redis(v(6, 255, 255)),
            Redis(v(7, 0, 0)),
            Fact::CallsLackMemoryCheck,
        ),
        (Redis(v(7, 1, 255)), Redis(v(7, 2, 0)), Fact::TellsFsyncs),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::CategorizesModuleCommands,
        ),
        (
            Redis(v(7, 3, 255)),
            Redis(v(7, 4, 0)),
            Fact::AddsModuleCategories,
        ),
        (
            Valkey(v(7, 255, 255)),
            Valkey(v(8, 0, 0)),
            Fact::AddsModuleCategories,
        ),
        (
            Valkey(v(8, 255, 255)),
            Valkey(v(9, 0, 0)),
            Fact::MovesSlotsAtomically,
        ),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::ServesUnblockedBeforeTurnEnd,
        ),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::UnblockAbortsOnUnserved,
        ),
        (
            Valkey(v(8, 255, 255)),
            Valkey(v(9, 0, 0)),
            Fact::CallsStayCrossSlot,
        ),
        (
            Valkey(v(8, 255, 255)),
            Valkey(v(9, 0, 0)),
            Fact::ClientInfoCrashesInCalls,
        ),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::TellsMissingPortAsZero,
        ),
        (
            Redis(v(8, 1, 255)),
            Redis(v(8, 2, 0)),
            Fact::AsksForKeysOnThreadsInClusters,
        ),
        (
            Redis(v(8, 3, 255)),
            Redis(v(8, 4, 0)),
            Fact::AsksForKeysOnThreadsAnywhere,
        ),
        (
            Redis(v(8, 3, 255)),
            Redis(v(8, 4, 0)),
            Fact::LooksUpPipelines,
        ),
        (
            Valkey(v(8, 255, 255)),
            Valkey(v(9, 0, 0)),
            Fact::LooksUpPipelines,
        ),
        (
            Redis(v(7, 255, 255)),
            Redis(v(8, 0, 0)),
            Fact::LooksUpOnThreads,
        ),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::RepeatsAclRules,
        ),
    ];
    for (before, first, fact) in begin {
        assert!(!Facts::of(before).has(fact), "{fact:?} on {before:?}");
        assert!(Facts::of(first).has(fact), "{fact:?} on {first:?}");
    }
    let end = [
        (
            Redis(v(7, 0, 0)),
            Redis(v(7, 0, 1)),
            Fact::CallsLackMemoryCheck,
        ),
        (
            Redis(v(7, 2, 255)),
            Redis(v(7, 3, 0)),
            Fact::UnblockAbortsOnUnserved,
        ),
        (
            Redis(v(7, 1, 255)),
            Redis(v(7, 2, 0)),
            Fact::WakesAfterLastTimer,
        ),
        (
            Valkey(v(8, 0, 0)),
            Valkey(v(8, 0, 1)),
            Fact::TopologyCrashesCalls,
        ),
    ];
    for (last, after, fact) in end {
        assert!(Facts::of(last).has(fact), "{fact:?} on {last:?}");
        assert!(!Facts::of(after).has(fact), "{fact:?} on {after:?}");
    }
    // Each boundary of a range is in one of the lists above.
    let ends = ROWS.iter().flat_map(|row| [row.redis, row.valkey]);
    let ends = ends.map(|range| match range {
        Range::Never | Range::Always => 0,
        Range::From(_) | Range::Before(_) => 1,
        Range::Between(..) => 2,
    });
    assert_eq!(ends.sum::<usize>(), begin.len() + end.len());
}

const fn v(major: u8, minor: u8, patch: u8) -> Version {
    Version::new(major, minor, patch)
}

#[test]
fn what_was_found_out_replaces_what_the_table_says() {
    let mut facts = Facts::of(Redis(v(7, 0, 15)));
    assert!(!facts.replace(Fact::TellsFsyncs, false));
    assert!(facts.replace(Fact::TellsFsyncs, true));
    assert!(facts.has(Fact::TellsFsyncs));
    assert!(facts.replace(Fact::TellsFsyncs, false));
    assert_eq!(facts, Facts::of(Redis(v(7, 0, 15))));
}

#[test]
fn a_version_is_three_numbers_and_a_candidate_is_its_release() {
    assert_eq!(Version::parse(b"8.1.1"), Some(v(8, 1, 1)));
    assert_eq!(Version::parse(b"9.0.0-rc1"), Some(v(9, 0, 0)));
    assert_eq!(Version::parse(b"255.255.255"), Some(v(255, 255, 255)));
    for text in [
        "",
        "8",
        "8.1",
        "8.1.",
        "8.1.x",
        "8.1.256",
        "-8.1.1",
        "9.0-rc1.0",
        "valkey",
    ] {
        assert_eq!(Version::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Version::parse(b"8.1.\xff"), None);
    assert_eq!(Version::from_number(0x0007_000f), v(7, 0, 15));
    assert_eq!(Version::from_number(0x00ff_ffff), v(255, 255, 255));
}

proptest! {
    #[test]
    fn any_bytes_parse_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..20)) {
        Version::parse(&text);
    }

    #[test]
    fn what_is_written_is_read_again(major: u8, minor: u8, patch: u8, candidate: bool) {
        let suffix = if candidate { "-rc2" } else { "" };
        let text = format!("{major}.{minor}.{patch}{suffix}");
        prop_assert_eq!(Version::parse(text.as_bytes()), Some(v(major, minor, patch)));
    }
}
