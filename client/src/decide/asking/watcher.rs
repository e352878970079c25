//! Keeps the cache up to date: waits in `SLOTHINT.WATCH` on a connection of its own, and fetches
//! the map when it has changed. Pure.
//!
//! `SLOTHINT.WATCH` brings the new map itself. But the question is old by then: the cache cannot
//! tell whether this map is newer or older than the corrections that arrived during the wait. So
//! the answer counts as a notice, and the map is requested afresh.
//!
//! The driver takes [`Watcher::next`], does it, and reports: `connected` or `not_connected` after
//! `Connect`, `waited` after `Wait`, `fetched` after `Fetch`.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisResult, Value};

use crate::decide::asking::question::{HintAnswer, NoHint, Question};
use crate::decide::backoff;
use crate::decide::hint::Unreadable;
use crate::decide::knowledge::{HintRequest, Knowledge};
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

/// The length of one wait on the server. It is short, so that the thread soon sees that it has to
/// end.
const WAIT: Duration = Duration::from_millis(500);
/// How long a server may be silent beyond that wait, unless the client's limit for replies is
/// shorter.
const GRACE: Duration = Duration::from_secs(1);
/// After so many errors of a server in a row another one is asked: this one may be cut off from the
/// cluster.
const MAX_ERRORS: u32 = 8;
/// A wait that is shorter than this has ended at once: either the map had changed before the wait
/// began, or the server ends every wait at once.
const AT_ONCE: Duration = Duration::from_millis(100);

pub(crate) struct Watcher {
    /// The token of the last map, whichever node gave it. 0 at first, which is the token of no map.
    token: i64,
    /// Failures since a wait ended as it should.
    failures: u32,
    /// A pause is due. Its length is the backoff after this number of failures.
    pause: Option<u32>,
    stage: Stage,
}

enum Stage {
    Unconnected,
    /// The connection is of no use any more.
    Closing,
    Connecting(Node),
    Waiting(Watched),
    /// The map of this token is to be fetched.
    Changed(Watched, i64),
}

/// A node with a connection.
struct Watched {
    node: Node,
    began: Instant,
    /// A wait has ended without an error.
    has_waited: bool,
    /// Errors in a row.
    errors: u32,
    /// Waits in a row that ended at once.
    hurried: u32,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum WatchStep {
    /// Connect to the node.
    Connect(Node),
    /// Send the command and wait for the reply.
    Wait(Cmd),
    /// Send the question and wait for the reply.
    Fetch(Question),
    /// Close the connection.
    Close,
    /// Do nothing for so long.
    Pause(Duration),
    /// No node is left that can be watched.
    End,
}

impl Watcher {
    pub(crate) fn new() -> Watcher {
        Watcher {
            token: 0,
            failures: 0,
            pause: None,
            stage: Stage::Unconnected,
        }
    }

    /// How long a `Wait` or a `Fetch` may take, from the first byte of the request to the last one
    /// of the reply.
    pub(crate) fn answer_limit(settings: &Settings) -> Duration {
        let grace = settings.response_timeout.unwrap_or(GRACE).min(GRACE);
        grace.saturating_add(WAIT)
    }

    /// `random` is in `0.0..1.0`.
    pub(crate) fn next(
        &mut self,
        knowledge: &mut Knowledge,
        stats: &Counters,
        now: Instant,
        random: f64,
    ) -> WatchStep {
        if let Stage::Closing = self.stage {
            self.stage = Stage::Unconnected;
            return WatchStep::Close;
        }
        if let Some(failures) = self.pause.take() {
            return WatchStep::Pause(backoff::delay(failures, random));
        }
        match &mut self.stage {
            Stage::Unconnected | Stage::Closing => match self.choose(knowledge) {
                Some(node) => {
                    self.stage = Stage::Connecting(node.clone());
                    WatchStep::Connect(node)
                }
                None => WatchStep::End,
            },
            Stage::Connecting(node) => WatchStep::Connect(node.clone()),
            Stage::Waiting(watched) => {
                watched.began = now;
                let mut command = redis::cmd("SLOTHINT.WATCH");
                let wait = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
                command.arg(self.token).arg(wait);
                WatchStep::Wait(command)
            }
            // Always the whole map: corrections may have brought a part of it into the cache.
            Stage::Changed(watched, _) => {
                let node = watched.node.clone();
                WatchStep::Fetch(Question::for_whole_map(node, knowledge, stats))
            }
        }
    }

