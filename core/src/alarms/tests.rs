//! The lines of the log by example, and when a look is due.

use super::*;

const SECOND: u64 = 1_000_000;

fn sight(seconds: u64, connected: u32, required: u32) -> Snapshot {
    Snapshot {
        now: Micros::from_secs(seconds),
        required: Some(required),
        connected,
        refused: 10 * seconds,
        given_up: seconds,
        uncounted: Vec::new(),
    }
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| match line {
            LogLine::Warning(text) | LogLine::Notice(text) => text.as_str(),
        })
        .collect()
}

#[test]
fn an_unmet_requirement_gets_one_line_and_its_end_another() {
    let mut alarms = Alarms::default();
    assert_eq!(alarms.observe(sight(1, 2, 2)), []);
    assert_eq!(alarms.observe(sight(2, 1, 2)), [], "it may be transient");
    let lines = alarms.observe(sight(4, 1, 2));
    assert!(texts(&lines)[0].contains("1 of 2 required replicas"));
    assert_eq!(alarms.observe(sight(5, 0, 2)), []);
    let lines = alarms.observe(sight(7, 2, 2));
    assert!(matches!(lines[..], [LogLine::Notice(_)]));
    assert!(texts(&lines)[0].contains("50 commands were refused (NOREPLICAS) and 5 given up"));
    assert_eq!(alarms.observe(sight(8, 2, 2)), []);
}

#[test]
fn a_state_that_lasts_for_less_than_two_seconds_gets_no_line() {
    let mut alarms = Alarms::default();
    assert_eq!(alarms.observe(sight(1, 0, 1)), []);
    assert_eq!(alarms.observe(sight(2, 1, 1)), []);
    let mut alarms = Alarms::default();
    assert_eq!(alarms.observe(sight(1, 0, 1)), []);
    assert_eq!(alarms.observe(sight(3, 0, 1)).len(), 1);
}

#[test]
fn a_configuration_that_gives_no_requirement_gets_a_line() {
    let mut alarms = Alarms::default();
    let mut unknown = sight(1, 5, 0);
    unknown.required = None;
    alarms.observe(unknown.clone());
    unknown.now = unknown.now.saturating_add(TRANSIENT);
    let lines = alarms.observe(unknown);
    assert!(texts(&lines)[0].contains("durable.expected-replicas is not set"));
}

#[test]
fn links_that_do_not_count_are_named_once_with_their_reasons() {
    let link = |host: &[u8], port, reason| UncountedLink {
        host: host.to_vec(),
        port,
        reason,
    };
    let mut alarms = Alarms::default();
    let seen = |seconds, uncounted| Snapshot {
        uncounted,
        ..sight(seconds, 1, 1)
    };
    let loading = vec![link(b"a", 1, Reason::Loading)];
    assert_eq!(alarms.observe(seen(1, loading.clone())), []);
    assert!(
        alarms.is_look_due(Micros::new(2 * SECOND)),
        "it may be transient"
    );
    let both = vec![
        link(b"b\n#", 0, Reason::NoListeningPort),
        link(b"a", 1, Reason::Loading),
    ];
    assert_eq!(alarms.observe(seen(2, both.clone())), []);
    let lines = alarms.observe(seen(4, both.clone()));
    assert_eq!(
        texts(&lines),
        [
            "links that do not count as replicas: a:1 (loading), b\\n#:0 (no listening port); \
          see DURABLE.REPLICAS"
        ]
    );
    assert_eq!(alarms.observe(seen(9, both)), []);
    assert!(
        !alarms.is_look_due(Micros::new(10 * SECOND)),
        "everything is logged"
    );
    assert_eq!(alarms.observe(seen(10, Vec::new())), []);
    alarms.observe(seen(11, loading.clone()));
    assert_eq!(
        alarms.observe(seen(13, loading.clone())).len(),
        1,
        "other links than the last ones"
    );
    for second in 14..70 {
        let there = if second % 4 < 3 {
            loading.clone()
        } else {
            Vec::new()
        };
        assert_eq!(alarms.observe(seen(second, there)), [], "it comes and goes");
    }
    let many = (0..20)
        .map(|port| link(b"c", port, Reason::NotAllowed))
        .collect::<Vec<_>>();
    alarms.observe(seen(80, many.clone()));
    assert!(texts(&alarms.observe(seen(82, many)))[0].contains("and 12 more;"));
}

#[test]
fn no_look_is_due_while_nothing_changes() {
    let mut alarms = Alarms::default();
    assert!(!alarms.is_look_due(Micros::new(0)));
    alarms.something_changed();
    assert!(alarms.is_look_due(Micros::new(0)));
    alarms.observe(sight(0, 1, 1));
    assert!(!alarms.is_look_due(Micros::new(100 * SECOND)));
    alarms.something_changed();
    assert!(alarms.is_look_due(Micros::new(100 * SECOND)));
    alarms.observe(sight(100, 0, 1));
    assert!(
        alarms.is_look_due(Micros::new(102 * SECOND)),
        "it may be transient"
    );
    assert_eq!(alarms.observe(sight(102, 0, 1)).len(), 1);
    assert!(!alarms.is_look_due(Micros::new(200 * SECOND)));
    // The server reports no event when a link begins to count.
    alarms.acknowledgement_seen();
    assert!(alarms.is_look_due(Micros::new(200 * SECOND)));
    alarms.acknowledgement_seen();
    assert!(
        !alarms.is_look_due(Micros::new(200 * SECOND + 1)),
        "not at each acknowledgement"
    );
    assert!(alarms.is_look_due(Micros::new(201 * SECOND)));
    alarms.observe(sight(201, 1, 1));
    alarms.acknowledgement_seen();
    assert!(!alarms.is_look_due(Micros::new(300 * SECOND)));
}
