//! All servers, the network, and everything that may happen next.
//!
//! The network is a set of messages: they arrive in any order, and a message that is never
//! delivered is a lost one. The server is adversarial: FORCE wins at any moment after it was called
//! for, an operator promotes whom he likes, news of a promotion arrive late, a full synchronization
//! leaves a replica without data for a while.

use std::collections::{BTreeMap, BTreeSet};

use crate::exchange::Sent;
use crate::server::{is_prefix, LinkId, Seen, Server, Write};
use durable_failover::{Action, Ballot, Configuration, Group, Member, MemberId, Message, Rule};

/// How much may happen.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub group: Group,
    pub writes: u8,
    /// The highest counter of a ballot.
    pub ballots: u64,
    pub links: u8,
    pub crashes: u8,
    pub restarts: u8,
    pub cuts: u8,
    /// How many configurations are proposed after the first.
    pub configurations: u32,
    /// How many replicas are in the first configuration.
    pub first: u8,
    /// Promotions that no member asked for.
    pub unasked: u8,
    /// How often a member is exchanged.
    pub exchanges: u8,
    /// The rules that are taken away.
    pub without: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub servers: Vec<Server>,
    pub network: BTreeSet<Sent>,
    /// Acknowledgements on their way: link and length.
    pub acknowledgements: BTreeSet<(LinkId, u8)>,
    /// The term in which each released write was released.
    pub released: BTreeMap<Write, Ballot>,
    pub writes: u8,
    pub links: LinkId,
    pub epoch: u8,
    pub crashes: u8,
    pub restarts: u8,
    pub cuts: u8,
    pub configurations: u32,
    pub unasked: u8,
    pub exchanges: u8,
    pub promotions: u8,
    /// A full synchronization has destroyed a released write.
    pub destroyed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Write(usize),
    Replicate(usize),
    Acknowledge(usize),
    AcknowledgementArrives(LinkId, u8),
    Challenge(usize, usize),
    /// A primary proposes a configuration.
    Configure(usize),
    Deliver(Sent),
    Persisted(usize),
    Stand(usize),
    Promoted(usize),
    Unasked(usize),
    Follow(usize, usize),
    /// PSYNC. The server may copy all data where it could continue: its backlog is too short.
    Connect(usize, bool),
    Loaded(usize),
    Cut(usize),
    Crash(usize),
    /// The member in this place is exchanged for the spare server.
    Exchange(usize, MemberId),
    /// A member tells its list.
    Tell(usize, MemberId),
    AskToJoin(usize),
    /// The log is kept up to this length. A replica whose RDB has its place in the stream knows it,
    /// and asks to continue from there.
    Restart(usize, usize, bool),
}

impl Bounds {
    pub fn lacks(&self, rule: Rule) -> bool {
        self.without.contains(&rule)
    }

