//! The engine of the simulation: a queue of events, and processes that work in turns.
//!
//! A process (the primary, the replica, the load) is an event loop. Messages gather in its inbox
//! while it works. When it begins a turn, it takes all of them, works for some time, and what it
//! sends leaves at the end of the turn. On a machine with few cores, it also has to wait for a
//! core.
//!
//! Times are whole nanoseconds, so equal runs are equal to the last digit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Nanoseconds since the begin.
pub type Time = u64;

pub fn nanoseconds(us: f64) -> Time {
    (us.max(0.0) * 1000.0).round() as Time
}

/// The processes. On machines of their own, clients are no process: see `writes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    Load,
    Primary,
    Replica,
}

const PROCESSES: usize = 3;

/// What processes send to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A client sends its next write.
    Write { client: u32 },
    /// The reply to that write.
    Reply { client: u32 },
    /// The replication stream up to an offset, counted in writes. `request`: with a request for
    /// an acknowledgement at its end.
    Stream { up_to: u64, request: bool },
    /// The replica has everything up to this offset.
    Ack { up_to: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Arrives(Process, Message),
    TurnEnds(Process),
}

#[derive(Default)]
struct State {
    inbox: Vec<Message>,
    /// Works, or waits for a core.
    busy: bool,
    /// Has something left to do in another turn, also without a message.
    again: bool,
}

/// See the head of this file.
pub struct Engine {
    now: Time,
    /// Events by time. The number keeps those of the same time in the order of their making.
    queue: BinaryHeap<Reverse<(Time, u64, Event)>>,
    made: u64,
    states: [State; PROCESSES],
    /// Processes that wait for a core.
    runnable: VecDeque<Process>,
    /// `None`: every process has its own.
    free_cores: Option<usize>,
}

/// What happens next.
pub enum Step {
    /// The process begins a turn with these messages. [`Engine::works`] has to be called.
    Turn(Process, Vec<Message>),
    /// The turn has ended: what it sends leaves now.
    Ended(Process),
}

impl Engine {
    pub fn new(cores: Option<usize>) -> Engine {
        Engine {
            now: 0,
            queue: BinaryHeap::new(),
            made: 0,
            states: Default::default(),
            runnable: VecDeque::new(),
            free_cores: cores,
        }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// A message arrives after `delay`.
    pub fn send(&mut self, to: Process, message: Message, delay: Time) {
        self.push(self.now + delay, Event::Arrives(to, message));
    }

    /// The turn that has just begun lasts this long.
    pub fn works(&mut self, process: Process, time: Time) {
        self.push(self.now + time, Event::TurnEnds(process));
    }

    /// The process needs another turn right after this one.
    pub fn wake(&mut self, process: Process) {
        self.states[process as usize].again = true;
    }

    /// Goes on to the next turn that begins or ends.
    pub fn step(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.begin_turn() {
                return Some(step);
            }
            let Reverse((time, _, event)) = self.queue.pop()?;
            self.now = time;
            match event {
                Event::Arrives(process, message) => {
                    self.states[process as usize].inbox.push(message);
                    self.make_runnable(process);
                }
                Event::TurnEnds(process) => {
                    self.states[process as usize].busy = false;
                    self.free_cores = self.free_cores.map(|free| free + 1);
                    return Some(Step::Ended(process));
                }
            }
        }
    }

    /// To be called after the messages of an ended turn were sent.
    pub fn rest(&mut self, process: Process) {
        let state = &self.states[process as usize];
        if state.again || !state.inbox.is_empty() {
            self.make_runnable(process);
        }
    }

    fn make_runnable(&mut self, process: Process) {
        let state = &mut self.states[process as usize];
        if !std::mem::replace(&mut state.busy, true) {
            self.runnable.push_back(process);
        }
    }

    fn begin_turn(&mut self) -> Option<Step> {
        if self.free_cores == Some(0) {
            return None;
        }
        let process = self.runnable.pop_front()?;
        self.free_cores = self.free_cores.map(|free| free - 1);
        let state = &mut self.states[process as usize];
        state.again = false;
        Some(Step::Turn(process, std::mem::take(&mut state.inbox)))
    }

    fn push(&mut self, at: Time, event: Event) {
        self.made += 1;
        self.queue.push(Reverse((at, self.made, event)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_arrive_during_a_turn_are_taken_together_by_the_next_one() {
        let mut engine = Engine::new(None);
        for (client, delay) in [(1, 0), (2, 5), (3, 6)] {
            engine.send(Process::Primary, Message::Write { client }, delay);
        }
        let mut turns = Vec::new();
        while let Some(step) = engine.step() {
            match step {
                Step::Turn(process, messages) => {
                    turns.push((engine.now(), messages.len()));
                    engine.works(process, 10);
                }
                Step::Ended(process) => engine.rest(process),
            }
        }
        assert_eq!(turns, [(0, 1), (10, 2)]);
    }

    #[test]
    fn processes_take_turns_on_one_core() {
        let mut engine = Engine::new(Some(1));
        engine.send(Process::Primary, Message::Write { client: 1 }, 0);
        engine.send(
            Process::Replica,
            Message::Stream {
                up_to: 1,
                request: true,
            },
            1,
        );
        let mut begun = Vec::new();
        while let Some(step) = engine.step() {
            match step {
                Step::Turn(process, _) => {
                    begun.push((engine.now(), process));
                    engine.works(process, 10);
                }
                Step::Ended(process) => engine.rest(process),
            }
        }
        assert_eq!(begun, [(0, Process::Primary), (10, Process::Replica)]);
    }
}
