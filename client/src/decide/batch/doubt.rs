//! Whether a command may have been executed although it has no reply of its own. Pure.

use redis::ServerError;

use crate::decide::batch::attempt::Outcome;
use crate::decide::batch::pending::Pending;
use crate::decide::batch::verdict::Verdict;
use crate::decide::command::Command;
use crate::decide::error::Error;

/// Whether a later fence has to go over the same connection as this attempt. If the reply to a
/// repeatable write was lost, this attempt does not count: the write goes again, and the attempt
/// that is executed then counts.
pub(crate) fn may_have_written(pending: &Pending<'_>, outcome: &Outcome) -> bool {
    let command = pending.command;
    command.may_write()
        && match outcome {
            Outcome::Answered(Verdict::Done(_) | Verdict::Unknown(_)) => true,
            Outcome::Answered(Verdict::Failed(error)) => {
                command.is_script() || Error::Server(error.clone()).may_have_been_executed()
            }
            Outcome::Lost(_) | Outcome::Silent(_) => !command.is_repeatable(),
            _ => false,
        }
}

/// Whether any attempt so far may have been executed without a result, and have changed something.
pub(crate) fn is_in_doubt(pending: &Pending<'_>) -> bool {
    pending.in_doubt && pending.command.may_write()
}

/// Whether a durable command that is turned away with this error may have been executed: the server
/// gives the error also to a command that has been executed and waits for replicas.
pub(crate) fn is_turned_away_while_waiting(command: &Command, error: &ServerError) -> bool {
    command.is_durable() && matches!(error.code(), "CLUSTERDOWN" | "UNBLOCKED")
}