    /// The node to watch. Each failure goes on to the next candidate, because the node that was
    /// watched may be the one that failed. Nodes that are up are the first candidates.
    fn choose(&self, knowledge: &mut Knowledge) -> Option<Node> {
        let candidates = knowledge.candidates(HintRequest::Watch, &HashSet::new());
        let turn = usize::try_from(self.failures).unwrap_or(0);
        candidates.get(turn.checked_rem(candidates.len())?).cloned()
    }

    pub(crate) fn connected(&mut self, now: Instant) {
        if let Stage::Connecting(node) = &self.stage {
            self.stage = Stage::Waiting(Watched {
                node: node.clone(),
                began: now,
                has_waited: false,
                errors: 0,
                hurried: 0,
            });
        }
    }

    pub(crate) fn not_connected(&mut self, knowledge: &mut Knowledge) {
        if let Stage::Connecting(node) = &self.stage {
            knowledge.mark_down(node);
        }
        self.stage = Stage::Unconnected;
        self.pause_after_failure();
    }

    /// The reply to a `Wait`.
    pub(crate) fn waited(
        &mut self,
        reply: RedisResult<Value>,
        knowledge: &mut Knowledge,
        now: Instant,
    ) {
        match token_in(reply) {
            Ok(Some(token)) => {
                let stage = std::mem::replace(&mut self.stage, Stage::Closing);
                if let Stage::Waiting(watched) = stage {
                    self.stage = Stage::Changed(watched, token);
                }
            }
            Ok(None) => self.ended_well(false, now),
            Err(no_hint) => {
                if let Stage::Waiting(watched) = &self.stage {
                    no_hint.remember(&watched.node, HintRequest::Watch, knowledge);
                }
                self.failed(&no_hint);
            }
        }
    }

    /// The answer to a `Fetch`.
    pub(crate) fn fetched(
        &mut self,
        answer: HintAnswer,
        knowledge: &mut Knowledge,
        stats: &Counters,
        now: Instant,
    ) {
        let learnt = answer.learn(knowledge, stats);
        let stage = std::mem::replace(&mut self.stage, Stage::Closing);
        let Stage::Changed(watched, token) = stage else {
            return;
        };
        self.stage = Stage::Waiting(watched);
        match learnt {
            Ok(_) => {
                if std::mem::replace(&mut self.token, token) != 0 {
                    stats.watch_updates.one();
                }
                self.ended_well(true, now);
            }
            Err(no_hint) => self.failed(&no_hint),
        }
    }

    fn ended_well(&mut self, is_new: bool, now: Instant) {
        let Stage::Waiting(watched) = &mut self.stage else {
            return;
        };
        // If the first wait on a connection ends with a map, that proves nothing: the next wait may
        // fail again.
        if watched.has_waited || !is_new {
            self.failures = 0;
        }
        (watched.has_waited, watched.errors) = (true, 0);
        // After a long wait the next one begins at once. Waits that end at once are followed by
        // pauses, which grow.
        if now.saturating_duration_since(watched.began) < AT_ONCE {
            watched.hurried = watched.hurried.saturating_add(1);
            self.pause = Some(watched.hurried);
        } else {
            watched.hurried = 0;
        }
    }

    fn failed(&mut self, no_hint: &NoHint) {
        match no_hint {
            // The node is no candidate any more, so the next one is asked at once.
            NoHint::NoHints | NoHint::NotAllowed => self.stage = Stage::Closing,
            NoHint::Server(_) => {
                // While the cluster is down, servers end every wait with an error. Another
                // connection would be no better than this one.
                if let Stage::Waiting(watched) = &mut self.stage {
                    watched.errors = watched.errors.saturating_add(1);
                    if watched.errors >= MAX_ERRORS {
                        self.stage = Stage::Closing;
                    }
                }
                self.pause_after_failure();
            }
            // Anybody may have closed the connection. Whether the node is down shows when it is
            // connected to again.
            NoHint::Unreadable(_) | NoHint::Broken(_) => {
                self.stage = Stage::Closing;
                self.pause_after_failure();
            }
        }
    }

    fn pause_after_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(self.failures);
    }
}

/// The token of the new map; `None` if there is no new map.
fn token_in(reply: RedisResult<Value>) -> Result<Option<i64>, NoHint> {
    match reply.map_err(NoHint::Broken)? {
        Value::ServerError(error) => Err(NoHint::of(error)),
        Value::Array(answer) => match answer.first() {
            Some(Value::Int(token)) => Ok(Some(*token)),
            _ => Err(NoHint::Unreadable(Unreadable("the token"))),
        },
        Value::Nil => Ok(None),
        _ => {
            let what = "the answer is no array";
            Err(NoHint::Unreadable(Unreadable(what)))
        }
    }
}

#[cfg(test)]
mod tests;
