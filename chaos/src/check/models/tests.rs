//! Histories that are known to be good or bad, and small ones by chance against a search through
//! all orders.

use rand::{rngs::StdRng, RngExt, SeedableRng};

use super::*;

fn operation(times: (u64, u64), action: Action, outcome: Outcome) -> Operation {
    Operation {
        client: 1,
        called: Duration::from_millis(times.0),
        returned: Duration::from_millis(times.1),
        action,
        outcome,
        node: None,
    }
}

fn swap(times: (u64, u64), value: i64, outcome: Outcome) -> Operation {
    let key = "r".to_owned();
    operation(times, Action::Swap { key, value }, outcome)
}

fn add(times: (u64, u64), outcome: Outcome) -> Operation {
    operation(times, Action::Add { key: "n".into() }, outcome)
}

fn verdict(operations: &[Operation], end: Option<i64>) -> Verdict {
    check(&operations.iter().collect::<Vec<_>>(), end)
}

#[test]
fn a_register_that_keeps_every_value_is_legal() {
    let history = [
        swap((0, 1), 7, Outcome::Acked(None)),
        swap((2, 3), 8, Outcome::Acked(Some(7))),
    ];
    assert_eq!(verdict(&history, Some(8)), Verdict::Legal);
}

#[test]
fn overlapping_swaps_may_take_effect_in_either_order() {
    let history = [
        swap((0, 5), 7, Outcome::Acked(Some(8))),
        swap((1, 4), 8, Outcome::Acked(None)),
    ];
    assert_eq!(verdict(&history, Some(7)), Verdict::Legal);
}

#[test]
fn an_acknowledged_swap_that_nobody_sees_is_illegal() {
    let history = [
        swap((0, 1), 7, Outcome::Acked(None)),
        swap((2, 3), 8, Outcome::Acked(None)),
    ];
    assert_eq!(verdict(&history, Some(8)), Verdict::Illegal);
    assert_eq!(verdict(&history[..1], None), Verdict::Illegal);
}

#[test]
fn an_open_swap_takes_effect_at_any_later_time_or_never() {
    let history = [
        swap((0, 1), 7, Outcome::Acked(None)),
        swap((2, 3), 8, Outcome::Unacked),
        swap((10, 11), 9, Outcome::Acked(Some(7))),
    ];
    for (end, expected) in [
        (Some(9), Verdict::Legal),
        (Some(8), Verdict::Legal),
        (Some(7), Verdict::Illegal),
    ] {
        assert_eq!(verdict(&history, end), expected, "{end:?}");
    }
    // It cannot take effect before its call.
    let early = [
        swap((0, 1), 7, Outcome::Acked(Some(8))),
        swap((2, 3), 8, Outcome::Unknown),
    ];
    assert_eq!(verdict(&early, Some(7)), Verdict::Illegal);
}

#[test]
fn a_counter_that_goes_back_is_illegal() {
    let history = [
        add((0, 1), Outcome::Acked(Some(1))),
        add((2, 3), Outcome::Acked(Some(1))),
    ];
    assert_eq!(verdict(&history, Some(1)), Verdict::Illegal);
    let history = [
        add((0, 1), Outcome::Unknown),
        add((2, 3), Outcome::Acked(Some(2))),
    ];
    assert_eq!(verdict(&history, Some(2)), Verdict::Legal);
    assert_eq!(verdict(&history, Some(3)), Verdict::Illegal);
    let refused = [
        add((0, 1), Outcome::Refused),
        add((2, 3), Outcome::Acked(Some(2))),
    ];
    assert_eq!(verdict(&refused, Some(2)), Verdict::Illegal);
}

/// Whether some order of the operations explains all answers: tries all of them. `used` has a bit
/// for each operation that has taken effect.
fn has_an_order(operations: &[Operation], used: u32, state: Option<i64>, end: Option<i64>) -> bool {
    let is_used = |index: usize| used >> index & 1 == 1;
    let waits = |index: &usize| !is_used(*index) && operations[*index].outcome.is_acked();
    let waiting: Vec<usize> = (0..operations.len()).filter(waits).collect();
    if waiting.is_empty() && state == end {
        return true;
    }
    (0..operations.len()).any(|index| {
        let Some(step) = step(&operations[index]).filter(|_| !is_used(index)) else {
            return false;
        };
        let called = operations[index].called;
        let is_early = |&other: &usize| other != index && operations[other].returned < called;
        if waiting.iter().any(is_early) {
            return false;
        }
        let (is_possible, next) = Key::step(&state, &step);
        is_possible && has_an_order(operations, used | 1 << index, next, end)
    })
}

#[test]
fn small_histories_are_judged_as_by_a_search_through_all_orders() {
    let mut random = StdRng::seed_from_u64(1);
    let (mut legal, mut illegal) = (0, 0);
    for number in 0..20_000 {
        // From mostly open to mostly answered.
        let kinds = 3 + number % 6;
        let is_counter: bool = random.random();
        let count: i64 = random.random_range(1..=6);
        let mut answer =
            |lowest: i64| Some(random.random_range(lowest..=count)).filter(|&one| one >= 0);
        let answers: Vec<_> = (0..count)
            .map(|_| answer(if is_counter { 1 } else { -1 }))
            .collect();
        let end = answer(-1).filter(|&end| !is_counter || end > 0);
        let operations: Vec<Operation> = answers
            .into_iter()
            .zip(0..)
            .map(|(answer, value)| {
                let called = random.random_range(0..20);
                let outcome = match random.random_range(0..kinds) {
                    0 => Outcome::Unacked,
                    1 => Outcome::Unknown,
                    2 => Outcome::Refused,
                    _ => Outcome::Acked(answer),
                };
                let times = (called, called + random.random_range(1..9));
                if is_counter {
                    add(times, outcome)
                } else {
                    swap(times, value, outcome)
                }
            })
            .collect();
        let is_legal = has_an_order(&operations, 0, None, end);
        let expected = if is_legal {
            Verdict::Legal
        } else {
            Verdict::Illegal
        };
        assert_eq!(
            verdict(&operations, end),
            expected,
            "{operations:#?}, in the end {end:?}"
        );
        legal += u32::from(is_legal);
        illegal += u32::from(!is_legal);
    }
    assert!(
        legal > 100 && illegal > 100,
        "{legal} legal, {illegal} illegal"
    );
}

/// As after a partition of many seconds: the checker alone tries all combinations of them.
#[test]
fn a_history_with_many_open_operations_is_decided() {
    let open = |time: u64| (100 * time + 50, 100 * time + 60);
    let answered = |time: u64| (100 * time, 100 * time + 200);
    let mut swaps = vec![swap((0, 1), 1000, Outcome::Acked(None))];
    let mut additions = vec![add((0, 1), Outcome::Acked(Some(1)))];
    for time in 1..40 {
        let value = i64::try_from(time).unwrap();
        swaps.push(swap(open(time), value, Outcome::Unknown));
        additions.push(add(open(time), Outcome::Unacked));
    }
    swaps.push(swap(answered(40), 1001, Outcome::Acked(Some(7))));
    swaps.push(swap(answered(41), 1002, Outcome::Acked(Some(1001))));
    additions.push(add(answered(40), Outcome::Acked(Some(9))));
    assert_eq!(verdict(&swaps, Some(1002)), Verdict::Legal);
    assert_eq!(verdict(&swaps, Some(1001)), Verdict::Illegal);
    assert_eq!(verdict(&additions, Some(20)), Verdict::Legal);
    assert_eq!(verdict(&additions, Some(8)), Verdict::Illegal);
    assert_eq!(verdict(&additions, Some(42)), Verdict::Illegal);
}
