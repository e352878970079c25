//! The background refresh: a thread that does the steps of [`crate::decide::asking::watcher`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use redis::{Cmd, ErrorKind, RedisResult, Value};

use crate::decide::asking::watcher::{WatchStep, Watcher};
use crate::decide::deadline::Deadline;
use crate::drive::connecting::connect;
use crate::drive::connection::Connection;
use crate::drive::hints::exchange;
use crate::drive::shared::Shared;

/// A running background refresh. Made by [`crate::Client::watch`].
///
/// When this is dropped, the thread ends by itself within half a second, the length of one wait on
/// the server. If the node does not answer, the thread ends within a second and a half, or when the
/// time for connecting is over. [`Watch::stop`] waits for the end.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("slothint-watch".into())
            .spawn(move || run(&shared, &is_stopped))?;
        Ok(Watch {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the thread and waits until it has ended and its connection is closed.
    pub fn stop(mut self) {
        self.signal_end();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has ended, too.
            let _ = thread.join();
        }
    }

    /// Whether it still refreshes the cache. False once all known nodes have refused
    /// `SLOTHINT.WATCH`.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    fn signal_end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.signal_end();
    }
}

fn run(shared: &Shared, is_stopped: &AtomicBool) {
    let mut watcher = Watcher::new();
    let mut connection: Option<Connection> = None;
    let limit = Watcher::answer_limit(&shared.settings);
    let ask = |connection: &mut Option<Connection>, command: &Cmd| -> RedisResult<Value> {
        let Some(connection) = connection else {
            return Err((ErrorKind::Io, "the connection is gone").into());
        };
        let deadline = Deadline::after(Instant::now(), Some(limit));
        exchange(connection, command, deadline)
    };
    while !is_stopped.load(Ordering::Relaxed) {
        let random = fastrand::f64();
        let step = watcher.next(&mut shared.know(), &shared.stats, Instant::now(), random);
        match step {
            WatchStep::Connect(node) => {
                let limit = shared.settings.connect_timeout;
                let deadline = Deadline::after(Instant::now(), Some(limit));
                match connect(&node, shared, deadline) {
                    Ok(made) => {
                        connection = Some(made);
                        watcher.connected(Instant::now());
                    }
                    Err(_) => watcher.not_connected(&mut shared.know()),
                }
            }
            WatchStep::Wait(command) => {
                let reply = ask(&mut connection, &command);
                watcher.waited(reply, &mut shared.know(), Instant::now());
            }
            WatchStep::Fetch(question) => {
                let reply = ask(&mut connection, question.command());
                let answer = question.read(reply, &shared.settings, &shared.stats);
                let now = Instant::now();
                watcher.fetched(answer, &mut shared.know(), &shared.stats, now);
            }
            WatchStep::Close => connection = None,
            WatchStep::Pause(length) => thread::park_timeout(length),
            WatchStep::End => return,
        }
    }
}
