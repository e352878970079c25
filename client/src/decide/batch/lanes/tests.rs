//! The rules one by one, then random batches: nothing overtakes what is still to be sent.

use proptest::prelude::*;

use super::*;

const SLOT: Option<u16> = Some(1);
const RANDOM: f64 = 0.5;

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

/// A command that goes to this node.
fn admit(lanes: &mut Lanes, now: Instant, to: u16) -> Admission {
    lanes.admit(SLOT, now, |_, _| Some(node(to)))
}

fn go(to: u16) -> Admission {
    Admission::Go(Some(node(to)))
}

fn refuse(lanes: &mut Lanes, now: Instant) -> Retry {
    lanes.refused(SLOT, None, 0, now, RANDOM)
}

#[test]
fn slots_that_had_no_trouble_are_not_held_up() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    refuse(&mut lanes, now);
    lanes.begin_round();
    let other = lanes.admit(Some(2), now, |failures, avoid| {
        assert_eq!((failures, avoid), (0, None));
        Some(node(7))
    });
    assert_eq!(other, go(7));
    let later = now + Duration::from_secs(1);
    assert_eq!(admit(&mut lanes, now, 1), Admission::Held);
    assert_eq!(admit(&mut lanes, later, 1), go(1));
}

#[test]
fn a_slot_that_is_kept_together_goes_to_one_node_in_a_round_and_waits_for_nothing() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.keep_together(SLOT, now);
    assert_eq!(lanes.not_before([SLOT].into_iter(), now), None);
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, now, 1), go(1));
    assert_eq!(admit(&mut lanes, now, 1), go(1));
    assert_eq!(admit(&mut lanes, now, 2), Admission::Held);
    assert_eq!(admit(&mut lanes, now, 1), Admission::Held);
    assert!(!lanes.is_troubled(SLOT));
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, now, 2), go(2));
}

#[test]
fn the_wait_is_for_the_slot_that_is_ready_first() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    let soon = refuse(&mut lanes, now).at;
    lanes.begin_round();
    let late = lanes.refused(Some(2), None, 0, soon, RANDOM).at;
    let first = |slots: &[Option<u16>], now| lanes.not_before(slots.iter().copied(), now);
    assert_eq!(first(&[Some(2), SLOT], now), Some(soon));
    assert_eq!(first(&[Some(2)], now), Some(late));
    assert_eq!(first(&[Some(2), SLOT], soon), None);
    assert_eq!(first(&[Some(2), None], now), None, "that had no trouble");
    assert_eq!(first(&[], now), None);
}

#[test]
fn commands_turned_away_in_one_round_wait_as_long_and_count_as_one_failure() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    let first = lanes.refused(SLOT, Some(node(3)), 0, now, 0.1);
    let second = lanes.refused(SLOT, None, 0, now, 0.9);
    assert_eq!(first, second);
    lanes.begin_round();
    let later = first.at;
    lanes.admit(SLOT, later, |failures, avoid| {
        assert_eq!((failures, avoid), (1, Some(&node(3))));
        None
    });
    assert_eq!(refuse(&mut lanes, later).since, now, "since the first time");
}

#[test]
fn after_a_refusal_one_command_goes_and_the_others_follow_when_it_was_executed() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    let ready = refuse(&mut lanes, now).at;
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, ready, 1), go(1));
    assert_eq!(admit(&mut lanes, ready, 1), Admission::Held);
    // It is redirected: still alone.
    lanes.redirected(SLOT, 1, ready, RANDOM);
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, ready, 2), go(2));
    assert_eq!(admit(&mut lanes, ready, 2), Admission::Held);
    lanes.executed(SLOT, ready);
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, ready, 2), go(2));
    assert_eq!(admit(&mut lanes, ready, 2), go(2));
    let later = ready + Duration::from_secs(1);
    assert_eq!(refuse(&mut lanes, later).since, later, "a new trouble");
}

#[test]
fn commands_for_another_node_wait_for_the_next_round() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    lanes.redirected(SLOT, 1, now, RANDOM);
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, now, 1), go(1));
    assert_eq!(admit(&mut lanes, now, 1), go(1));
    assert_eq!(admit(&mut lanes, now, 2), Admission::Held);
    assert_eq!(admit(&mut lanes, now, 1), Admission::Held, "not past it");
}

