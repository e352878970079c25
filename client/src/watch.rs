//! The background refresh: a thread that waits in `SLOTHINT.WATCH` and fetches the map when that has changed.
//!
//! `SLOTHINT.WATCH` brings the new map itself, but it was asked for long ago, and the cache must not take it for
//! newer than the corrections that came meanwhile, nor for older than the map really is. So the answer counts
//! as a notice only, and the map is asked for afresh.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{Connection, Value};

use crate::backoff;
use crate::client::Shared;
use crate::hinting::{ask, exchange, map_request, refusal, Refusal};
use crate::links::connect;
use crate::node::Node;

/// One wait on the server, so that the thread sees in time that it is to end.
const WAIT_MS: u64 = 500;
/// Above the wait itself, where the client has no limit for replies.
const GRACE: Duration = Duration::from_secs(5);

/// A running background refresh. Made by [`crate::Client::watch`].
///
/// When this is dropped the thread is told to end, and ends within about half a second by itself; nobody waits for
/// it. [`Watch::stop`] does.
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
            .spawn(move || watch(&shared, &told))?;
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

    /// Whether it still refreshes the cache. Not where servers have no `SLOTHINT`.
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

fn watch(shared: &Shared, stop: &AtomicBool) {
    let mut failures = 0;
    while !stop.load(Ordering::Relaxed) && shared.uses_hints() {
        // The nodes in turn, those that answered lately first: the one that was watched may be the one that failed.
        let candidates = shared.know().candidates();
        let turn = usize::try_from(failures).unwrap_or(0);
        let Some(node) = turn
            .checked_rem(candidates.len())
            .and_then(|turn| candidates.get(turn))
        else {
            return;
        };
        match watch_node(node, shared, stop, &mut failures) {
            Err(Refusal::Never) => shared.remember_no_hints(),
            // A connection that broke may have been closed by anybody; whether the node is down shows when it
            // is connected to again.
            Ok(()) | Err(Refusal::Broken(_) | Refusal::Server(_) | Refusal::Unreadable(_)) => {}
        }
        failures = failures.saturating_add(1);
        thread::park_timeout(backoff::delay(failures, fastrand::f64()));
    }
}

/// Watches the map of one node for as long as that answers.
fn watch_node(
    node: &Node,
    shared: &Shared,
    stop: &AtomicBool,
    failures: &mut u32,
) -> Result<(), Refusal> {
    let grace = shared.config.response_timeout.unwrap_or(GRACE);
    let limit = grace.saturating_add(Duration::from_millis(WAIT_MS));
    let mut connection = connect(node, shared, Some(limit)).map_err(|error| {
        shared.know().mark_down(node);
        Refusal::Broken(error)
    })?;
    let mut token = 0;
    while !stop.load(Ordering::Relaxed) {
        // The first answer is the map that the node has now, since no map has the token 0.
        let Some(new) = wait(&mut connection, token)? else {
            *failures = 0;
            continue;
        };
        shared.stats.map_requests.one();
        // Always the whole map: what the cache has may be half of this one and half corrections.
        ask(&mut connection, node, shared, |_| map_request(None))?;
        if token != 0 {
            shared.stats.watch_updates.one();
        }
        token = new;
        *failures = 0;
    }
    Ok(())
}

/// The token of the map, once that is another than `token`.
fn wait(connection: &mut Connection, token: i64) -> Result<Option<i64>, Refusal> {
    let mut request = redis::cmd("SLOTHINT.WATCH");
    request.arg(token).arg(WAIT_MS);
    match exchange(connection, &request).map_err(Refusal::Broken)? {
        Value::ServerError(error) => Err(refusal(error)),
        Value::Array(answer) => match answer.first() {
            Some(Value::Int(token)) => Ok(Some(*token)),
            _ => Err(Refusal::Unreadable(crate::hint::Unreadable("the token"))),
        },
        Value::Nil => Ok(None),
        _ => Err(Refusal::Unreadable(crate::hint::Unreadable(
            "the answer is no array",
        ))),
    }
}
