//! What becomes of a command, one outcome at a time.

use std::io;
use std::time::Duration;

use super::*;
use crate::decide::cache::SlotCache;
use crate::decide::command::Command;
use crate::decide::links::ConnectionId;

mod once;

const HERE: ConnectionId = ConnectionId(1);
const THERE: ConnectionId = ConnectionId(2);

struct Round {
    settings: Settings,
    stats: Counters,
    lanes: Lanes,
    fences: Fences,
    failed: HashSet<Node>,
    findings: Vec<Finding>,
    now: Instant,
}

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

fn round() -> Round {
    let (settings, _) = Settings::of_nodes(["redis://node:1"]).expect("settings");
    let mut lanes = Lanes::default();
    lanes.begin_round();
    Round {
        settings,
        stats: Counters::default(),
        lanes,
        fences: Fences::default(),
        failed: HashSet::new(),
        findings: Vec::new(),
        now: Instant::now(),
    }
}

impl Round {
    fn settle<'c>(&mut self, pending: Pending<'c>, outcome: Outcome) -> Settled<'c> {
        let is_sent = !matches!(outcome, Outcome::NotSent(_));
        let attempt = Attempt {
            pending,
            node: node(1),
            asked: is_sent.then(|| SlotCache::new().ask()),
            connection: is_sent.then_some(HERE),
            outcome,
        };
        let mut settling = Settling {
            settings: &self.settings,
            stats: &self.stats,
            lanes: &mut self.lanes,
            fences: &mut self.fences,
            failed: &mut self.failed,
            findings: &mut self.findings,
            now: self.now,
            random: 1.0,
        };
        settling.settle(attempt)
    }

    fn first<'c>(&mut self, command: &'c Command, outcome: Outcome) -> Settled<'c> {
        self.settle(Pending::new(0, command), outcome)
    }
}

fn answer(command: &Command, text: &str) -> Outcome {
    let reply = redis::parse_redis_value(format!("{text}\r\n").as_bytes()).expect("a reply");
    Outcome::Answered(Verdict::of(command, reply))
}

fn cut() -> RedisError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

