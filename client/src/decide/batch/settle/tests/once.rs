//! Commands that are executed once, however often they are sent.

use super::*;

fn incr() -> Command {
    Command::new("INCR").key("k").once("order-7")
}

#[test]
fn a_command_that_is_executed_once_goes_again_when_its_reply_is_lost() {
    let (incr, mut round) = (incr(), round());
    for lost in [Outcome::Lost, Outcome::Silent] {
        assert!(again(round.first(&incr, lost(cut()))).in_doubt);
    }
    for words in ["-UNBLOCKED x", "-CLUSTERDOWN x"] {
        let pending = again(round.first(&incr, answer(&incr, words)));
        assert!(pending.in_doubt, "{words}");
    }
    assert_eq!(round.stats.read().outcome_unknown, 0);
}

#[test]
fn it_waits_again_at_the_same_node_when_too_few_replicas_have_acknowledged() {
    let (incr, mut round) = (incr(), round());
    let pending = again(round.first(&incr, answer(&incr, "-UNACKED 0 of 1")));
    assert!(pending.in_doubt);
    assert!(matches!(pending.target, Target::Cached));
    assert_eq!(round.failed, HashSet::new(), "its node is well");
    assert!(round.lanes.is_troubled(incr.slot()), "later ones wait");
    let settled = round.settle(pending, answer(&incr, ":1"));
    assert!(matches!(settled, Settled::Finished(0, Ok(Value::Int(1)))));
    assert_eq!(round.stats.read().unacked, 1);
}

#[test]
fn the_caller_gets_unacked_when_the_time_for_retries_is_over() {
    let (incr, mut round) = (incr(), round());
    round.settings.retry_for = Duration::ZERO;
    let error = failed(round.first(&incr, answer(&incr, "-UNACKED 0 of 1")));
    assert_eq!(error.code(), Some("UNACKED"), "{error}");
    assert!(error.may_have_been_executed());
    assert!(round.fences.cover(incr.slot(), HERE), "it is on this node");
    assert!(!round.fences.cover(incr.slot(), THERE));
}

#[test]
fn a_refusal_after_unacked_does_not_mean_that_nothing_was_executed() {
    let (incr, mut round) = (incr(), round());
    let pending = again(round.first(&incr, answer(&incr, "-UNACKED 0 of 1")));
    let error = failed(round.settle(pending, answer(&incr, "-NOREPLICAS x")));
    assert!(matches!(error, Error::GaveUp { sent: true, .. }), "{error}");
    assert!(!round.fences.cover(incr.slot(), HERE));
}
