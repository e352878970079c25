//! The background refresh: a thread that waits in `SLOTHINT.WATCH` and fetches the map when that
//! has changed.
//!
//! `SLOTHINT.WATCH` brings the new map itself, but it was asked for long ago, and the cache must
//! not take it for newer than the corrections that came meanwhile, nor for older than the map
//! really is. So the answer counts as a notice only, and the map is asked for afresh.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::{ServerError, Value};

use crate::decide::backoff;
use crate::decide::deadline::Deadline;
use crate::decide::hint::Unreadable;
use crate::decide::knowledge::refusals::Request;
use crate::decide::node::Node;
use crate::drive::client::Shared;
use crate::drive::connecting::connect;
use crate::drive::connection::Connection;
use crate::drive::hinting::{ask, exchange, map_request, refusal, Refusal};

/// One wait on the server, so that the thread sees in time that it is to end.
const WAIT_MS: u64 = 500;
/// How long a server may be silent on top of the wait, if the client's limit for replies is not
/// shorter.
const GRACE: Duration = Duration::from_secs(1);
/// So many errors of a server in a row, and another one is asked: this one may be cut off from the
/// cluster.
const PATIENCE: u32 = 8;
/// A wait that ends sooner ended at once: either the map had changed meanwhile, or the server does
/// not let anybody wait.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A running background refresh. Made by [`crate::Client::watch`].
///
/// When this is dropped the thread is told to end, and ends by itself; nobody waits for it.
/// [`Watch::stop`] does. That takes half a second, the length of one wait on the server. Where the
/// node stands still it is a second and a half, or as long as connecting may take.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::Builder::new()
            .name("slothint-watch".into())
            .spawn(move || Watcher::new(&shared, &told).run())?;
        Ok(Watch {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the thread and waits until it has ended and its connection is closed.
    pub fn stop(mut self) {
        self.tell();
        if let Some(thread) = self.thread.take() {
            // It panics for no reason; if it did all the same, it has ended.
            let _ = thread.join();
        }
    }

    /// Whether it still refreshes the cache. Not where all nodes that are known have no
    /// `SLOTHINT.WATCH`.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    fn tell(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tell();
    }
}

struct Watcher<'w> {
    shared: &'w Shared,
    stop: &'w AtomicBool,
    /// Of the last map that was fetched, from whichever node; no map has the token 0.
    token: i64,
    /// Since a wait ended as it should.
    failures: u32,
}

impl<'w> Watcher<'w> {
    fn new(shared: &'w Shared, stop: &'w AtomicBool) -> Self {
        Self {
            shared,
            stop,
            token: 0,
            failures: 0,
        }
    }

    fn run(&mut self) {
        while !self.is_stopped() {
            // The nodes in turn, those that answered lately first: the one that was watched may be
            // the one that failed.
            let candidates = self
                .shared
                .know()
                .candidates(Request::Watch, &HashSet::new());
            let turn = usize::try_from(self.failures).unwrap_or(0);
            let turn = turn.checked_rem(candidates.len());
            let Some(node) = turn.and_then(|turn| candidates.get(turn)) else {
                return;
            };
            match self.watch(node) {
                // It is no candidate any more.
                Err(Refusal::NoHints | Refusal::NotAllowed) => {}
                // A connection that broke may have been closed by anybody; whether the node is down
                // shows when it is connected to again.
                Ok(()) | Err(Refusal::Broken(_) | Refusal::Server(_) | Refusal::Unreadable(_)) => {
                    self.pause();
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&mut self) {
        self.failures = self.failures.saturating_add(1);
        thread::park_timeout(backoff::delay(self.failures, fastrand::f64()));
    }

    /// Watches the map of one node for as long as that answers.
    fn watch(&mut self, node: &Node) -> Result<(), Refusal> {
        let config = &self.shared.config;
        let grace = config.response_timeout.unwrap_or(GRACE).min(GRACE);
        let limit = grace.saturating_add(Duration::from_millis(WAIT_MS));
        let deadline = Deadline::after(Some(config.connect_timeout));
        let connected = connect(node, self.shared, deadline);
        let mut connection = connected.map_err(|error| {
            self.shared.know().mark_down(node);
            Refusal::Broken(error)
        })?;
        let (mut waited, mut errors, mut hurried) = (false, 0_u32, 0_u32);
        while !self.is_stopped() {
            let began = Instant::now();
            let error = match self.wait(&mut connection, node, limit) {
                Ok(is_new) => {
                    // A map that comes at once on a new connection shows nothing: the next one may
                    // end the same way.
                    if waited || !is_new {
                        self.failures = 0;
                    }
                    (waited, errors) = (true, 0);
                    // One change is followed at once, and many in a row no faster than this.
                    hurried = match began.elapsed() < AT_ONCE {
                        true => hurried.saturating_add(1),
                        false => 0,
                    };
                    if hurried > 0 {
                        thread::park_timeout(backoff::delay(hurried, fastrand::f64()));
                    }
                    continue;
                }
                Err(Refusal::Server(error)) => error,
                Err(other) => return Err(other),
            };
            // While the cluster is down, servers end every wait with an error. The connection is as
            // good as another.
            errors = errors.saturating_add(1);
            if errors >= PATIENCE {
                return Err(Refusal::Server(error));
            }
            self.pause();
        }
        Ok(())
    }

    /// Waits until the node's map is another than the last one, and fetches it. False when there
    /// was none for a while. Each of the two requests has `limit` to its last byte.
    fn wait(
        &mut self,
        connection: &mut Connection,
        node: &Node,
        limit: Duration,
    ) -> Result<bool, Refusal> {
        let mut request = redis::cmd("SLOTHINT.WATCH");
        request.arg(self.token).arg(WAIT_MS);
        let deadline = Deadline::after(Some(limit));
        let answer = exchange(connection, &request, deadline).map_err(Refusal::Broken)?;
        let new = match token_in(answer) {
            Ok(None) => return Ok(false),
            Ok(Some(new)) => new,
            Err(Answer::Error(error)) => {
                return Err(refusal(error, node, Request::Watch, self.shared))
            }
            Err(Answer::Unreadable(what)) => return Err(Refusal::Unreadable(what)),
        };
        // Always the whole map: what the cache has may be half of this one and half corrections.
        let (deadline, whole) = (Deadline::after(Some(limit)), |_| map_request(None));
        let shared = self.shared;
        ask(connection, node, shared, Request::Map, whole, deadline)?;
        if std::mem::replace(&mut self.token, new) != 0 {
            self.shared.stats.watch_updates.one();
        }
        Ok(true)
    }
}

/// An answer without a token.
enum Answer {
    Error(ServerError),
    Unreadable(Unreadable),
}

/// The token of the new map; none where there is no new map.
fn token_in(answer: Value) -> Result<Option<i64>, Answer> {
    match answer {
        Value::ServerError(error) => Err(Answer::Error(error)),
        Value::Array(answer) => match answer.first() {
            Some(Value::Int(token)) => Ok(Some(*token)),
            _ => Err(Answer::Unreadable(Unreadable("the token"))),
        },
        Value::Nil => Ok(None),
        _ => Err(Answer::Unreadable(Unreadable("the answer is no array"))),
    }
}
