//! When the map is fetched, when the watcher pauses, and when it goes to another node.

use redis::RedisError;

use super::*;

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

struct Watching {
    watcher: Watcher,
    settings: Settings,
    stats: Counters,
    knowledge: Knowledge,
    now: Instant,
}

fn watching() -> Watching {
    let urls = ["redis://node:1", "redis://node:2"];
    let (settings, seeds) = Settings::of_nodes(urls).expect("settings");
    Watching {
        watcher: Watcher::new(),
        settings,
        stats: Counters::default(),
        knowledge: Knowledge::new(seeds),
        now: Instant::now(),
    }
}

impl Watching {
    fn next(&mut self) -> WatchStep {
        let (knowledge, stats) = (&mut self.knowledge, &self.stats);
        self.watcher.next(knowledge, stats, self.now, 1.0)
    }

    /// Connects to the next node.
    #[track_caller]
    fn connect(&mut self) -> Node {
        match self.next() {
            WatchStep::Connect(node) => {
                self.watcher.connected(self.now);
                node
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits for so long, and takes in the reply.
    #[track_caller]
    fn wait(&mut self, length: Duration, reply: RedisResult<Value>) {
        let step = self.next();
        assert!(matches!(step, WatchStep::Wait(_)), "{step:?}");
        self.now += length;
        self.watcher.waited(reply, &mut self.knowledge, self.now);
    }

    /// Fetches the map.
    #[track_caller]
    fn fetch(&mut self, reply: RedisResult<Value>) {
        let question = match self.next() {
            WatchStep::Fetch(question) => question,
            other => panic!("{other:?}"),
        };
        let answer = question.read(reply, &self.settings, &self.stats);
        let (knowledge, stats) = (&mut self.knowledge, &self.stats);
        self.watcher.fetched(answer, knowledge, stats, self.now);
    }

    #[track_caller]
    fn paused(&mut self) -> Duration {
        match self.next() {
            WatchStep::Pause(length) => length,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn assert_closes(&mut self) {
        let step = self.next();
        assert!(matches!(step, WatchStep::Close), "{step:?}");
    }
}

fn error(words: &str) -> RedisResult<Value> {
    redis::parse_redis_value(format!("-{words}\r\n").as_bytes())
}

fn broken() -> RedisResult<Value> {
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Err(RedisError::from(cut))
}

/// A map in which the node that gives it has all slots.
fn map(token: i64) -> RedisResult<Value> {
    let text = "*1\r\n*4\r\n$-1\r\n:1\r\n$2\r\nid\r\n*0\r\n*1\r\n*3\r\n:0\r\n:16383\r\n:0\r\n";
    redis::parse_redis_value(format!("*3\r\n:{token}\r\n{text}").as_bytes())
}

#[test]
fn a_new_token_makes_it_fetch_the_whole_map_and_the_next_wait_is_for_another_one() {
    let mut own = watching();
    assert_eq!(own.connect(), node(1));
    own.wait(WAIT, map(7));
    own.fetch(map(7));
    assert_eq!(own.knowledge.cache.known(), 16_384);
    match own.next() {
        WatchStep::Wait(command) => {
            let words = command.get_packed_command();
            let words = String::from_utf8(words).expect("text");
            assert!(words.contains("\r\n7\r\n") && words.contains("\r\n500\r\n"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        own.stats.read().watch_updates,
        0,
        "the first map is no change"
    );
    own.watcher
        .waited(map(8), &mut own.knowledge, own.now + WAIT);
    own.fetch(map(8));
    assert_eq!(own.stats.read().watch_updates, 1);
}

#[test]
fn a_wait_that_ends_with_nothing_new_is_followed_by_the_next_one() {
    let mut own = watching();
    own.connect();
    for _ in 0..3 {
        own.wait(WAIT, Ok(Value::Nil));
    }
    assert_eq!(own.stats.read().map_requests, 0);
}

#[test]
fn maps_that_come_at_once_are_followed_ever_more_slowly_up_to_half_a_second() {
    let mut own = watching();
    own.connect();
    let mut pauses = Vec::new();
    for token in 1..=9 {
        own.wait(Duration::ZERO, map(token));
        own.fetch(map(token));
        pauses.push(own.paused().as_millis());
    }
    assert_eq!(pauses, [8, 16, 32, 64, 128, 256, 512, 512, 512]);
    own.wait(AT_ONCE, map(10));
    own.fetch(map(10));
    own.wait(Duration::ZERO, map(11));
    own.fetch(map(11));
    assert_eq!(own.paused().as_millis(), 8, "the one before was waited for");
}

#[test]
fn errors_of_a_server_leave_the_connection_open_until_there_are_eight_in_a_row() {
    let mut own = watching();
    own.connect();
    for _ in 0..7 {
        own.wait(WAIT, error("CLUSTERDOWN x"));
        own.paused();
    }
    own.wait(WAIT, Ok(Value::Nil));
    for _ in 0..7 {
        own.wait(WAIT, error("CLUSTERDOWN x"));
        own.paused();
    }
    own.wait(WAIT, error("CLUSTERDOWN x"));
    own.assert_closes();
    own.paused();
    own.connect();
}

#[test]
fn a_broken_connection_is_followed_by_another_node_after_a_pause_that_grows() {
    let mut own = watching();
    let mut pauses = Vec::new();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(own.connect());
        own.wait(WAIT, broken());
        own.assert_closes();
        pauses.push(own.paused().as_millis());
    }
    assert_eq!(nodes, [1, 2, 1, 2].map(node));
    assert_eq!(pauses, [8, 16, 32, 64]);
    // A map on a new connection proves nothing, a wait without one does.
    own.connect();
    own.wait(WAIT, map(1));
    own.fetch(map(1));
    own.wait(WAIT, broken());
    own.assert_closes();
    assert_eq!(own.paused().as_millis(), 128);
    own.connect();
    own.wait(WAIT, Ok(Value::Nil));
    own.wait(WAIT, broken());
    own.assert_closes();
    assert_eq!(own.paused().as_millis(), 8);
}

#[test]
fn a_node_that_cannot_be_reached_is_down_and_another_one_is_tried_after_a_pause() {
    let mut own = watching();
    assert!(matches!(own.next(), WatchStep::Connect(first) if first == node(1)));
    own.watcher.not_connected(&mut own.knowledge);
    own.paused();
    let watch = HintRequest::Watch;
    let order = own.knowledge.candidates(watch, &HashSet::new());
    assert_eq!(order, [2, 1].map(node));
}

#[test]
fn a_node_that_refuses_is_left_at_once_and_the_watch_ends_when_all_have_refused() {
    let mut own = watching();
    assert_eq!(own.connect(), node(1));
    own.wait(WAIT, error("ERR unknown command 'SLOTHINT.WATCH'"));
    own.assert_closes();
    assert_eq!(own.connect(), node(2), "without a pause");
    // The permission for the map counts as well.
    own.wait(WAIT, map(1));
    own.fetch(error("NOPERM x"));
    own.assert_closes();
    assert!(matches!(own.next(), WatchStep::End));
}

#[test]
fn an_answer_that_is_no_answer_ends_the_connection() {
    for answer in [Value::Int(1), Value::Array(vec![Value::Nil])] {
        let mut own = watching();
        own.connect();
        own.wait(WAIT, Ok(answer));
        own.assert_closes();
        own.paused();
    }
}

#[test]
fn a_request_has_the_length_of_the_wait_and_a_second_or_less() {
    let mut own = watching();
    let limit = |own: &Watching| Watcher::answer_limit(&own.settings).as_millis();
    assert_eq!(limit(&own), 1500);
    own.settings.response_timeout = None;
    assert_eq!(limit(&own), 1500);
    own.settings.response_timeout = Some(Duration::from_millis(300));
    assert_eq!(limit(&own), 800);
}
