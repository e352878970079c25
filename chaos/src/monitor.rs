//! Watches what each node of the shard says it is, for the report's timeline, and counts failovers.
//!
//! In a failover group the member counts that holds a term: writes can be acknowledged there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::member::Member;
use crate::node::Node;
use crate::record::{Span, State};
use crate::system::{role, Role, System};
use crate::terms::Terms;

const PERIOD: Duration = Duration::from_millis(40);
/// In milliseconds.
const MOMENT: u64 = 300;

/// What a round looked like.
#[derive(Debug, Default)]
pub struct Seen {
    pub spans: Vec<Span>,
    /// How often a replica became a primary, or another member of a group its primary.
    pub failovers: usize,
}

/// Watches the shard while `work` runs.
pub fn watch<T>(
    system: &System,
    begin: Instant,
    terms: &Terms,
    work: impl FnOnce() -> T,
) -> (T, Seen) {
    let stop = AtomicBool::new(false);
    let terms = system.group.map(|_| terms);
    thread::scope(|scope| {
        let watchers: Vec<_> = system
            .shard()
            .iter()
            .map(|node| scope.spawn(|| watch_one(node, begin, terms, &stop)))
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
        if let Some(terms) = terms {
            seen.failovers = terms.failovers(0, u64::MAX);
        }
        (outcome, seen)
    })
}

fn watch_one(node: &Node, begin: Instant, terms: Option<&Terms>, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let at_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let state = match terms {
            Some(terms) => member_state(node, at_ms, terms),
            None => match role(node) {
                Some(Role::Primary) => State::Primary,
                Some(Role::Replica) => State::Replica,
                None => State::Silent,
            },
        };
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
    seen.failovers = promotions(&seen.spans);
    seen
}

fn member_state(node: &Node, at_ms: u64, terms: &Terms) -> State {
    let Some(member) = Member::of(node) else {
        return State::Silent;
    };
    if member.holds_a_term() {
        terms.seen(member.term, &node.name, at_ms);
    }
    match member.state.as_str() {
        "primary" => State::Primary,
        "closed" => State::Closed,
        _ => State::Replica,
    }
}

/// How often a node became a primary after it was a replica. A replica of a cluster that restarts
/// shows itself as a primary for a moment; that does not count.
fn promotions(spans: &[Span]) -> usize {
    let mut count = 0;
    let mut role = None;
    for span in spans {
        let lasts = span.to_ms.saturating_sub(span.from_ms) >= MOMENT;
        let is_promotion = span.state == State::Primary && role == Some(State::Replica);
        if is_promotion && lasts {
            count += 1;
        }
        if span.state != State::Silent && (lasts || span.state == State::Replica) {
            role = Some(span.state);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promotions_of(states: &[(State, u64)]) -> usize {
        let mut from_ms = 0;
        let spans: Vec<Span> = states
            .iter()
            .map(|&(state, length)| {
                let span = Span {
                    node: "A".into(),
                    from_ms,
                    to_ms: from_ms + length,
                    state,
                };
                from_ms += length;
                span
            })
            .collect();
        promotions(&spans)
    }

    #[test]
    fn a_replica_that_becomes_a_primary_is_a_promotion_also_after_a_silence() {
        use State::{Primary, Replica, Silent};
        assert_eq!(promotions_of(&[(Replica, 900), (Primary, 900)]), 1);
        assert_eq!(
            promotions_of(&[(Replica, 900), (Silent, 90), (Primary, 900)]),
            1
        );
        assert_eq!(
            promotions_of(&[(Replica, 900), (Silent, 90), (Primary, 80), (Replica, 900)]),
            0
        );
        assert_eq!(
            promotions_of(&[(Primary, 900), (Silent, 90), (Primary, 900)]),
            0
        );
        assert_eq!(
            promotions_of(&[(Primary, 900), (Replica, 90), (Primary, 900)]),
            1
        );
    }
}
