//! The life of a batch: rounds of one pipeline for each node, until every command has its result.
//!
//! What a round brings back for a command is settled in `batch::settle`: a reply, a redirection, a
//! wait. The sending itself is in `round`, and what may go before what in `lanes`.

mod settle;

use std::collections::HashSet;
use std::time::Instant;

use redis::Value;

use crate::decide::batch::lanes::{Admission, Lanes};
use crate::decide::batch::pending::{Pending, Target};
use crate::decide::command::Command;
use crate::decide::error::Error;
use crate::decide::knowledge::Knowledge;
use crate::decide::node::Node;
use crate::drive::session::Session;

pub(crate) struct Batch<'s, 'c> {
    session: &'s mut Session,
    commands: &'c [Command],
    results: Vec<Option<Result<Value, Error>>>,
    lanes: Lanes,
    /// The present, while a round is settled, and the randomness of its waits: what failed together
    /// waits together.
    now: Instant,
    random: f64,
    /// Nodes that failed: before the next round the map is asked for, of others if possible.
    failed: HashSet<Node>,
}

impl<'s, 'c> Batch<'s, 'c> {
    pub(crate) fn new(session: &'s mut Session, commands: &'c [Command]) -> Self {
        Batch {
            session,
            commands,
            results: commands.iter().map(|_| None).collect(),
            lanes: Lanes::default(),
            now: Instant::now(),
            random: 0.0,
            failed: HashSet::new(),
        }
    }

    pub(crate) fn run(mut self) -> Vec<Result<Value, Error>> {
        let mut pending = self.begin();
        while !pending.is_empty() {
            self.now = Instant::now();
            if let Some(ready) = self
                .lanes
                .not_before(pending.iter().map(Pending::slot), self.now)
            {
                std::thread::sleep(ready.saturating_duration_since(self.now));
                continue;
            }
            if !self.failed.is_empty() {
                self.session.relearn(&std::mem::take(&mut self.failed));
            }
            let (going, mut waiting) = self.admit(pending);
            let mut answers = self.session.round(going);
            answers.sort_by_key(|answer| answer.pending.place);
            (self.now, self.random) = (Instant::now(), fastrand::f64());
            for answer in answers {
                waiting.extend(self.settle(answer));
            }
            waiting.sort_by_key(|pending| pending.place);
            pending = waiting;
        }
        let lost = || Err(Error::Refused("the command was lost in the client"));
        self.results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect()
    }

    fn begin(&mut self) -> Vec<Pending<'c>> {
        let mut pending = Vec::with_capacity(self.commands.len());
        for (place, command) in self.commands.iter().enumerate() {
            match command.refusal() {
                Some(why) => self.finish(place, Err(Error::Refused(why))),
                None => {
                    if command.is_pinned() {
                        // It goes to the primary, where others of its slot may be sent to a
                        // substitute.
                        self.lanes.keep_together(command.slot(), self.now);
                    }
                    pending.push(Pending::new(place, command));
                }
            }
        }
        let shared = &self.session.shared;
        let keys = || pending.iter().map(|pending| pending.command);
        let keyed = keys().filter(|command| command.routing_key().is_some());
        shared.stats.commands.add(keyed.count());
        let hint_all = shared.config.hint_batches;
        if let ([one], true) = (pending.as_slice(), hint_all) {
            if one.command.names_key() {
                self.fetch_map_for(one.slot());
                return pending;
            }
        }
        // Nobody redirects a command that names no key.
        let asks = |command: &&Command| hint_all || !command.names_key();
        let keys: Vec<&[u8]> = keys()
            .filter(asks)
            .filter_map(Command::routing_key)
            .collect();
        // Without a hint, redirections will tell.
        let _ = self.session.hint(keys);
        pending
    }

    /// A hint for one key is a round trip, as the redirection is that it would save. The map saves
    /// those of all that come after it.
    fn fetch_map_for(&mut self, slot: Option<u16>) {
        let shared = &self.session.shared;
        let is_known = |slot| shared.know().cache.primary_of(slot).is_some();
        if slot.is_some_and(|slot| !is_known(slot)) {
            self.session.fetch_map();
        }
    }

    /// Which commands go in this round and where, and which do not.
    fn admit(&mut self, pending: Vec<Pending<'c>>) -> (Vec<(Pending<'c>, Node)>, Vec<Pending<'c>>) {
        let (mut going, mut waiting) = (Vec::with_capacity(pending.len()), Vec::new());
        let (mut hits, mut misses) = (0_usize, 0_usize);
        let shared = self.session.shared.clone();
        let mut knowledge = shared.know();
        self.lanes.begin_round();
        for mut pending in pending {
            let slot = pending.slot();
            let admission = self.lanes.admit(slot, self.now, |failures, avoid| {
                choose(&mut knowledge, &pending, failures, avoid)
            });
            let node = match admission {
                Admission::Go(Some(node)) => node,
                Admission::Go(None) => {
                    let why = "the node of its slot is not known; run a command with the key first";
                    self.finish(pending.place, Err(Error::Refused(why)));
                    continue;
                }
                Admission::Held => {
                    waiting.push(pending);
                    continue;
                }
            };
            let owner = slot.and_then(|slot| knowledge.cache.primary_of(slot));
            if !std::mem::replace(&mut pending.counted, true) && slot.is_some() {
                match owner {
                    Some(_) => hits = hits.saturating_add(1),
                    None => misses = misses.saturating_add(1),
                }
            }
            pending.at_owner = owner == Some(&node);
            going.push((pending, node));
        }
        shared.stats.hits.add(hits);
        shared.stats.misses.add(misses);
        (going, waiting)
    }

    fn finish(&mut self, place: usize, result: Result<Value, Error>) {
        if let Some(own) = self.results.get_mut(place) {
            *own = Some(result);
        }
    }
}

/// Where a command goes now.
fn choose(
    knowledge: &mut Knowledge,
    pending: &Pending<'_>,
    failures: u32,
    avoid: Option<&Node>,
) -> Option<Node> {
    let slot = pending.slot();
    match (&pending.target, slot) {
        (Target::Node(node) | Target::Ask(node), _) => Some(node.clone()),
        // Anybody else would execute it as well, and not for this slot.
        (Target::Cached, Some(slot)) if pending.command.is_pinned() => {
            knowledge.cache.primary_of(slot).cloned()
        }
        (Target::Cached, slot) => {
            let failures = usize::try_from(failures).unwrap_or(usize::MAX);
            knowledge.route(slot, avoid, failures)
        }
    }
}
