//! Whole batches on clusters that are made up, without a socket, with the shortest possible driver.

use std::collections::HashMap;
use std::slice::from_ref;
use std::time::Duration;

use proptest::prelude::*;
use redis::RedisResult;

use super::*;
use crate::decide::batch::pipeline::PipelineStep;
use crate::decide::hint::{Hint, HintNode};
use crate::decide::links::{LinkCheck, Links};

const RETRY_FOR: Duration = Duration::from_secs(20);

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

/// A client of which time passes only in its waits and inquiries.
struct Client {
    settings: Settings,
    stats: Counters,
    knowledge: Knowledge,
    fences: Fences,
    links: Links<()>,
    now: Instant,
    /// For each inquiry that was made: whether all sessions share it.
    inquiries: Vec<bool>,
    /// How long each of them takes.
    inquiry_takes: Duration,
}

/// What the cluster does: it is given the node and the words of a command.
type Cluster<'a> = dyn FnMut(&Node, &[String]) -> RedisResult<Value> + 'a;

fn client() -> Client {
    let (mut settings, seeds) = Settings::of_nodes(["redis://node:1"]).expect("settings");
    settings.retry_for = RETRY_FOR;
    Client {
        settings,
        stats: Counters::default(),
        knowledge: Knowledge::new(seeds),
        fences: Fences::default(),
        links: Links::new(),
        now: Instant::now(),
        inquiries: Vec::new(),
        inquiry_takes: Duration::ZERO,
    }
}

impl Client {
    /// In the cache, node 1 owns the slots below 8192, and node 2 the others.
    fn of_two_nodes() -> Client {
        let mut client = client();
        let owner = |number| HintNode {
            primary: node(number),
            replicas: Vec::new(),
        };
        let map = Hint {
            token: 1,
            nodes: vec![owner(1), owner(2)],
            ranges: vec![(0, 8191, Some(0)), (8192, 16_383, Some(1))],
            is_whole: true,
        };
        let asked = client.knowledge.cache.ask();
        client.knowledge.cache.learn(&map, &node(1), asked);
        client
    }

    fn run(
        &mut self,
        commands: &[Command],
        cluster: &mut Cluster<'_>,
    ) -> Vec<Result<Value, Error>> {
        let settings = &self.settings;
        let mut batch = Batch::new(commands, settings, &self.stats, self.now);
        loop {
            match batch.next(&mut self.knowledge, self.now) {
                step @ (BatchStep::Hint(_) | BatchStep::SharedFetch(_)) => {
                    let is_shared = matches!(step, BatchStep::SharedFetch(_));
                    self.inquiries.push(is_shared);
                    self.now += self.inquiry_takes;
                }
                BatchStep::WaitUntil(at) => {
                    assert!(at > self.now, "a wait that is over");
                    self.now = at;
                }
                BatchStep::Send(mut round) => {
                    for pipeline in &mut round {
                        let (links, now) = (&mut self.links, self.now);
                        Client::send(pipeline, links, &self.fences, now, cluster);
                    }
                    let findings = batch.settle(round, &mut self.fences, self.now, 0.5);
                    self.knowledge.note(findings, &self.stats);
                }
                BatchStep::Done => return batch.results(),
            }
        }
    }

    fn send(
        pipeline: &mut Pipeline<'_>,
        links: &mut Links<()>,
        fences: &Fences,
        now: Instant,
        cluster: &mut Cluster<'_>,
    ) {
        let mut replies = Vec::new().into_iter();
        let mut cache = crate::decide::cache::SlotCache::new();
        loop {
            let node = pipeline.node().clone();
            match pipeline.step(fences, || cache.ask(), now) {
                PipelineStep::Connect => {
                    let id = links.fresh(&node, Duration::MAX, now);
                    let id = id.unwrap_or_else(|| links.put(node, (), None, now));
                    pipeline.connected(id);
                }
                PipelineStep::Send(bytes, _) => {
                    let commands = words_of(&bytes);
                    let answer = |words: &Vec<String>| cluster(&node, words);
                    let answers: Vec<_> = commands.iter().map(answer).collect();
                    replies = answers.into_iter();
                }
                PipelineStep::Receive(_) => {
                    pipeline.received(replies.next().expect("a reply for each command"));
                }
                PipelineStep::Check => pipeline.checked(LinkCheck::Clean),
                PipelineStep::Close => links.close(&node),
                PipelineStep::End => return,
            }
        }
    }
}

