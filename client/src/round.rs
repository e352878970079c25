//! One round: each command goes to its node, one pipeline for each, and all pipelines are sent before the first
//! reply is read.

use std::collections::HashMap;

use redis::{RedisError, Value};

use crate::batch::{Pending, Target};
use crate::cache::Asked;
use crate::links::receive;
use crate::node::Node;
use crate::session::Session;

/// A pipeline ends with the command that reaches one of these, so that neither side has to hold more.
const MAX_COMMANDS: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What a round brought back for one command.
pub(crate) struct Answer<'c> {
    pub(crate) command: Pending<'c>,
    /// Where it was sent; none where there was nobody to send it to.
    pub(crate) node: Option<Node>,
    pub(crate) asked: Asked,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// The server's reply, or its error.
    Reply(Value),
    /// There was no connection: certainly not executed.
    NotSent(RedisError),
    /// The connection failed while it was sent or before it was answered: perhaps executed.
    Lost(RedisError),
    /// Left for the next round.
    Postponed,
}

/// The commands for one node.
struct Share<'c> {
    node: Node,
    commands: Vec<Pending<'c>>,
    postponed: Vec<Pending<'c>>,
    /// How the sending went.
    failure: Option<Outcome>,
}

impl Session {
    /// Sends each command once, as far as it fits, and reads the replies. Every command comes back.
    pub(crate) fn round<'c>(&mut self, commands: Vec<Pending<'c>>) -> Vec<Answer<'c>> {
        let mut answers = Vec::with_capacity(commands.len());
        let (asked, mut shares) = self.shares(commands, &mut answers);
        // Those that have to be connected to come last: the others need not wait for that.
        shares.sort_by_key(|share| !self.links.is_open(&share.node));
        for share in &mut shares {
            self.send(share);
        }
        for share in shares {
            self.receive(share, asked, &mut answers);
        }
        answers
    }

    fn shares<'c>(
        &mut self,
        commands: Vec<Pending<'c>>,
        answers: &mut Vec<Answer<'c>>,
    ) -> (Asked, Vec<Share<'c>>) {
        let mut shares: Vec<Share<'c>> = Vec::new();
        let mut share_of: HashMap<Node, usize> = HashMap::new();
        let (mut hits, mut misses) = (0_usize, 0_usize);
        let mut knowledge = self.shared.know();
        let asked = knowledge.cache.ask();
        for mut command in commands {
            let slot = command.command.slot();
            if let (false, Some(slot)) = (std::mem::replace(&mut command.counted, true), slot) {
                match knowledge.cache.primary_of(slot) {
                    Some(_) => hits = hits.saturating_add(1),
                    None => misses = misses.saturating_add(1),
                }
            }
            let node = match &command.target {
                Target::Node(node) | Target::Ask(node) => Some(node.clone()),
                Target::Cached => {
                    let failures = usize::try_from(command.failures).unwrap_or(usize::MAX);
                    knowledge.route(slot, command.avoid.as_ref(), failures)
                }
            };
            let Some(node) = node else {
                let outcome = Outcome::Postponed;
                answers.push(Answer {
                    command,
                    node: None,
                    asked,
                    outcome,
                });
                continue;
            };
            let at = *share_of.entry(node.clone()).or_insert(shares.len());
            match shares.get_mut(at) {
                Some(share) => share.commands.push(command),
                None => shares.push(Share {
                    node,
                    commands: vec![command],
                    postponed: Vec::new(),
                    failure: None,
                }),
            }
        }
        drop(knowledge);
        self.shared.stats.hits.add(hits);
        self.shared.stats.misses.add(misses);
        (asked, shares)
    }

    fn send(&mut self, share: &mut Share<'_>) {
        let shared = self.shared.clone();
        let connection = match self.links.to(&share.node, &shared) {
            Ok(connection) => connection,
            Err(error) => {
                shared.know().mark_down(&share.node);
                share.failure = Some(Outcome::NotSent(error));
                return;
            }
        };
        let mut bytes = Vec::new();
        let mut fitting = 0;
        for pending in &share.commands {
            if fitting == MAX_COMMANDS || bytes.len() >= MAX_BYTES {
                break;
            }
            if let Target::Ask(_) = pending.target {
                // In the same packet, since it counts for the very next command only.
                redis::cmd("ASKING").write_packed_command(&mut bytes);
            }
            pending.command.cmd().write_packed_command(&mut bytes);
            fitting += 1;
        }
        share.postponed = share.commands.split_off(fitting);
        if let Err(error) = connection.send_packed_command(&bytes) {
            // How much of it has arrived nobody knows.
            share.failure = Some(Outcome::Lost(error));
        }
    }

    fn receive<'c>(&mut self, share: Share<'c>, asked: Asked, answers: &mut Vec<Answer<'c>>) {
        let Share {
            node,
            commands,
            postponed,
            mut failure,
        } = share;
        let shared = self.shared.clone();
        let mut replied = false;
        for command in commands {
            if failure.is_none() {
                match self.reply_to(&command, &node) {
                    Ok(reply) => {
                        replied = true;
                        let node = Some(node.clone());
                        let outcome = Outcome::Reply(reply);
                        answers.push(Answer {
                            command,
                            node,
                            asked,
                            outcome,
                        });
                        continue;
                    }
                    Err(error) => failure = Some(Outcome::Lost(error)),
                }
            }
            let outcome = match &failure {
                Some(Outcome::NotSent(error)) => Outcome::NotSent(error.clone()),
                Some(Outcome::Lost(error)) => Outcome::Lost(error.clone()),
                _ => Outcome::Postponed,
            };
            answers.push(Answer {
                command,
                node: Some(node.clone()),
                asked,
                outcome,
            });
        }
        for command in postponed {
            let (node, outcome) = (Some(node.clone()), Outcome::Postponed);
            answers.push(Answer {
                command,
                node,
                asked,
                outcome,
            });
        }
        match failure {
            None => shared.stats.round_trips.one(),
            Some(Outcome::Lost(error)) => {
                shared.stats.connection_failures.one();
                self.links.close(&node);
                // One that is silent is not tried again at once; one that hung up may answer the next call.
                if error.is_timeout() {
                    shared.know().mark_down(&node);
                    return;
                }
            }
            Some(_) => {}
        }
        if replied {
            shared.know().mark_up(&node);
        }
    }

    fn reply_to(&mut self, command: &Pending<'_>, node: &Node) -> redis::RedisResult<Value> {
        let connection = self.links.sent_on(node)?;
        if let Target::Ask(_) = command.target {
            // The answer to ASKING itself is OK; if it is not, the command's own answer says what is wrong.
            receive(connection)?;
        }
        receive(connection)
    }
}
