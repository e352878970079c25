//! Answers as servers give them, and answers that no server should give.

use super::*;

fn text(text: &str) -> Value {
    Value::BulkString(text.into())
}

fn array(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(items.into_iter().collect())
}

fn integers(items: &[i64]) -> Value {
    array(items.iter().map(|&item| Value::Int(item)))
}

fn node(host: Value, port: i64, replicas: &[(&str, i64)]) -> Value {
    let replica =
        |&(host, port): &(&str, i64)| array([text(host), Value::Int(port), text("replica's id")]);
    array([
        host,
        Value::Int(port),
        text("id"),
        array(replicas.iter().map(replica)),
    ])
}

/// As over a connection to the host `near`.
fn near(host: Option<&str>, port: u16) -> Node {
    Node::tcp(host.unwrap_or("near"), port)
}

#[test]
fn a_hint_for_keys_names_slots_in_the_order_of_the_keys() {
    let nodes = [node(text("a"), 1, &[("r", 3)]), node(text("b"), 2, &[])];
    let slots = [integers(&[9, 1]), integers(&[3, 0]), integers(&[5, -1])];
    let answer = array([Value::Int(77), array(nodes), array(slots)]);
    let hint = Hint::of_keys(&answer, &near).unwrap();
    assert_eq!(hint.token, 77);
    assert_eq!(hint.nodes[0].primary, Node::tcp("a", 1));
    assert_eq!(hint.nodes[0].replicas, [Node::tcp("r", 3)]);
    let slots: Vec<_> = hint.slots().collect();
    assert_eq!(slots, [(9, Some(1)), (3, Some(0)), (5, None)]);
}

#[test]
fn a_map_tells_of_every_slot_also_of_those_without_an_owner() {
    let nodes = [node(text("a"), 1, &[])];
    let ranges = [integers(&[0, 99, 0]), integers(&[200, 16383, 0])];
    let answer = array([Value::Int(1), array(nodes), array(ranges)]);
    let hint = Hint::of_map(&answer, &near).unwrap().unwrap();
    assert_eq!(hint.slots().count(), 16384);
    let unowned: Vec<u16> = hint
        .slots()
        .filter_map(|(slot, owner)| owner.is_none().then_some(slot))
        .collect();
    assert_eq!(unowned, (100..200).collect::<Vec<u16>>());
}

#[test]
fn a_map_of_a_node_without_a_cluster_names_nobody() {
    let empty = array([Value::Int(1), array([]), array([])]);
    assert!(Hint::of_map(&empty, &near).unwrap().unwrap().names_nobody());
    // A node that cannot be dialled does not count.
    let nodes = [node(text("a"), 0, &[]), node(text("b"), 2, &[])];
    let hint = |slots: &[Value]| {
        let slots = array(slots.iter().cloned());
        Hint::of_keys(&array([Value::Int(1), array(nodes.clone()), slots]), &near).unwrap()
    };
    assert!(hint(&[integers(&[1, 0]), integers(&[2, -1])]).names_nobody());
    assert!(!hint(&[integers(&[1, 0]), integers(&[2, 1])]).names_nobody());
}

#[test]
fn nil_for_a_map_is_no_map() {
    assert_eq!(Hint::of_map(&Value::Nil, &near), Ok(None));
}

#[test]
fn a_host_that_is_nil_empty_or_a_question_mark_is_the_one_of_the_connection() {
    for host in [Value::Nil, text(""), text("?")] {
        let nodes = [node(host, 7000, &[("", 7001), ("?", 7002)])];
        let answer = array([Value::Int(1), array(nodes), array([integers(&[0, 0])])]);
        let hint = Hint::of_keys(&answer, &near).unwrap();
        assert_eq!(hint.nodes[0].primary, Node::tcp("near", 7000));
        let replicas = [Node::tcp("near", 7001), Node::tcp("near", 7002)];
        assert_eq!(hint.nodes[0].replicas, replicas);
    }
}

#[test]
fn slots_of_a_node_that_cannot_be_dialled_stay_unknown() {
    let nodes = [node(text("a"), 0, &[]), node(text("b"), 2, &[("r", 0)])];
    let slots = [integers(&[1, 0]), integers(&[2, 1])];
    let answer = array([Value::Int(1), array(nodes), array(slots)]);
    let hint = Hint::of_keys(&answer, &near).unwrap();
    assert_eq!(hint.nodes.len(), 1);
    assert!(hint.nodes[0].replicas.is_empty());
    assert_eq!(hint.slots().collect::<Vec<_>>(), [(1, None), (2, Some(0))]);
}