/// The commands in these bytes, each as its words.
pub(super) fn words_of(mut bytes: &[u8]) -> Vec<Vec<String>> {
    let (mut parser, mut commands) = (redis::Parser::new(), Vec::new());
    while let Ok(command) = parser.parse_value(&mut bytes) {
        commands.push(redis::from_redis_value(command).expect("words"));
    }
    commands
}

fn reply(text: &str) -> RedisResult<Value> {
    redis::parse_redis_value(format!("{text}\r\n").as_bytes())
}

fn cut() -> RedisResult<Value> {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

#[test]
fn a_single_command_of_an_unknown_slot_fetches_the_map_and_a_batch_a_hint_for_its_keys() {
    let mut ok = |_: &Node, _: &[String]| reply("+OK");
    let (get, other) = (Command::get("a"), Command::get("b"));
    let mut own = client();
    own.run(from_ref(&get), &mut ok);
    assert_eq!(own.inquiries, [true]);
    let mut own = client();
    own.run(&[get.clone(), other.clone()], &mut ok);
    assert_eq!(own.inquiries, [false]);
    // The slots of both keys are known now, from the success.
    own.run(&[get.clone(), other.clone()], &mut ok);
    own.run(from_ref(&get), &mut ok);
    assert_eq!(own.inquiries, [false]);
    let mut own = client();
    own.settings.hint_batches = false;
    own.run(&[get, other], &mut ok);
    assert_eq!(own.inquiries, []);
    // A command that names no key is not redirected. Its slot is requested in any case.
    let fence = Command::new("DURABLE.WAIT").routed_by("a");
    let results = own.run(from_ref(&fence), &mut ok);
    assert_eq!(own.inquiries, [], "it is known");
    assert!(results[0].is_ok());
    let mut own = client();
    own.settings.hint_batches = false;
    let results = own.run(&[fence], &mut ok);
    assert_eq!(own.inquiries, [false]);
    assert!(matches!(results[0], Err(Error::Refused(_))), "{results:?}");
}

#[test]
fn a_failure_asks_for_the_map_before_the_next_attempt() {
    let mut own = Client::of_two_nodes();
    let mut times = 0;
    let mut loading_once = |_: &Node, _: &[String]| {
        times += 1;
        reply(if times == 1 { "-LOADING x" } else { "+v" })
    };
    let results = own.run(&[Command::get("a")], &mut loading_once);
    assert!(results[0].is_ok());
    assert_eq!(own.inquiries, [false]);
}

#[test]
fn a_command_that_cannot_be_sent_is_refused_and_the_rest_of_the_batch_is_sent() {
    let mut own = client();
    let mut sent = 0;
    let mut count = |_: &Node, _: &[String]| {
        sent += 1;
        reply("+OK")
    };
    let commands = [Command::new("MULTI"), Command::set("a", 1)];
    let results = own.run(&commands, &mut count);
    assert!(matches!(results[0], Err(Error::Refused(_))));
    assert!(results[1].is_ok());
    assert_eq!(sent, 1);
}

#[test]
fn a_batch_without_commands_has_no_results() {
    let mut own = client();
    assert!(own.run(&[], &mut |_, _| unreachable!()).is_empty());
}

#[test]
fn a_redirection_is_followed_and_the_next_command_goes_there_by_itself() {
    let mut own = Client::of_two_nodes();
    let set = Command::set("a", 1);
    let slot = set.slot().expect("a slot");
    let mut seen = Vec::new();
    let mut at_three = |to: &Node, _: &[String]| {
        seen.push(to.clone());
        match *to == node(3) {
            true => reply("+OK"),
            false => reply(&format!("-MOVED {slot} node:3")),
        }
    };
    own.run(from_ref(&set), &mut at_three);
    own.run(&[set], &mut at_three);
    assert_eq!(seen, [2, 3, 3].map(node));
    let stats = own.stats.read();
    assert_eq!((stats.moved, stats.patches, stats.hits), (1, 1, 2));
}

#[test]
fn a_command_without_a_reply_goes_behind_those_of_other_slots() {
    let mut own = Client::of_two_nodes();
    // So the wait of the silent command is over when the map has come.
    own.inquiry_takes = Duration::from_secs(1);
    let slow = Command::new("SLOW").key("{a}").repeatable();
    // Node 2 owns the slots of both.
    let commands = [slow, Command::get("{a}"), Command::get("{d}")];
    let mut sent = Vec::new();
    let mut cluster = |_: &Node, words: &[String]| {
        sent.push(words.join(" "));
        match words[0].as_str() {
            "SLOW" => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            _ => reply("+OK"),
        }
    };
    let results = own.run(&commands, &mut cluster);
    assert!(results[0].is_err() && results[1..].iter().all(Result::is_ok));
    let words: Vec<&str> = sent.iter().map(String::as_str).take(6).collect();
    let first = ["SLOW {a}", "GET {a}", "GET {d}"];
    let second = ["GET {d}", "SLOW {a}", "SLOW {a}"];
    assert_eq!(words, [first, second].concat());
    assert_eq!(sent.last().map(String::as_str), Some("GET {a}"));
}

#[test]
fn a_cluster_that_stays_down_is_given_up_within_the_time_for_retries() {
    let mut own = Client::of_two_nodes();
    let began = own.now;
    let mut down = |_: &Node, _: &[String]| reply("-CLUSTERDOWN x");
    let results = own.run(&[Command::set("a", 1), Command::set("a", 2)], &mut down);
    for result in results {
        let error = result.expect_err("an error");
        assert!(
            matches!(error, Error::GaveUp { sent: false, .. }),
            "{error}"
        );
    }
    let took = own.now - began;
    assert!(took <= RETRY_FOR && took > RETRY_FOR * 9 / 10, "{took:?}");
}

/// What the node does with a command of the batch.
#[derive(Clone, Debug)]
enum Fate {
    Execute,
    Moved,
    Ask,
    TurnAway,
    /// The command is executed, and its reply is lost.
    Lose,
    /// The command is not executed, and the connection breaks.
    Cut,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Execute),
        1 => Just(Fate::Moved),
        1 => Just(Fate::Ask),
        2 => Just(Fate::TurnAway),
        1 => Just(Fate::Lose),
        1 => Just(Fate::Cut),
    ]
}