#[track_caller]
fn again(settled: Settled<'_>) -> Pending<'_> {
    match settled {
        Settled::Again(pending) => pending,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(settled: Settled<'_>) -> Error {
    match settled {
        Settled::Finished(_, Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_read_whose_reply_is_lost_goes_again_and_a_write_does_not() {
    let (get, set) = (Command::get("k"), Command::set("k", "v"));
    for lost in [Outcome::Lost, Outcome::Silent] {
        let mut round = round();
        assert!(again(round.first(&get, lost(cut()))).in_doubt);
        let error = failed(round.first(&set, lost(cut())));
        assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
        again(round.first(&set.clone().repeatable(), lost(cut())));
        assert_eq!(round.failed, [node(1)].into(), "the map is asked for");
        assert_eq!(round.stats.read().outcome_unknown, 1);
    }
}

#[test]
fn a_command_that_was_not_sent_goes_again_at_once_and_then_after_a_wait() {
    let (set, mut round) = (Command::set("k", "v"), round());
    let pending = again(round.first(&set, Outcome::NotSent(cut())));
    let slots = || [set.slot()].into_iter();
    assert_eq!(round.lanes.not_before(slots(), round.now), None);
    round.lanes.begin_round();
    let pending = again(round.settle(pending, Outcome::NotSent(cut())));
    assert!(round.lanes.not_before(slots(), round.now).is_some());
    assert!(!pending.in_doubt);
    assert_eq!(pending.attempts, 2);
}

#[test]
fn a_node_that_refuses_the_client_for_good_is_not_tried_again() {
    let (set, mut round) = (Command::set("k", "v"), round());
    let refused = || (ErrorKind::AuthenticationFailed, "wrong password").into();
    let error = failed(round.first(&set, Outcome::NotSent(refused())));
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    // But an earlier attempt may have been executed.
    let mut pending = Pending::new(0, &set);
    pending.in_doubt = true;
    let error = failed(round.settle(pending, Outcome::NotSent(refused())));
    assert!(matches!(error, Error::GaveUp { sent: true, .. }), "{error}");
}

#[test]
fn a_command_is_given_up_when_its_next_attempt_would_come_too_late() {
    let (set, mut round) = (Command::set("k", "v"), round());
    round.settings.retry_for = Duration::from_secs(1);
    let mut pending = Pending::new(3, &set);
    let began = round.now;
    let error = loop {
        round.lanes.begin_round();
        let outcome = answer(&set, "-CLUSTERDOWN x");
        match round.settle(pending, outcome) {
            Settled::Again(later) => pending = later,
            settled => break failed(settled),
        }
        let ready = round.lanes.not_before([set.slot()].into_iter(), round.now);
        round.now = ready.expect("a wait");
    };
    // 8 + 16 + … + 256 ms have passed; the next wait would be 512 ms.
    let took = round.now.saturating_duration_since(began);
    assert_eq!(took.as_millis(), 504);
    match error {
        Error::GaveUp {
            after,
            attempts,
            last,
            sent,
        } => {
            assert_eq!((after, attempts, sent), (took, 7, false));
            assert_eq!(last, "node:1: CLUSTERDOWN x");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn seventeen_redirections_in_a_row_begin_the_time_for_retries() {
    let (set, mut round) = (Command::set("k", "v"), round());
    round.settings.retry_for = Duration::ZERO;
    let mut pending = Pending::new(0, &set);
    for times in 1..=16 {
        round.lanes.begin_round();
        let outcome = answer(&set, "-MOVED 1 node:2");
        pending = again(round.settle(pending, outcome));
        assert!(pending.since.is_none(), "{times}");
    }
    let outcome = answer(&set, "-MOVED 1 node:2");
    let error = failed(round.settle(pending, outcome));
    assert!(matches!(&error, Error::GaveUp { last, .. } if last == "MOVED node:2"));
    assert_eq!(round.stats.read().moved, 17);
}

#[test]
fn moved_corrects_the_slot_and_ask_does_not() {
    let (set, mut round) = (Command::set("k", "v"), round());
    let pending = again(round.first(&set, answer(&set, "-ASK 5 node:2")));
    assert!(matches!(pending.target, Target::Ask(to) if to == node(2)));
    assert_eq!(round.findings, []);
    // Where the server names no host, it means its own.
    let pending = again(round.first(&set, answer(&set, "-MOVED 5 :2")));
    assert!(matches!(pending.target, Target::Node(to) if to == node(2)));
    let found = round.findings.as_slice();
    let [Finding::Owner {
        slot: 5,
        owner,
        instead_of: Some(former),
        ..
    }] = found
    else {
        panic!("{found:?}");
    };
    assert_eq!((owner, former), (&node(2), &node(1)));
}

#[test]
fn a_node_that_executes_a_command_unexpectedly_owns_its_slot_unless_it_was_asking() {
    let get = Command::get("k");
    let found = |pending: Pending<'_>| {
        let mut round = round();
        let outcome = answer(pending.command, "+v");
        round.settle(pending, outcome);
        round.findings.len()
    };
    assert_eq!(found(Pending::new(0, &get)), 1);
    let mut expected = Pending::new(0, &get);
    expected.at_owner = true;
    assert_eq!(found(expected), 0);
    let mut asking = Pending::new(0, &get);
    asking.target = Target::Ask(node(1));
    assert_eq!(found(asking), 0);
    let unnamed = Command::new("PING").routed_by("k");
    assert_eq!(
        found(Pending::new(0, &unnamed)),
        0,
        "nobody checks the slot"
    );
}

#[test]
fn a_fence_behind_trouble_goes_again_after_the_writes_before_it() {
    let fence = Command::new("DURABLE.WAIT").routed_by("k");
    let mut round = round();
    round.lanes.redirected(fence.slot(), 1, round.now, 1.0);
    let pending = again(round.first(&fence, answer(&fence, ":1")));
    round.lanes.begin_round();
    let settled = round.settle(pending, answer(&fence, ":1"));
    assert!(matches!(settled, Settled::Finished(0, Ok(_))));
    // Where its own reply was lost, it is not sent again.
    round.lanes.redirected(fence.slot(), 1, round.now, 1.0);
    let error = failed(round.first(&fence, Outcome::Lost(cut())));
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
}

#[test]
fn a_fence_without_a_connection_or_apart_from_its_writes_reports_once_that_they_may_be_lost() {
    let fence = Command::new("DURABLE.WAIT").routed_by("k");
    let slot = fence.slot();
    for outcome in [
        Outcome::Severed,
        Outcome::NotSent(cut()),
        Outcome::Lost(cut()),
    ] {
        let mut round = round();
        round.fences.written(slot, THERE);
        assert!(!round.fences.cover(slot, HERE));
        let error = failed(round.first(&fence, outcome));
        assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
        assert!(
            round.fences.cover(slot, HERE),
            "the next one is for later writes"
        );
    }
}

#[test]
fn a_fence_has_to_follow_commands_that_may_have_written_and_no_others() {
    let set = Command::set("k", "v");
    let slot = set.slot();
    let eval = Command::new("EVAL").arg("x").arg(1).key("k");
    let durable = Command::new("DURABLE.SET").key("k").arg("v");
    for (command, outcome, has_written) in [
        (&set, answer(&set, "+OK"), true),
        (&set, answer(&set, "-WRONGTYPE x"), false),
        (&set, answer(&set, "-ERR x"), true),
        (&set, answer(&set, "-MOVED 1 node:2"), false),
        (&set, Outcome::Lost(cut()), true),
        (&set, Outcome::NotSent(cut()), false),
        (&set, Outcome::Postponed, false),
        (&eval, answer(&eval, "-WRONGTYPE x"), true),
        (&durable, answer(&durable, "-UNBLOCKED x"), true),
        (&Command::get("k"), answer(&set, "+v"), false),
    ] {
        let mut round = round();
        let name = format!("{command:?} {outcome:?}");
        round.first(command, outcome);
        assert_eq!(!round.fences.cover(slot, THERE), has_written, "{name}");
    }
}

#[test]
fn a_repeated_write_whose_outcome_stays_open_leaves_no_fence_a_connection() {
    let set = Command::set("k", "v").repeatable();
    let mut round = round();
    let pending = again(round.first(&set, Outcome::Lost(cut())));
    assert!(
        round.fences.cover(set.slot(), HERE),
        "its next attempt counts"
    );
    let error = failed(round.settle(pending, answer(&set, "-NOPERM x")));
    assert!(matches!(error, Error::GaveUp { sent: true, .. }), "{error}");
    assert!(!round.fences.cover(set.slot(), HERE));
}

#[test]
fn a_repeatable_durable_write_that_was_turned_away_while_it_waited_is_in_doubt() {
    let set = Command::new("DURABLE.SET").key("k").arg("v").repeatable();
    for (words, in_doubt) in [
        ("-CLUSTERDOWN x", true),
        ("-UNBLOCKED x", true),
        ("-LOADING x", false),
    ] {
        let pending = again(round().first(&set, answer(&set, words)));
        assert_eq!(pending.in_doubt, in_doubt, "{words}");
    }
}

#[test]
fn the_node_to_avoid_depends_on_why_the_command_was_turned_away() {
    let set = Command::set("k", "v");
    let avoided = |attempts: u32, words: &str| {
        let mut round = round();
        let mut pending = Pending::new(0, &set);
        pending.attempts = attempts;
        again(round.settle(pending, answer(&set, words)));
        round.lanes.begin_round();
        let (mut avoided, later) = (None, round.now + Duration::from_secs(1));
        round.lanes.admit(set.slot(), later, |_, avoid| {
            avoided = avoid.cloned();
            None
        });
        (avoided, round.failed.contains(&node(1)))
    };
    assert_eq!(avoided(0, "-TRYAGAIN x"), (None, false));
    assert_eq!(avoided(0, "-CLUSTERDOWN x"), (None, true));
    assert_eq!(avoided(1, "-CLUSTERDOWN x"), (Some(node(1)), true));
    assert_eq!(avoided(0, "-LOADING x"), (Some(node(1)), true));
    assert_eq!(avoided(0, "-READONLY x"), (Some(node(1)), true));
}
