//! Asks nodes for hints.

use std::time::Instant;

use redis::{Cmd, RedisResult, Value};

use crate::decide::asking::fill::Fill;
use crate::decide::asking::inquiry::Inquiry;
use crate::decide::asking::question::MAX_ANSWER_BYTES;
use crate::decide::deadline::Deadline;
use crate::decide::error::Error;
use crate::drive::connection::Connection;
use crate::drive::connections::Connections;

/// Asks one node after another, until one gives the hint.
pub(crate) fn ask(connections: &mut Connections, mut inquiry: Inquiry) -> Result<Fill, Error> {
    let shared = connections.shared.clone();
    while let Some(node) = inquiry.next_node(Instant::now()) {
        if connections.ready(&node).is_none() {
            let limit = shared.settings.connect_timeout;
            let made = connections.make_ready([node.clone()], limit, inquiry.deadline());
            if let Some(Err(cause)) = made.into_values().next() {
                inquiry.not_connected(node, cause, &mut shared.know());
                continue;
            }
        }
        let deadline = inquiry.answer_deadline(Instant::now());
        let question = inquiry.question(node.clone(), &mut shared.know(), &shared.stats);
        let connection = connections.to(&node);
        let reply = connection.and_then(|own| exchange(own, question.command(), deadline));
        let answer = question.read(reply, &shared.settings, &shared.stats);
        if inquiry.answered(node.clone(), answer, &mut shared.know(), &shared.stats) {
            connections.close(&node);
        }
    }
    inquiry.result()
}

/// The same, unless another session has just fetched the map. If another session is fetching it
/// now, waits for that session and asks nobody.
pub(crate) fn ask_once_for_all(connections: &mut Connections, inquiry: Inquiry) {
    let shared = connections.shared.clone();
    let fetching = shared.fetches.begin(inquiry.deadline());
    if fetching.is_some() {
        // Without a map, redirections fill the cache.
        let _ = ask(connections, inquiry);
    }
}

/// Sends a request for hints and reads its reply, by `deadline`. An error reply is a reply.
pub(crate) fn exchange(
    connection: &mut Connection,
    command: &Cmd,
    deadline: Deadline,
) -> RedisResult<Value> {
    if let Some(error) = connection.check().error() {
        return Err(error);
    }
    connection.send(&command.get_packed_command(), deadline)?;
    connection.receive_at_most(MAX_ANSWER_BYTES, deadline)
}
