//! One round: each command goes to its node, one pipeline for each, in windows. The first windows of all nodes are sent
//! before the first reply is read.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use redis::{RedisError, RedisResult, Value};

use crate::decide::batch::fences::Serial;
use crate::decide::batch::pending::{Pending, Target};
use crate::decide::batch::verdict::Verdict;
use crate::decide::batch::window::{rest_of, Window};
use crate::decide::cache::Asked;
use crate::decide::deadline::Deadline;
use crate::decide::node::Node;
use crate::drive::connection::Look;
use crate::drive::session::Session;

/// What a round brought back for one command.
pub(crate) struct Answer<'c> {
    pub(crate) pending: Pending<'c>,
    /// Where it was sent, or was to be sent.
    pub(crate) node: Node,
    /// When it was sent; none where it was not.
    pub(crate) asked: Option<Asked>,
    /// On which connection.
    pub(crate) serial: Option<Serial>,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    Answered(Verdict),
    /// There was no connection: certainly not executed.
    NotSent(RedisError),
    /// The connection failed while it was sent or before it was answered: perhaps executed.
    Lost(RedisError),
    /// The same, and it is the one whose reply was waited for until the time for that was over.
    Silent(RedisError),
    /// A fence that was not sent, since the writes before it were sent on another connection.
    Severed,
    /// Left for the next round.
    Postponed,
}

/// The commands for one node.
struct Share<'c> {
    node: Node,
    queue: VecDeque<Pending<'c>>,
    /// The window that was sent, in order.
    under_way: VecDeque<Pending<'c>>,
    asked: Option<Asked>,
    serial: Option<Serial>,
    sent: Instant,
    window: Window,
    /// How it ended, where it did not end well: [`Outcome::NotSent`] or [`Outcome::Lost`].
    failure: Option<Outcome>,
    /// Slots of which a command was redirected or turned away: the later ones are not sent past it.
    held: HashSet<Option<u16>>,
    replied: bool,
    /// It has executed a command of a key, or knows who does.
    serves: bool,
}

struct Round<'s, 'c> {
    session: &'s mut Session,
    answers: Vec<Answer<'c>>,
}

impl Session {
    /// Sends each command at most once and reads the replies. Every command comes back; those of one slot, which all go
    /// to one node, in their order.
    pub(crate) fn round<'c>(&mut self, commands: Vec<(Pending<'c>, Node)>) -> Vec<Answer<'c>> {
        let mut shares = self.shares(commands);
        let answers = Vec::new();
        let mut round = Round {
            session: self,
            answers,
        };
        round.run(&mut shares);
        round.answers
    }

    fn shares<'c>(&mut self, commands: Vec<(Pending<'c>, Node)>) -> Vec<Share<'c>> {
        let mut shares: Vec<Share<'c>> = Vec::new();
        let mut share_of: HashMap<Node, usize> = HashMap::new();
        for (pending, node) in commands {
            let at = *share_of.entry(node.clone()).or_insert(shares.len());
            if let Some(share) = shares.get_mut(at) {
                share.queue.push_back(pending);
                continue;
            }
            let window = match self.shared.config.is_encrypted(&node) {
                true => Window::TLS,
                false => Window::PLAIN,
            };
            shares.push(Share {
                node,
                queue: VecDeque::from([pending]),
                under_way: VecDeque::new(),
                asked: None,
                serial: None,
                sent: Instant::now(),
                window,
                failure: None,
                held: HashSet::new(),
                replied: false,
                serves: false,
            });
        }
        self.prune(|node| share_of.contains_key(node));
        shares
    }

    /// Closes connections to nodes of the past, when the cache has learnt of other nodes.
    fn prune(&mut self, is_needed: impl Fn(&Node) -> bool) {
        let mut knowledge = self.shared.know();
        let generation = knowledge.cache.generation();
        if std::mem::replace(&mut self.pruned_at, generation) != generation {
            self.links
                .retain(|node| is_needed(node) || knowledge.knows(node));
        }
    }
}

