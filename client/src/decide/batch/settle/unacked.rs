//! A command that is executed once, and that too few replicas have acknowledged in time. Pure.

use redis::ServerError;

use super::{Settled, Settling};
use crate::decide::batch::pending::Pending;
use crate::decide::error::Error;
use crate::decide::links::ConnectionId;

impl Settling<'_> {
    /// Sends it again, so that it waits again, if there is time left. After that the caller gets
    /// the server's error, and can send the command again.
    pub(super) fn unacked<'c>(
        &mut self,
        mut pending: Pending<'c>,
        connection: Option<ConnectionId>,
        error: ServerError,
    ) -> Settled<'c> {
        self.stats.unacked.one();
        pending.in_doubt = true;
        if self.has_time(&mut pending, None, 0) {
            return Settled::Again(pending);
        }
        // The node that has answered has the write, whatever became of earlier attempts. So a fence
        // on this connection covers it.
        if let Some(connection) = connection {
            self.fences.written(pending.slot(), connection);
        }
        Settled::Finished(pending.place, Err(Error::Server(error)))
    }
}