    pub fn act(&self, world: &mut World, me: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Persist(kept) => world.servers[me].writing = Some(kept),
                Action::Send(to, message) => self.send(world, me, to, message),
                Action::Promote => world.servers[me].force = true,
            }
        }
    }

    /// Every primary releases what it may.
    pub fn release(&self, world: &mut World) {
        for (index, server) in world.servers.iter().enumerate() {
            let Some(term) = server.member.term().filter(|_| server.is_up) else {
                continue;
            };
            if !server.is_primary(index) {
                continue;
            }
            let seen = server.replicas.iter();
            let acknowledged = seen.filter_map(|(&id, seen)| {
                let place = self.place(world, index, id.into())?;
                Some((place, seen.acknowledged.into()))
            });
            let Some(offset) = server.member.releasable(acknowledged) else {
                continue;
            };
            let length = usize::try_from(offset)
                .expect("short logs")
                .min(server.log.len());
            for &write in &server.log[..length] {
                world.released.entry(write).or_insert(term);
            }
        }
    }

    pub fn deliver(&self, world: &mut World, sent: Sent) {
        let Some(sender) = self.hears(world, sent) else {
            return;
        };
        let (from, to, _, message) = sent;
        let server = &mut world.servers[to];
        let actions = match message {
            Message::Request {
                ballot,
                log_term,
                position,
            } => {
                if server.member.considers(ballot) && !self.lacks(Rule::Fence) {
                    server.link = None;
                }
                let own = server.position();
                server.member.asked(sender, ballot, log_term, position, own)
            }
            Message::Vote {
                ballot,
                credentials,
            } => server.member.voted(sender, ballot, credentials),
            Message::Refuse { .. } => Vec::new(),
            Message::Challenge {
                term,
                generation,
                position,
                configuration,
                start,
            } => {
                let follows = usize::from(server.follows) == from
                    && server.link.is_some()
                    && !server.is_loading;
                let own = server.position();
                let challenge = (term, generation, start);
                server
                    .member
                    .challenged(sender, challenge, configuration, position, own, follows)
            }
            Message::Grant {
                term,
                generation,
                number,
            } => {
                server.member.granted(sender, term, generation, number);
                Vec::new()
            }
            Message::AskAdmission { term } => {
                let own = server.position();
                let is_idle = server.link.is_none() && usize::from(server.follows) == from;
                if is_idle {
                    server.member.admission_asked(sender, term, own)
                } else {
                    Vec::new()
                }
            }
            Message::Admit { term, position } => {
                server.member.admitted(sender, term, position);
                Vec::new()
            }
            Message::Change { .. } | Message::Join { .. } => Vec::new(),
        };
        self.act(world, to, actions);
    }

    pub fn persisted(&self, world: &mut World, me: usize) -> Option<()> {
        let kept = world.servers[me].writing.take()?;
        let actions = world.servers[me].member.persisted(kept);
        self.act(world, me, actions);
        Some(())
    }

    /// Writes everything to disk and delivers everything.
    pub fn settle(&self, world: &mut World) {
        loop {
            for me in 0..world.servers.len() {
                self.persisted(world, me);
            }
            let Some(sent) = world.network.pop_first() else {
                return;
            };
            self.deliver(world, sent);
        }
    }

    /// A replica sends PSYNC to its primary.
    pub fn connect(&self, world: &mut World, me: usize, continues: bool) {
        let primary = usize::from(world.servers[me].follows);
        let id = MemberId(u8::try_from(me).expect("few"));
        let asked = world.servers[me]
            .knows_position
            .then(|| world.servers[me].position());
        let own = world.servers[primary].streams();
        if let Err(actions) = world.servers[primary].member.serves(asked, &own) {
            self.act(world, primary, actions);
            return;
        }
        world.links += 1;
        let link = world.links;
        let seen = Seen {
            link,
            acknowledged: 0,
        };
        world.servers[primary].replicas.insert(id.0, seen);
        if let Some(place) = self.place(world, primary, me) {
            world.servers[primary].member.link_changed(place);
        }
        let (log, stream) = (
            world.servers[primary].log.clone(),
            world.servers[primary].stream,
        );
        let replica = &mut world.servers[me];
        replica.link = Some(link);
        if continues && replica.knows_position && is_prefix(&replica.log, &log) {
            replica.stream = stream;
            return;
        }
        let mut lost = replica.log.iter().filter(|write| !log.contains(write));
        world.destroyed |= lost.any(|write| world.released.contains_key(write));
        replica.log.clear();
        replica.is_loading = true;
        replica.knows_position = false;
        replica.member.data_replaced();
    }

    pub fn restart(&self, world: &mut World, me: usize, keep: usize, knows: bool) {
        world.restarts += 1;
        let is_primary = world.servers[me].is_primary(me);
        let stream = fresh_stream(world);
        let group = self.group;
        let place = self.place(world, me, me);
        let place = place.unwrap_or(MemberId(u8::try_from(me).expect("few")));
        let server = &mut world.servers[me];
        let mut kept = server.member.persisted_state();
        if self.lacks(Rule::PersistedPromise) {
            kept.promise = Ballot::ZERO;
        }
        if self.lacks(Rule::PersistedConfiguration) {
            kept.configuration = Configuration::NONE;
        }
        server.starts += 1;
        let start = server.start();
        let member = if self.lacks(Rule::RestartedMembersDoNotVote) {
            server.member.restarted_as_voter(kept, start)
        } else {
            Member::restarted(place, group, kept, start)
        };
        server.member = member.without(&self.without);
        server.replaced = kept.list.joining;
        server.log.truncate(keep);
        if !knows {
            server.stream = stream;
        }
        server.former = None;
        server.knows_position = knows;
        server.link = None;
        server.is_loading = false;
        server.force = false;
        server.writing = None;
        server.replicas.clear();
        if is_primary {
            let position = server.position();
            server.member.promoted(position);
        }
        for other in &mut world.servers {
            if usize::from(other.follows) == me {
                other.link = None;
            }
        }
    }
}

pub fn fresh_stream(world: &World) -> u8 {
    world
        .servers
        .iter()
        .map(|server| server.stream)
        .max()
        .unwrap_or(0)
        + 1
}
