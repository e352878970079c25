//! Watches what each node of the shard says it is, for the report's timeline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::node::Node;
use crate::record::{Span, State};
use crate::system::{role, Role};

const PERIOD: Duration = Duration::from_millis(40);

/// What a round looked like.
#[derive(Debug, Default)]
pub struct Seen {
    pub spans: Vec<Span>,
    /// How often a replica became a primary. A replica of a cluster that restarts shows itself as a
    /// primary for a moment; that does not count.
    pub failovers: usize,
}

/// Watches the nodes while `work` runs.
pub fn watch<T>(nodes: &[Node], begin: Instant, work: impl FnOnce() -> T) -> (T, Seen) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watchers: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| watch_one(node, begin, &stop)))
            .collect();
        let outcome = work();
        stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for watcher in watchers {
            if let Ok(one) = watcher.join() {
                seen.spans.extend(one.spans);
                seen.failovers += one.failovers;
            }
        }
        (outcome, seen)
    })
}

fn watch_one(node: &Node, begin: Instant, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let at_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let said = role(node);
        let state = match said {
            Some(Role::Primary) => State::Primary,
            Some(Role::Replica) => State::Replica,
            None => State::Silent,
        };
        let before = seen.spans.last().map(|span| span.state);
        if before == Some(State::Replica) && state == State::Primary {
            seen.failovers += 1;
        }
        match seen.spans.last_mut() {
            Some(span) if span.state == state => span.to_ms = at_ms,
            last => {
                if let Some(span) = last {
                    span.to_ms = at_ms;
                }
                seen.spans.push(Span {
                    node: node.name.clone(),
                    from_ms: at_ms,
                    to_ms: at_ms,
                    state,
                });
            }
        }
        thread::sleep(PERIOD);
    }
    seen
}
