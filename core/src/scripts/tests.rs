//! Order, budget and timers of scripts, and a naive model.

use super::*;
use proptest::prelude::*;

/// A client that arrives with a script.
fn arrive(queue: &mut ScriptQueue, client: WaitId) -> bool {
    queue.arrived(client, b"alice")
}

#[test]
fn each_script_gets_a_timer_and_they_run_in_the_order_of_arrival() {
    let mut queue = ScriptQueue::default();
    for client in [7, 3, 5] {
        assert!(arrive(&mut queue, client));
    }
    assert_eq!((queue.len(), queue.of_user(b"alice")), (3, 3));
    let run: Vec<_> = (0..4).map(|_| queue.timer_fired(false)).collect();
    assert_eq!(run, [Some(7), Some(3), Some(5), None]);
    assert!(queue.is_empty() && !queue.contains(3));
    assert_eq!(queue.of_user(b"alice"), 0);
}

#[test]
fn after_the_budget_of_a_turn_the_rest_waits_for_the_next_one() {
    let mut queue = ScriptQueue::default();
    (1..=5).for_each(|client| assert!(arrive(&mut queue, client)));
    let mut run = Vec::new();
    for _ in 1..=5 {
        if let Some(client) = queue.timer_fired(false) {
            run.push(client);
            queue.ran(Micros::new(2000));
        }
    }
    assert_eq!(run, [1, 2, 3]);
    assert!(queue.turn_ends(false), "nothing else wakes the event loop");
    assert_eq!(queue.turn_begins(false), 2);
    assert!(queue.turn_ends(false), "the timers may be armed too late");
    assert_eq!(queue.timer_fired(false), Some(4));
}

#[test]
fn a_script_whose_client_left_never_runs() {
    let mut queue = ScriptQueue::default();
    arrive(&mut queue, 1);
    arrive(&mut queue, 2);
    assert!(queue.remove(1) && !queue.remove(1));
    assert_eq!(queue.timer_fired(false), Some(2));
    assert_eq!(queue.timer_fired(false), None);
}

#[test]
fn in_a_pause_nothing_runs_and_nothing_wakes_the_event_loop() {
    let mut queue = ScriptQueue::default();
    arrive(&mut queue, 1);
    assert_eq!(queue.timer_fired(true), None);
    assert!(!queue.turn_ends(true));
    assert_eq!(queue.turn_begins(true), 0);
    assert_eq!(queue.turn_begins(false), 1, "the pause is over");
    assert_eq!(queue.timer_fired(false), Some(1));
}

#[test]
fn no_more_timers_are_armed_than_a_turn_can_use() {
    let mut queue = ScriptQueue::default();
    let armed = (0..1000)
        .filter(|&client| arrive(&mut queue, client))
        .count();
    assert_eq!(armed, MAX_TIMERS);
    let run = (0..MAX_TIMERS).filter_map(|_| queue.timer_fired(false));
    assert_eq!(run.count(), MAX_TIMERS);
    assert!(queue.turn_ends(false));
    assert_eq!(queue.turn_begins(false), MAX_TIMERS);
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(WaitId),
    Leave(WaitId),
    Turn { paused: bool, costs: Vec<u64> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..20_u64).prop_map(Step::Arrive),
        1 => (0..20_u64).prop_map(Step::Leave),
        2 => (any::<bool>(), prop::collection::vec(0..6000_u64, 0..8))
            .prop_map(|(paused, costs)| Step::Turn { paused, costs }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Each script runs once or its client has left, in the order of arrival, and whenever scripts
    /// are left without a pause, a timer or a wake-up follows.
    #[test]
    fn it_behaves_as_a_list_that_is_searched(steps in steps()) {
        let (mut queue, mut list, mut timers) = (ScriptQueue::default(), Vec::new(), 0_usize);
        for step in steps {
            match step {
                Step::Arrive(client) => {
                    list.retain(|&own| own != client);
                    list.push(client);
                    timers += usize::from(arrive(&mut queue, client));
                }
                Step::Leave(client) => {
                    let had = list.contains(&client);
                    list.retain(|&own| own != client);
                    prop_assert_eq!(queue.remove(client), had);
                }
                Step::Turn { paused, costs } => {
                    let mut costs = costs.into_iter();
                    let mut used = 0;
                    timers += queue.turn_begins(paused);
                    for _ in 0..std::mem::take(&mut timers) {
                        let expected = if paused || used >= BUDGET.get() || list.is_empty() {
                            None
                        } else {
                            Some(list.remove(0))
                        };
                        prop_assert_eq!(queue.timer_fired(paused), expected);
                        if expected.is_some() {
                            let cost = costs.next().unwrap_or(0);
                            used += cost;
                            queue.ran(Micros::new(cost));
                        }
                    }
                    prop_assert_eq!(queue.turn_ends(paused), !list.is_empty() && !paused);
                }
            }
            prop_assert_eq!(queue.len(), list.len());
            prop_assert_eq!(queue.of_user(b"alice"), list.len());
            prop_assert!(list.iter().all(|&client| queue.contains(client)));
        }
    }
}
