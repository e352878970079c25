//! What is sent, what is read, and what becomes of each command when the connection fails.

use std::io;

use super::*;
use crate::decide::batch::tests::words_of;
use crate::decide::command::Command;

const SECOND: Duration = Duration::from_secs(1);
const HERE: ConnectionId = ConnectionId(1);

fn settings(timeout: Option<Duration>) -> Settings {
    let (mut settings, _) = Settings::of_nodes(["redis://node:1"]).expect("settings");
    settings.response_timeout = timeout;
    settings
}

fn pipeline(commands: &[Command]) -> Pipeline<'_> {
    let mut pipeline = Pipeline::new(Node::tcp("node", 1), &settings(Some(SECOND)));
    for (place, command) in commands.iter().enumerate() {
        pipeline.push(Pending::new(place, command));
    }
    pipeline
}

fn asked() -> Asked {
    crate::decide::cache::SlotCache::new().ask()
}

fn step(pipeline: &mut Pipeline<'_>, now: Instant) -> PipelineStep {
    pipeline.step(&Fences::default(), asked, now)
}

/// The names of the commands that are sent now.
#[track_caller]
fn sent(pipeline: &mut Pipeline<'_>, now: Instant) -> Vec<String> {
    match step(pipeline, now) {
        PipelineStep::Send(bytes, _) => {
            let commands = words_of(&bytes).into_iter();
            commands
                .filter_map(|words| words.into_iter().next())
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

fn reply(text: &str) -> RedisResult<Value> {
    redis::parse_redis_value(format!("{text}\r\n").as_bytes())
}

fn error(kind: io::ErrorKind) -> RedisError {
    io::Error::from(kind).into()
}

/// How each command ended, in the order of the answers.
fn ends(pipeline: Pipeline<'_>) -> Vec<(usize, &'static str)> {
    let mut findings = Vec::new();
    let attempts = pipeline.finish(&mut findings, &Counters::default());
    let name = |outcome: &Outcome| match outcome {
        Outcome::Answered(Verdict::Done(_)) => "done",
        Outcome::Answered(_) => "answered",
        Outcome::NotSent(_) => "not sent",
        Outcome::Lost(_) => "lost",
        Outcome::Silent(_) => "silent",
        Outcome::Severed => "severed",
        Outcome::Postponed => "postponed",
    };
    let end = |attempt: &Attempt<'_>| (attempt.pending.place, name(&attempt.outcome));
    attempts.iter().map(end).collect()
}

fn findings(pipeline: Pipeline<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    pipeline.finish(&mut findings, &Counters::default());
    findings
}

#[test]
fn a_window_is_sent_when_the_replies_to_the_one_before_have_been_read_and_nothing_else_has_come() {
    let commands = vec![Command::get("k"); 1500];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    assert_eq!(step(&mut own, now), PipelineStep::Connect);
    own.connected(HERE);
    assert_eq!(sent(&mut own, now).len(), 1000);
    for _ in 0..1000 {
        assert!(matches!(step(&mut own, now), PipelineStep::Receive(_)));
        own.received(reply("+v"));
    }
    assert_eq!(step(&mut own, now), PipelineStep::Check);
    own.checked(LinkCheck::Clean);
    assert_eq!(sent(&mut own, now).len(), 500);
    for _ in 0..500 {
        own.received(reply("+v"));
    }
    own.checked(LinkCheck::Clean);
    assert_eq!(step(&mut own, now), PipelineStep::End);
    assert!(ends(own).iter().all(|end| end.1 == "done"));
}

#[test]
fn a_slot_that_met_trouble_in_a_window_is_held_back_in_the_next_one() {
    let mut commands = vec![Command::set("{a}", "v"); 1000];
    commands.extend([Command::set("{a}", "v"), Command::set("{b}", "v")]);
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    own.received(reply("-TRYAGAIN x"));
    for _ in 1..1000 {
        own.received(reply("+OK"));
    }
    own.checked(LinkCheck::Clean);
    assert_eq!(sent(&mut own, now).len(), 1);
    own.received(reply("+OK"));
    own.checked(LinkCheck::Clean);
    let ends = ends(own);
    assert_eq!(ends[1000..], [(1000, "postponed"), (1001, "done")]);
}

#[test]
fn a_surplus_reply_makes_the_outcome_of_its_whole_window_unknown_but_of_no_earlier_one() {
    let mut commands = vec![Command::set("k", "v"); 1000];
    commands.extend([Command::get("k"), Command::get("k")]);
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    for _ in 0..1000 {
        own.received(reply("+OK"));
    }
    own.checked(LinkCheck::Clean);
    sent(&mut own, now);
    own.received(reply("+v"));
    own.received(reply("+v"));
    own.checked(LinkCheck::Surplus);
    assert_eq!(step(&mut own, now), PipelineStep::Close);
    assert_eq!(step(&mut own, now), PipelineStep::End);
    let ends = ends(own);
    assert!(ends[..1000].iter().all(|end| end.1 == "done"));
    assert_eq!(ends[1000..], [(1000, "lost"), (1001, "lost")]);
}

#[test]
fn a_node_whose_replies_are_not_trusted_is_neither_up_nor_down() {
    let commands = [Command::get("k")];
    let mut own = pipeline(&commands);
    own.connected(HERE);
    sent(&mut own, Instant::now());
    own.received(reply("+v"));
    own.checked(LinkCheck::Surplus);
    assert_eq!(findings(own), []);
}

#[test]
fn a_connection_that_is_closed_between_two_windows_loses_nothing() {
    let commands = vec![Command::set("k", "v"); 1001];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    for _ in 0..1000 {
        own.received(reply("+OK"));
    }
    own.checked(LinkCheck::Closed);
    assert_eq!(step(&mut own, now), PipelineStep::End);
    let ends = ends(own);
    assert_eq!(ends[999..], [(999, "done"), (1000, "postponed")]);
}

#[test]
fn commands_under_way_when_the_connection_breaks_are_lost_and_those_not_sent_are_not() {
    let commands = vec![Command::set("k", "v"); 1002];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    own.received(reply("+OK"));
    own.received(Err(error(io::ErrorKind::ConnectionReset)));
    assert_eq!(step(&mut own, now), PipelineStep::Close);
    assert_eq!(step(&mut own, now), PipelineStep::End);
    let ends = ends(own);
    assert_eq!(ends[..2], [(0, "done"), (1, "lost")]);
    assert_eq!(
        ends[999..],
        [(999, "lost"), (1000, "postponed"), (1001, "postponed")]
    );
}

#[test]
fn of_a_silent_node_the_command_that_was_waited_for_is_told_from_those_behind_it() {
    let commands = vec![Command::get("k"); 3];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    own.received(reply("+v"));
    own.received(Err(error(io::ErrorKind::TimedOut)));
    assert_eq!(ends(own), [(0, "done"), (1, "silent"), (2, "lost")]);
}

#[test]
fn a_window_that_could_not_be_sent_whole_is_lost() {
    let commands = vec![Command::get("k"); 2];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    own.send_failed(error(io::ErrorKind::TimedOut));
    assert_eq!(step(&mut own, now), PipelineStep::Close);
    assert_eq!(ends(own), [(0, "lost"), (1, "lost")]);
}

#[test]
fn without_a_connection_nothing_is_sent_and_the_node_is_down() {
    let commands = [Command::get("k")];
    let down = Finding::Down(Node::tcp("node", 1));
    let mut own = pipeline(&commands);
    own.not_connected(error(io::ErrorKind::ConnectionRefused));
    assert_eq!(step(&mut own, Instant::now()), PipelineStep::End);
    assert_eq!(findings(own), vec![down.clone()]);
    let mut own = pipeline(&commands);
    own.not_connected(error(io::ErrorKind::ConnectionRefused));
    assert_eq!(ends(own), [(0, "not sent")]);
    // A node that is silent is down as well, one that closed the connection is not.
    for (kind, expected) in [
        (io::ErrorKind::TimedOut, vec![down]),
        (io::ErrorKind::ConnectionReset, vec![]),
    ] {
        let mut own = pipeline(&commands);
        own.connected(HERE);
        sent(&mut own, Instant::now());
        own.received(Err(error(kind)));
        assert_eq!(findings(own), expected, "{kind:?}");
    }
}

#[test]
fn a_node_that_answers_is_up_and_serves_if_it_executes_a_key_or_knows_who_does() {
    let node = Node::tcp("node", 1);
    let (up, serves) = (Finding::Up(node.clone()), Finding::Serves(node));
    let get = Command::get("k");
    for (command, text, expected) in [
        (get.clone(), "+v", vec![up.clone(), serves.clone()]),
        (
            get.clone(),
            "-MOVED 1 a:1",
            vec![up.clone(), serves.clone()],
        ),
        (get.clone(), "-ASK 1 a:1", vec![up.clone(), serves]),
        (get.clone(), "-CLUSTERDOWN x", vec![up.clone()]),
        (get, "-WRONGTYPE x", vec![up.clone()]),
        (Command::new("PING"), "+PONG", vec![up]),
    ] {
        let commands = [command];
        let mut own = pipeline(&commands);
        own.connected(HERE);
        sent(&mut own, Instant::now());
        own.received(reply(text));
        assert_eq!(findings(own), expected, "{text}");
    }
}

#[test]
fn asking_goes_before_the_command_of_an_ask_and_its_own_reply_is_passed_over() {
    let command = Command::get("k");
    let (mut own, now) = (pipeline(&[]), Instant::now());
    let mut pending = Pending::new(0, &command);
    pending.target = Target::Ask(Node::tcp("node", 1));
    own.push(pending);
    own.connected(HERE);
    assert_eq!(sent(&mut own, now), ["ASKING", "GET"]);
    let deadline = step(&mut own, now);
    own.received(reply("-ERR whatever ASKING says"));
    assert_eq!(step(&mut own, now + SECOND / 2), deadline, "one for both");
    own.received(reply("+v"));
    assert_eq!(step(&mut own, now), PipelineStep::Check);
    assert_eq!(ends(own), [(0, "done")]);
}

#[test]
fn a_fence_is_not_sent_where_a_write_of_its_slot_was_sent_on_another_connection() {
    let commands = ["a", "b"].map(|key| Command::new("DURABLE.WAIT").routed_by(key));
    let (mut own, now) = (pipeline(&commands), Instant::now());
    let mut fences = Fences::default();
    fences.written(commands[0].slot(), ConnectionId(7));
    fences.written(commands[1].slot(), HERE);
    own.connected(HERE);
    let step = own.step(&fences, asked, now);
    assert!(matches!(step, PipelineStep::Send(..)), "{step:?}");
    own.received(reply(":1"));
    assert_eq!(ends(own), [(0, "severed"), (1, "done")]);
}

#[test]
fn the_first_reply_has_what_is_left_of_the_time_since_its_window_was_sent_and_each_later_one_all() {
    let commands = vec![Command::get("k"); 2];
    let (mut own, now) = (pipeline(&commands), Instant::now());
    own.connected(HERE);
    sent(&mut own, now);
    let later = now + SECOND / 4;
    let until =
        |at: Instant, left: Duration| PipelineStep::Receive(Deadline::after(at, Some(left)));
    assert_eq!(step(&mut own, later), until(later, SECOND * 3 / 4));
    own.received(reply("+v"));
    assert_eq!(step(&mut own, later), until(later, SECOND));
    // Replies of other nodes were read for long: an eighth is left.
    let mut own = pipeline(&commands);
    own.connected(HERE);
    sent(&mut own, now);
    let late = now + SECOND * 5;
    assert_eq!(step(&mut own, late), until(late, SECOND / 8));
    let mut own = Pipeline::new(Node::tcp("node", 1), &settings(None));
    own.push(Pending::new(0, &commands[0]));
    own.connected(HERE);
    let never = Deadline::NEVER;
    assert!(matches!(step(&mut own, now), PipelineStep::Send(_, until) if until == never));
    assert_eq!(step(&mut own, now), PipelineStep::Receive(never));
}
