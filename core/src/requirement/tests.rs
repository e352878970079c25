//! Requirements by example, and the numbers that options take.

use super::*;

const DEFAULTS: Defaults = Defaults {
    replicas: ReplicaCount::Count(1),
    expected: 0,
    fsync: 0,
    timeout_ms: 1000,
    fsyncs_are_known: true,
};

fn need(options: Options, defaults: Defaults) -> Result<(u32, u32), RequirementError> {
    options
        .resolve(&defaults)
        .map(|r| (r.need.replicas, r.need.fsync))
}

fn replicas(replicas: ReplicaCount) -> Options {
    Options {
        replicas: Some(replicas),
        ..Options::default()
    }
}

#[test]
fn options_that_are_not_given_come_from_the_configuration() {
    let requirement = Options::default().resolve(&DEFAULTS).unwrap();
    assert_eq!(
        requirement.need,
        Need {
            replicas: 1,
            fsync: 0
        }
    );
    assert_eq!(requirement.timeout_ms, Some(1000));
}

#[test]
fn a_timeout_of_zero_waits_for_ever() {
    let options = Options {
        timeout_ms: Some(0),
        ..Options::default()
    };
    assert_eq!(options.resolve(&DEFAULTS).unwrap().timeout_ms, None);
}

#[test]
fn a_majority_is_of_the_primary_and_the_expected_replicas() {
    for (expected, majority) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (1000, 500)] {
        let defaults = Defaults {
            expected,
            ..DEFAULTS
        };
        assert_eq!(
            need(replicas(ReplicaCount::Majority), defaults),
            Ok((majority, 0))
        );
        assert!(2 * (majority + 1) > expected + 1, "{expected}");
        assert_eq!(
            need(replicas(ReplicaCount::All), defaults),
            Ok((expected, 0))
        );
    }
}

#[test]
fn majority_and_all_are_errors_without_expected_replicas() {
    for word in [ReplicaCount::Majority, ReplicaCount::All] {
        assert_eq!(
            need(replicas(word), DEFAULTS),
            Err(RequirementError::NothingExpected(word))
        );
    }
}

#[test]
fn fsync_is_at_most_the_number_of_replicas_and_0_without_replicas() {
    let two = Defaults {
        fsync: 2,
        ..DEFAULTS
    };
    assert_eq!(need(replicas(ReplicaCount::Count(0)), two), Ok((0, 0)));
    assert_eq!(need(replicas(ReplicaCount::Count(2)), two), Ok((2, 2)));
    assert_eq!(
        need(Options::default(), two),
        Err(RequirementError::FsyncAboveReplicas {
            fsync: 2,
            replicas: 1,
            configured: true
        })
    );
    let error = Options::default().resolve(&two).unwrap_err().to_string();
    assert!(error.starts_with("FSYNC 2 (durable.fsync) is more than REPLICAS 1;"));
}

#[test]
fn fsync_is_refused_on_servers_where_fsyncs_are_unknown() {
    let old = Defaults {
        fsyncs_are_known: false,
        ..DEFAULTS
    };
    let options = Options {
        fsync: Some(1),
        ..Options::default()
    };
    assert_eq!(need(options, old), Err(RequirementError::FsyncUnknown));
    let none = Options {
        fsync: Some(0),
        ..Options::default()
    };
    assert_eq!(need(none, old), Ok((1, 0)));
}

#[test]
fn numbers_are_canonical_decimals_within_their_range() {
    for bad in [
        "",
        " 1",
        "+1",
        "-1",
        "01",
        "1.0",
        "1e3",
        "0x1",
        "1001",
        "99999999999999999999",
        "١",
    ] {
        assert_eq!(parse_count(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse_count(b"0"), Some(0));
    assert_eq!(parse_count(b"1000"), Some(1000));
    assert_eq!(parse_timeout(b"86400000"), Some(86_400_000));
    assert_eq!(parse_timeout(b"86400001"), None);
    assert_eq!(
        ReplicaCount::parse(b"MaJoRiTy"),
        Some(ReplicaCount::Majority)
    );
    assert_eq!(ReplicaCount::parse(b"aLL"), Some(ReplicaCount::All));
    assert_eq!(ReplicaCount::parse(b"most"), None);
}
