//! The primary: executes writes, requests acknowledgements, and releases what is acknowledged.
//!
//! | | WAIT, by the server | DURABLE.SET, by the module |
//! |---|---|---|
//! | at a turn's end with new waits | one request for all of them | the same |
//! | in every turn with waits | scans all clients that wait | one look at the replicas |
//! | acknowledged waits | replied to this turn | unblocked this turn, replied to the next |
//!
//! The module's column is that of Redis 7.0. Later servers reply in the same turn.

use std::collections::VecDeque;

use super::engine::Message;
use crate::costs::{Mode, WriteCosts};

/// The state of the primary.
pub struct Primary<'a> {
    costs: &'a WriteCosts,
    mode: Mode,
    /// The writes so far.
    offset: u64,
    acked: u64,
    /// Offsets and clients. Offsets only grow, so the first wait is released first.
    waits: VecDeque<(u64, u32)>,
    /// Unblocked, and not replied to yet.
    unblocked: Vec<u32>,
}

/// The result of a turn.
#[derive(Debug, Default, PartialEq)]
pub struct Turn {
    pub busy_us: f64,
    pub replies: Vec<u32>,
    /// What is sent to the replica.
    pub stream: Option<Message>,
    /// Another turn has to follow at once.
    pub again: bool,
}

impl<'a> Primary<'a> {
    pub fn new(costs: &'a WriteCosts, mode: Mode) -> Primary<'a> {
        Primary {
            costs,
            mode,
            offset: 0,
            acked: 0,
            waits: VecDeque::new(),
            unblocked: Vec::new(),
        }
    }

    pub fn turn(&mut self, messages: &[Message]) -> Turn {
        let (costs, own) = (self.costs, self.costs.of(self.mode));
        let mut turn = Turn {
            busy_us: costs.turn_us(),
            // Those that the turn before has unblocked.
            replies: std::mem::take(&mut self.unblocked),
            ..Turn::default()
        };
        let before = self.offset;
        let mut answered = false;
        for message in messages {
            match *message {
                Message::Write { client } => {
                    self.offset += 1;
                    turn.busy_us += own.write_us;
                    match self.mode {
                        Mode::Plain => turn.replies.push(client),
                        Mode::Wait | Mode::Durable => self.waits.push_back((self.offset, client)),
                    }
                }
                Message::Ack { up_to } => {
                    self.acked = self.acked.max(up_to);
                    answered = true;
                }
                Message::Reply { .. } | Message::Stream { .. } => {}
            }
        }
        let wrote = self.offset > before;
        // Half of a request's cost when it is sent, half when it is answered.
        let request = self.mode != Mode::Plain;
        let halves = f64::from(u8::from(wrote && request) + u8::from(answered));
        turn.busy_us += halves * costs.request_us() / 2.0;
        if !self.waits.is_empty() {
            turn.busy_us += self.overhead_us();
        }
        let released = self.release();
        turn.busy_us += released.len() as f64 * own.release_us;
        if self.mode == Mode::Durable {
            turn.again = !released.is_empty();
            self.unblocked = released;
        } else {
            turn.replies.extend(released);
        }
        turn.stream = wrote.then_some(Message::Stream {
            up_to: self.offset,
            request,
        });
        turn
    }

    /// What waits cost in each turn, whether they are released or not.
    fn overhead_us(&self) -> f64 {
        let waits = self.waits.len() as f64;
        match self.mode {
            Mode::Plain => 0.0,
            Mode::Wait => waits * self.costs.wait_scan_us,
            Mode::Durable => self.costs.look_us() + waits * self.costs.durable_scan_us,
        }
    }

    fn release(&mut self) -> Vec<u32> {
        let acked = self.acked;
        let count = self.waits.partition_point(|&(offset, _)| offset <= acked);
        self.waits
            .drain(..count)
            .map(|(_, client)| client)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::writes::tests::costs;

    #[test]
    fn writes_of_one_turn_share_a_request_and_are_released_in_the_turn_after_the_answer() {
        let costs = costs();
        let mut primary = Primary::new(&costs, Mode::Durable);
        let writes = [Message::Write { client: 7 }, Message::Write { client: 8 }];
        let turn = primary.turn(&writes);
        let request = Message::Stream {
            up_to: 2,
            request: true,
        };
        assert_eq!(
            (turn.stream, turn.replies, turn.again),
            (Some(request), vec![], false)
        );
        let turn = primary.turn(&[Message::Ack { up_to: 2 }]);
        assert_eq!(
            (turn.stream, turn.replies, turn.again),
            (None, vec![], true)
        );
        assert_eq!(primary.turn(&[]).replies, [7, 8]);
    }

    #[test]
    fn an_answer_releases_nothing_that_was_written_after_its_request() {
        let costs = costs();
        let mut primary = Primary::new(&costs, Mode::Wait);
        primary.turn(&[Message::Write { client: 1 }]);
        primary.turn(&[Message::Write { client: 2 }]);
        assert_eq!(primary.turn(&[Message::Ack { up_to: 1 }]).replies, [1]);
        assert_eq!(primary.turn(&[Message::Ack { up_to: 2 }]).replies, [2]);
    }

    #[test]
    fn a_single_write_costs_what_was_measured() {
        let costs = costs();
        for mode in Mode::ALL {
            let mut primary = Primary::new(&costs, mode);
            let mut busy = primary.turn(&[Message::Write { client: 1 }]).busy_us;
            if mode != Mode::Plain {
                busy += primary.turn(&[Message::Ack { up_to: 1 }]).busy_us;
            }
            if mode == Mode::Durable {
                busy += primary.turn(&[]).busy_us;
            }
            assert!(
                (busy - costs.of(mode).alone_us).abs() < 1e-6,
                "{mode:?}: {busy}"
            );
        }
    }
}
