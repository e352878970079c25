//! The replica: reads the stream, and answers requests.

use super::engine::Message;
use crate::costs::WriteCosts;

/// The writes that the replica has executed.
#[derive(Default)]
pub struct Replica {
    offset: u64,
}

impl Replica {
    /// One turn. Returns how long it lasts, and the answer to the last request in it. (The real
    /// one answers each request. Only the last answer matters: it covers the others.)
    pub fn turn(&mut self, costs: &WriteCosts, messages: &[Message]) -> (f64, Option<Message>) {
        let before = self.offset;
        let mut answer = None;
        for message in messages {
            if let Message::Stream { up_to, request } = *message {
                self.offset = self.offset.max(up_to);
                if request {
                    answer = Some(Message::Ack { up_to });
                }
            }
        }
        let writes = (self.offset - before) as f64;
        let busy_us = costs.replica_turn_us + writes * costs.replica_write_us;
        (busy_us, answer)
    }
}
