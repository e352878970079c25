//! Runs a batch: does the steps of [`crate::decide::batch`] until every command has its result.

use std::thread;
use std::time::Instant;

use redis::Value;

use crate::decide::batch::fences::Fences;
use crate::decide::batch::{Batch, BatchStep};
use crate::decide::command::Command;
use crate::decide::error::Error;
use crate::drive::connections::Connections;
use crate::drive::{hints, pipelines};

pub(crate) fn run(
    connections: &mut Connections,
    fences: &mut Fences,
    commands: &[Command],
) -> Vec<Result<Value, Error>> {
    let shared = connections.shared.clone();
    let mut batch = Batch::new(commands, &shared.settings, &shared.stats, Instant::now());
    loop {
        let step = batch.next(&mut shared.know(), Instant::now());
        match step {
            BatchStep::Hint(inquiry) => {
                let _ = hints::ask(connections, inquiry);
            }
            BatchStep::SharedFetch(inquiry) => hints::ask_once_for_all(connections, inquiry),
            BatchStep::WaitUntil(at) => {
                thread::sleep(at.saturating_duration_since(Instant::now()));
            }
            BatchStep::Send(mut round) => {
                pipelines::run(connections, fences, &mut round);
                let findings = batch.settle(round, fences, Instant::now(), fastrand::f64());
                shared.know().note(findings, &shared.stats);
            }
            BatchStep::Done => return batch.results(),
        }
    }
}