#[test]
fn an_answer_of_another_shape_is_an_error_and_not_a_guess() {
    let good = || node(text("a"), 1, &[]);
    let answers = [
        Value::Int(1),
        array([]),
        integers(&[1, 2, 3]),
        array([Value::Int(1), array([Value::Int(1)]), array([])]),
        array([
            Value::Int(1),
            array([good()]),
            array([integers(&[16384, 0])]),
        ]),
        array([Value::Int(1), array([good()]), array([integers(&[1, 1])])]),
        array([Value::Int(1), array([good()]), array([integers(&[1, -2])])]),
        array([
            Value::Int(1),
            array([good()]),
            array([integers(&[1, 2, 0])]),
        ]),
        array([
            Value::Int(1),
            array([node(text("a"), 65536, &[])]),
            array([]),
        ]),
        array([
            Value::Int(1),
            array([node(Value::Int(1), 1, &[])]),
            array([]),
        ]),
    ];
    for answer in answers {
        assert!(Hint::of_keys(&answer, &near).is_err(), "{answer:?}");
    }
    let backwards = array([
        Value::Int(1),
        array([good()]),
        array([integers(&[2, 1, 0])]),
    ]);
    assert!(Hint::of_map(&backwards, &near).is_err());
}

fn map(nodes: Vec<Value>, ranges: Vec<Value>) -> Result<Option<Hint>, Unreadable> {
    let answer = array([Value::Int(1), array(nodes), array(ranges)]);
    Hint::of_map(&answer, &near)
}

#[track_caller]
fn assert_refused(map: Result<Option<Hint>, Unreadable>, why: &str) {
    let error = map.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_map_of_more_than_a_cluster_can_have_is_refused() {
    let a = || node(text("a"), 1, &[]);
    let single = |slot: i64| integers(&[slot, slot, 0]);
    let all: Vec<Value> = (0..16_384).map(single).collect();
    let hint = map(vec![a()], all.clone()).unwrap().unwrap();
    assert_eq!(hint.slots().count(), 16_384);

    let many: Vec<Value> = (0..100_000).map(|_| integers(&[0, 16_383, 0])).collect();
    assert_refused(map(vec![a()], many), "more than 16384 ranges");
    assert_refused(map(vec![a(); 16_385], all), "more than 16384 nodes");
    let replicas = vec![("r", 3); 10_000];
    let owners = vec![node(text("a"), 1, &replicas); 2];
    assert_refused(map(owners, vec![]), "more than 16384 replicas");
    let long = "h".repeat(256);
    let told = map(vec![node(text(&long), 1, &[])], vec![]);
    assert_refused(told, "a host of more than 255 bytes");
    let slots = vec![integers(&[1, 0]); 16_385];
    let answer = array([Value::Int(1), array([a()]), array(slots)]);
    assert!(Hint::of_keys(&answer, &near).is_err());
}

#[test]
fn ranges_that_overlap_run_backwards_or_leave_the_slots_are_refused_by_name() {
    let a = || vec![node(text("a"), 1, &[])];
    for (range, why) in [
        ([9, 12, 0], "two ranges of slots overlap"),
        ([0, 16_383, -1], "two ranges of slots overlap"),
        ([30, 20, 0], "a range of slots ends before it begins"),
        ([16_000, 16_384, 0], "a slot is not in 0 to 16383"),
        ([-1, 3, 0], "a slot is not in 0 to 16383"),
    ] {
        let ranges = vec![integers(&[10, 11, 0]), integers(&range)];
        assert_refused(map(a(), ranges), why);
    }
}

/// The module gives tokens below 2^53. Other versions of it may give tokens of up to 63 bits.
#[test]
fn a_token_is_any_number() {
    for token in [1, (1 << 53) - 1, i64::MAX, -5] {
        let answer = array([Value::Int(token), array([]), array([])]);
        let hint = Hint::of_map(&answer, &near).unwrap().unwrap();
        assert_eq!(hint.token, token);
    }
}