impl<'c> Round<'_, 'c> {
    fn run(&mut self, shares: &mut [Share<'c>]) {
        let shared = self.session.shared.clone();
        // Those that have to be connected to come last: the others need not wait for that.
        let (mut missing, ready): (Vec<_>, Vec<_>) = shares
            .iter_mut()
            .partition(|share| !self.session.links.is_ready(&share.node, &shared));
        for share in ready {
            self.send(share);
        }
        let nodes: Vec<Node> = missing.iter().map(|share| share.node.clone()).collect();
        let limit = shared.config.connect_timeout;
        let links = &mut self.session.links;
        let mut failed = links.make_ready(nodes, &shared, limit, Deadline::after(None));
        for share in &mut missing {
            match failed.remove(&share.node) {
                Some(error) => share.failure = Some(Outcome::NotSent(error)),
                None => self.send(share),
            }
        }
        while shares.iter().any(|share| !share.under_way.is_empty()) {
            for share in shares.iter_mut() {
                self.receive(share);
                self.send(share);
            }
        }
        for share in shares {
            self.end(share);
        }
    }

    /// Sends the next window, if there is one.
    fn send(&mut self, share: &mut Share<'c>) {
        if share.failure.is_some() || share.queue.is_empty() {
            return;
        }
        let shared = self.session.shared.clone();
        if share.serial.is_some() {
            self.session.links.look(&share.node, &shared);
            if self.session.links.serial_of(&share.node) != share.serial {
                // The rest goes over another connection.
                share.failure = Some(Outcome::Postponed);
                return;
            }
        }
        let Some(serial) = self.session.links.serial_of(&share.node) else {
            return;
        };
        let mut bytes = Vec::new();
        while let Some(pending) = share.queue.pop_front() {
            let slot = pending.slot();
            if share.held.contains(&slot) {
                self.answer(share, pending, Outcome::Postponed);
                continue;
            }
            // Of this round, too, all writes of the slot are on this connection.
            if pending.command.is_fence() && !self.session.fences.cover(slot, serial) {
                self.answer(share, pending, Outcome::Severed);
                continue;
            }
            let before = bytes.len();
            if let Target::Ask(_) = pending.target {
                // In the same packet, since it counts for the very next command only.
                redis::cmd("ASKING").write_packed_command(&mut bytes);
            }
            pending.command.cmd().write_packed_command(&mut bytes);
            if !share.window.has_room(share.under_way.len(), bytes.len()) {
                bytes.truncate(before);
                share.queue.push_front(pending);
                break;
            }
            share.under_way.push_back(pending);
        }
        if share.under_way.is_empty() {
            return;
        }
        share.asked = Some(shared.know().cache.ask());
        share.serial = Some(serial);
        share.sent = Instant::now();
        let sent = self.session.links.to(&share.node);
        let deadline = Deadline::after(shared.config.response_timeout);
        if let Err(error) = sent.and_then(|connection| connection.send(&bytes, deadline)) {
            // How much of it has arrived nobody knows.
            share.failure = Some(Outcome::Lost(error));
        }
    }

    /// Reads the replies to what is under way.
    fn receive(&mut self, share: &mut Share<'c>) {
        if share.under_way.is_empty() {
            return;
        }
        let first = self.answers.len();
        let shared = self.session.shared.clone();
        let limit = shared.config.response_timeout;
        let mut rest = limit.map(|limit| rest_of(limit, share.sent.elapsed()));
        while let Some(pending) = share.under_way.pop_front() {
            if share.failure.is_none() {
                let deadline = Deadline::after(rest.take().or(limit));
                match self.reply_to(&pending, &share.node, deadline) {
                    Ok(reply) => {
                        let verdict = Verdict::of(pending.command, reply);
                        share.note(&pending, &verdict);
                        self.answer(share, pending, Outcome::Answered(verdict));
                        continue;
                    }
                    Err(error) => {
                        share.failure = Some(Outcome::Lost(error.clone()));
                        if error.is_timeout() {
                            self.answer(share, pending, Outcome::Silent(error));
                            continue;
                        }
                    }
                }
            }
            let outcome = share.outcome_of_unanswered();
            self.answer(share, pending, outcome);
        }
        if share.failure.is_none() {
            shared.stats.round_trips.one();
            let look = self.session.links.look(&share.node, &shared);
            if let (Look::Surplus, Some(error)) = (look, look.error()) {
                self.distrust(share, first, &error);
            }
        }
    }

    /// One reply too many came with those from `first` on: which of them belong to which command is
    /// not known.
    fn distrust(&mut self, share: &mut Share<'c>, first: usize, error: &RedisError) {
        for answer in self.answers.iter_mut().skip(first) {
            answer.outcome = Outcome::Lost(error.clone());
        }
        (share.replied, share.serves) = (false, false);
        share.failure = Some(Outcome::Lost(error.clone()));
    }

    /// The next reply.
    fn reply_to(
        &mut self,
        pending: &Pending<'c>,
        node: &Node,
        deadline: Deadline,
    ) -> RedisResult<Value> {
        let connection = self.session.links.to(node)?;
        if let Target::Ask(_) = pending.target {
            // The answer to ASKING itself is OK; if it is not, the command's own answer says what is wrong.
            connection.receive(deadline)?;
        }
        connection.receive(deadline)
    }

    fn answer(&mut self, share: &Share<'c>, pending: Pending<'c>, outcome: Outcome) {
        self.answers.push(Answer {
            pending,
            node: share.node.clone(),
            asked: share.asked,
            serial: share.serial,
            outcome,
        });
    }

    /// Gives back what was not sent, and remembers how the node behaved.
    fn end(&mut self, share: &mut Share<'c>) {
        for pending in std::mem::take(&mut share.queue) {
            let outcome = share.outcome_of_unsent();
            self.answer(share, pending, outcome);
        }
        let mut is_down = false;
        match &share.failure {
            Some(Outcome::NotSent(_)) => is_down = true,
            Some(Outcome::Lost(error)) => {
                self.session.shared.stats.connection_failures.one();
                self.session.links.close(&share.node);
                // One that is silent is not tried again at once; one that hung up may answer the next call.
                is_down = error.is_timeout();
            }
            _ => {}
        }
        let mut knowledge = self.session.shared.know();
        if is_down {
            knowledge.mark_down(&share.node);
        } else if share.replied {
            knowledge.mark_up(&share.node);
        }
        if share.serves {
            knowledge.take_back(&share.node);
        }
    }
}

impl<'c> Share<'c> {
    fn note(&mut self, pending: &Pending<'c>, verdict: &Verdict) {
        self.replied = true;
        self.serves |= match verdict {
            Verdict::Moved(_) | Verdict::Ask(_) => true,
            Verdict::Done(_) => pending.command.names_key(),
            Verdict::Failed(_) | Verdict::Unknown(_) | Verdict::Later(..) => false,
        };
        if !verdict.is_final() {
            self.held.insert(pending.slot());
        }
    }

    fn outcome_of_unanswered(&self) -> Outcome {
        match &self.failure {
            Some(Outcome::Lost(error)) => Outcome::Lost(error.clone()),
            _ => self.outcome_of_unsent(),
        }
    }

    fn outcome_of_unsent(&self) -> Outcome {
        match &self.failure {
            Some(Outcome::NotSent(error)) => Outcome::NotSent(error.clone()),
            _ => Outcome::Postponed,
        }
    }
}