#[test]
fn the_first_redirections_are_followed_at_once_and_many_after_a_short_wait() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    for times in 1..=16 {
        lanes.begin_round();
        lanes.redirected(SLOT, times, now, RANDOM);
        lanes.begin_round();
        let at_once = admit(&mut lanes, now, 1) == go(1);
        assert_eq!(at_once, times <= PROMPT_REDIRECTS);
        let soon = now + Duration::from_millis(64);
        assert_eq!(admit(&mut lanes, soon, 1), go(1));
    }
}

#[test]
fn a_prompt_failure_costs_no_wait() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    assert_eq!(lanes.refused(SLOT, None, 1, now, RANDOM).at, now);
    lanes.begin_round();
    assert!(lanes.refused(SLOT, None, 1, now, RANDOM).at > now);
}

#[test]
fn commands_behind_one_that_gave_up_go_together_and_their_time_has_run_too() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    refuse(&mut lanes, now);
    let later = now + Duration::from_secs(20);
    lanes.begin_round();
    refuse(&mut lanes, later);
    lanes.gave_up(SLOT, later);
    lanes.begin_round();
    assert_eq!(admit(&mut lanes, later, 1), go(1));
    assert_eq!(admit(&mut lanes, later, 1), go(1));
    assert_eq!(refuse(&mut lanes, later).since, now);
}

#[test]
fn trouble_counts_for_one_round() {
    let (mut lanes, now) = (Lanes::default(), Instant::now());
    lanes.begin_round();
    assert!(!lanes.is_troubled(SLOT));
    lanes.redirected(SLOT, 1, now, RANDOM);
    assert!(lanes.is_troubled(SLOT) && !lanes.is_troubled(Some(2)));
    lanes.begin_round();
    assert!(!lanes.is_troubled(SLOT));
}

#[derive(Clone, Debug)]
enum Outcome {
    Executed,
    Redirected(u16),
    Refused,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Executed),
        2 => (0_u16..3).prop_map(Outcome::Redirected),
        1 => Just(Outcome::Refused),
    ]
}

proptest! {
    #[test]
    fn nothing_overtakes_an_earlier_command_of_its_slot_that_is_still_to_be_sent(
        slots in prop::collection::vec(0_u16..2, 1..12),
        outcomes in prop::collection::vec(outcome(), 0..40),
    ) {
        let mut outcomes = outcomes.into_iter();
        let mut lanes = Lanes::default();
        let mut now = Instant::now();
        // Place, slot, and the node of a redirection.
        let mut pending: Vec<(usize, u16, Option<u16>)> =
            slots.iter().enumerate().map(|(place, &slot)| (place, slot, None)).collect();
        let mut owner = 0;
        // For each slot: a command was turned away, and none has been executed since.
        let mut stuck = [false; 2];
        while !pending.is_empty() {
            now += Duration::from_secs(1);
            lanes.begin_round();
            let mut sent: Vec<(usize, u16, u16)> = Vec::new();
            let mut behind = [false; 2];
            for &(place, slot, target) in &pending {
                let to = target.unwrap_or(owner);
                match lanes.admit(Some(slot), now, |_, _| Some(node(to))) {
                    Admission::Go(_) => {
                        prop_assert!(!behind[usize::from(slot)], "it overtakes one that is held back");
                        sent.push((place, slot, to));
                    }
                    Admission::Held => behind[usize::from(slot)] = true,
                }
            }
            for slot in 0..2 {
                let of_slot: Vec<_> = sent.iter().filter(|sent| sent.1 == slot).collect();
                prop_assert!(of_slot.windows(2).all(|pair| pair[0].2 == pair[1].2), "to one node");
                prop_assert!(!stuck[usize::from(slot)] || of_slot.len() <= 1, "one at a time");
                let waits = pending.iter().any(|pending| pending.1 == slot);
                prop_assert_eq!(waits, !of_slot.is_empty(), "the first of each slot goes in each round");
            }
            let mut troubled = [false; 2];
            for (place, slot, _) in sent {
                let at = pending.iter().position(|pending| pending.0 == place).unwrap();
                let own = usize::from(slot);
                match outcomes.next().unwrap_or(Outcome::Executed) {
                    Outcome::Executed => {
                        lanes.executed(Some(slot), now);
                        pending.remove(at);
                        stuck[own] &= troubled[own];
                    }
                    Outcome::Redirected(to) => {
                        lanes.redirected(Some(slot), 1, now, RANDOM);
                        pending[at].2 = Some(to);
                        (owner, troubled[own]) = (to, true);
                    }
                    Outcome::Refused => {
                        lanes.refused(Some(slot), None, 0, now, RANDOM);
                        pending[at].2 = None;
                        (stuck[own], troubled[own]) = (true, true);
                    }
                }
            }
        }
    }
}