proptest! {
    /// Whatever happens, no write is executed twice, and each result is true.
    #[test]
    fn no_write_is_executed_twice_and_no_result_lies(
        keys in prop::collection::vec(0_u8..3, 1..20),
        fates in prop::collection::vec(fate(), 0..60),
    ) {
        let set = |(place, key): (usize, &u8)| Command::set(format!("{{{key}}}"), place);
        let commands: Vec<Command> = keys.iter().enumerate().map(set).collect();
        let mut executed: HashMap<String, u32> = HashMap::new();
        let mut fates = fates.into_iter();
        let mut cluster = |_: &Node, words: &[String]| {
            if words[0] == "ASKING" {
                return reply("+OK");
            }
            let fate = fates.next().unwrap_or(Fate::Execute);
            let slot = durable_core::slot::of_key(words[1].as_bytes());
            let mut execute = || *executed.entry(words[2].clone()).or_default() += 1;
            match fate {
                Fate::Execute => {
                    execute();
                    reply("+OK")
                }
                Fate::Moved => reply(&format!("-MOVED {slot} node:{}", 1 + slot % 3)),
                Fate::Ask => reply(&format!("-ASK {slot} node:{}", 1 + slot % 3)),
                Fate::TurnAway => reply("-TRYAGAIN x"),
                Fate::Lose => {
                    execute();
                    cut()
                }
                Fate::Cut => cut(),
            }
        };
        let mut own = Client::of_two_nodes();
        let results = own.run(&commands, &mut cluster);
        prop_assert_eq!(results.len(), commands.len());
        for (place, result) in results.iter().enumerate() {
            let times = executed.get(&place.to_string()).copied().unwrap_or(0);
            prop_assert!(times <= 1, "{place} was executed {times} times");
            match result {
                Ok(_) => prop_assert_eq!(times, 1),
                Err(error) if !error.may_have_been_executed() => prop_assert_eq!(times, 0),
                Err(_) => {}
            }
        }
    }
}
