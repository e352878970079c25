//! Which nodes are asked for a hint, and what their answers change.

use super::*;
use redis::{ErrorKind, Value};

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

struct Asking {
    settings: Settings,
    stats: Counters,
    knowledge: Knowledge,
    now: Instant,
}

fn asking() -> Asking {
    let urls = ["redis://node:1", "redis://node:2", "redis://node:3"];
    let (settings, seeds) = Settings::of_nodes(urls).expect("settings");
    Asking {
        settings,
        stats: Counters::default(),
        knowledge: Knowledge::new(seeds),
        now: Instant::now(),
    }
}

impl Asking {
    fn inquiry(&mut self, limits: Limits) -> Inquiry {
        Inquiry::for_map(&HashSet::new(), limits, &mut self.knowledge)
    }

    fn before_commands(&self) -> Limits {
        Limits::before_commands(&self.settings, self.now)
    }

    fn answer(&mut self, inquiry: &mut Inquiry, from: &Node, reply: Value) -> bool {
        self.reply(inquiry, from, Ok(reply))
    }

    fn reply(
        &mut self,
        inquiry: &mut Inquiry,
        from: &Node,
        reply: redis::RedisResult<Value>,
    ) -> bool {
        let question = inquiry.question(from.clone(), &mut self.knowledge, &self.stats);
        let answer = question.read(reply, &self.settings, &self.stats);
        inquiry.answered(from.clone(), answer, &mut self.knowledge, &self.stats)
    }
}

fn error(words: &str) -> Value {
    redis::parse_redis_value(format!("-{words}\r\n").as_bytes()).expect("an error")
}

/// A map in which the node that gives it owns all slots up to `last`.
fn map(last: i64) -> Value {
    let integers =
        |items: &[i64]| Value::Array(items.iter().map(|&item| Value::Int(item)).collect());
    let own = vec![
        Value::Nil,
        Value::Int(1),
        Value::Nil,
        Value::Array(Vec::new()),
    ];
    Value::Array(vec![
        Value::Int(7),
        Value::Array(vec![Value::Array(own)]),
        Value::Array(vec![integers(&[0, last, 0])]),
    ])
}

#[test]
fn a_node_that_gives_no_hint_is_followed_by_the_next_and_is_not_asked_again() {
    let mut asking = asking();
    let limits = Limits::for_the_caller(&asking.settings);
    let mut inquiry = asking.inquiry(limits);
    for (number, words) in [(1, "ERR unknown command 'SLOTHINT.MAP'"), (2, "NOPERM x")] {
        assert_eq!(inquiry.next_node(asking.now), Some(node(number)));
        assert!(!asking.answer(&mut inquiry, &node(number), error(words)));
    }
    assert_eq!(inquiry.next_node(asking.now), Some(node(3)));
    asking.answer(&mut inquiry, &node(3), map(16_383));
    assert_eq!(inquiry.next_node(asking.now), None);
    assert!(matches!(inquiry.result(), Ok(Fill::Filled(16_384))));
    let again = asking.inquiry(limits).candidates;
    // Node 3 has named its own host and the port 1 as the owner. That is node 1, which refuses.
    assert_eq!(again.collect::<Vec<_>>(), [node(3)]);
}

#[test]
fn where_every_node_refuses_there_are_no_hints_and_other_errors_are_the_result() {
    let mut asking = asking();
    let limits = Limits::for_the_caller(&asking.settings);
    let mut inquiry = asking.inquiry(limits);
    while let Some(node) = inquiry.next_node(asking.now) {
        let refusal = error("ERR This instance has cluster support disabled");
        asking.answer(&mut inquiry, &node, refusal);
    }
    assert!(matches!(inquiry.result(), Ok(Fill::Unavailable)));
    asking.knowledge.forget_refusals();
    let mut inquiry = asking.inquiry(limits);
    for reply in [error("LOADING x"), error("NOPERM x"), Value::Int(3)] {
        let node = inquiry.next_node(asking.now).expect("a node");
        asking.answer(&mut inquiry, &node, reply);
    }
    assert!(matches!(inquiry.result(), Err(Error::Hint(_))));
}

#[test]
fn before_commands_two_nodes_are_asked_and_not_longer_than_commands_are_tried() {
    let mut asking = asking();
    let limits = asking.before_commands();
    let mut inquiry = asking.inquiry(limits);
    for number in [1, 2] {
        assert_eq!(inquiry.next_node(asking.now), Some(node(number)));
        asking.answer(&mut inquiry, &node(number), error("LOADING x"));
    }
    assert_eq!(inquiry.next_node(asking.now), None);
    let mut inquiry = asking.inquiry(limits);
    let over = asking.now + asking.settings.retry_for;
    assert_eq!(inquiry.next_node(over), None);
    // Each node has the connect timeout, and all together have the time for retries.
    let (now, connect) = (asking.now, asking.settings.connect_timeout);
    assert_eq!(inquiry.answer_deadline(now).left(now), Some(connect));
    let late = over - connect / 2;
    let left = inquiry.answer_deadline(late).left(late);
    assert_eq!(left, Some(connect / 2));
}

#[test]
fn a_connection_on_which_no_answer_came_is_closed_and_a_silent_node_is_down() {
    let mut asking = asking();
    let limits = Limits::for_the_caller(&asking.settings);
    let mut inquiry = asking.inquiry(limits);
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert!(asking.reply(&mut inquiry, &node(1), Err(cut.into())));
    let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
    assert!(asking.reply(&mut inquiry, &node(2), Err(silent.into())));
    let refused = (ErrorKind::Io, "refused").into();
    inquiry.not_connected(node(3), refused, &mut asking.knowledge);
    assert!(matches!(inquiry.result(), Err(Error::Connect { .. })));
    let order = asking.inquiry(limits).candidates;
    assert_eq!(order.collect::<Vec<_>>(), [1, 2, 3].map(node), "up first");
    assert_eq!(asking.stats.read().connection_failures, 2);
}

#[test]
fn a_map_of_a_node_in_no_cluster_is_no_answer_and_the_node_is_asked_last() {
    let mut asking = asking();
    let limits = Limits::for_the_caller(&asking.settings);
    let mut inquiry = asking.inquiry(limits);
    let empty = Value::Array(vec![
        Value::Int(1),
        Value::Array(Vec::new()),
        Value::Array(Vec::new()),
    ]);
    asking.answer(&mut inquiry, &node(1), empty);
    assert_eq!(asking.knowledge.cache.known(), 0);
    let order = asking.inquiry(limits).candidates;
    assert_eq!(order.collect::<Vec<_>>(), [2, 3, 1].map(node));
}

#[test]
fn one_key_of_each_unknown_slot_is_asked_for_and_none_where_all_are_known() {
    let mut asking = asking();
    let keys = ["{a}1", "{a}2", "b"];
    let limits = asking.before_commands();
    let inquiry = Inquiry::for_keys(keys, limits, &mut asking.knowledge).expect("a question");
    let question = inquiry.question(node(1), &mut asking.knowledge, &asking.stats);
    let words = question.command().args_iter().count();
    assert_eq!(words, 3, "SLOTHINT {{a}}1 b");
    let asked = asking.knowledge.cache.ask();
    for key in keys {
        let slot = slot::of_key(key.as_bytes());
        asking.knowledge.cache.moved(slot, &node(1), None, asked);
    }
    assert!(Inquiry::for_keys(keys, limits, &mut asking.knowledge).is_none());
}
