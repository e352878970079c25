//! One round: runs the pipelines of all nodes. Each node is sent its first window before the first
//! reply is read.

use std::collections::HashSet;
use std::time::Instant;

use redis::{ErrorKind, RedisError};

use crate::decide::batch::fences::Fences;
use crate::decide::batch::pipeline::{Pipeline, PipelineStep};
use crate::decide::deadline::Deadline;
use crate::decide::node::Node;
use crate::drive::connections::Connections;

/// Runs these to their ends.
pub(crate) fn run(connections: &mut Connections, fences: &Fences, pipelines: &mut [Pipeline<'_>]) {
    let needed: HashSet<&Node> = pipelines.iter().map(Pipeline::node).collect();
    connections.prune(|node| needed.contains(node));
    let mut missing = Vec::new();
    let mut ready = Vec::new();
    for pipeline in pipelines.iter_mut() {
        match connections.ready(pipeline.node()) {
            Some(connection) => {
                pipeline.connected(connection);
                ready.push(pipeline);
            }
            None => missing.push(pipeline),
        }
    }
    for pipeline in ready {
        advance(connections, fences, pipeline);
    }
    // Connecting comes last: the first windows of the other nodes are under way meanwhile. Their
    // replies are read afterwards.
    let nodes: Vec<Node> = missing
        .iter()
        .map(|pipeline| pipeline.node().clone())
        .collect();
    let limit = connections.shared.settings.connect_timeout;
    let mut made = connections.make_ready(nodes, limit, Deadline::NEVER);
    for pipeline in missing {
        match made.remove(pipeline.node()) {
            Some(Ok(connection)) => pipeline.connected(connection),
            Some(Err(error)) => pipeline.not_connected(error),
            None => pipeline.not_connected(no_connection()),
        }
        advance(connections, fences, pipeline);
    }
    let mut are_under_way = true;
    while are_under_way {
        are_under_way = false;
        for pipeline in pipelines.iter_mut() {
            are_under_way |= advance(connections, fences, pipeline);
        }
    }
}

/// Reads the replies to the window that is under way, if any, and sends the next window, if any.
/// Returns false at the end of the pipeline.
fn advance(connections: &mut Connections, fences: &Fences, pipeline: &mut Pipeline<'_>) -> bool {
    let shared = connections.shared.clone();
    loop {
        let ask = || shared.know().cache.ask();
        match pipeline.step(fences, ask, Instant::now()) {
            // `run` has connected before. This is only a safeguard.
            PipelineStep::Connect => pipeline.not_connected(no_connection()),
            PipelineStep::Send(bytes, deadline) => {
                let connection = connections.to(pipeline.node());
                let sent = connection.and_then(|connection| connection.send(&bytes, deadline));
                match sent {
                    Ok(()) => return true,
                    Err(error) => pipeline.send_failed(error),
                }
            }
            PipelineStep::Receive(deadline) => {
                let connection = connections.to(pipeline.node());
                pipeline.received(connection.and_then(|connection| connection.receive(deadline)));
            }
            PipelineStep::Check => pipeline.checked(connections.check(pipeline.node())),
            PipelineStep::Close => connections.close(pipeline.node()),
            PipelineStep::End => return false,
        }
    }
}

fn no_connection() -> RedisError {
    (ErrorKind::Io, "the connection is gone").into()
}
