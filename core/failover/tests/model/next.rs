//! The worlds that follow from a world, and what must hold in all of them.

use std::collections::{BTreeMap, BTreeSet};

use durable_failover::Rule;
use durable_failover::{Ballot, Member, MemberId, Members, Message, Start};
use stateright::{Model, Property};

use crate::check::JOINED;
use crate::server::{Seen, Server};
use crate::world::{fresh_stream, Bounds, Step, World};

impl Model for Bounds {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let members = self.group.members();
        let servers = (0..members + u8::from(self.exchanges > 0)).map(|id| {
            let is_member = id < members;
            let member = Member::founder(MemberId(id), self.group, MemberId(0), Start(0));
            let member = member.without(&self.without);
            let is_primary = id == 0;
            let replicas = (1..members).filter(|_| is_primary).map(|replica| {
                let seen = Seen {
                    link: replica,
                    acknowledged: 0,
                };
                (replica, seen)
            });
            Server {
                is_up: true,
                follows: 0,
                epoch: 1,
                log: Vec::new(),
                stream: 1,
                former: None,
                knows_position: is_member,
                link: (is_member && !is_primary).then_some(id),
                is_loading: false,
                force: false,
                replicas: replicas.collect(),
                member,
                is_member,
                starts: 0,
                replaced: None,
                writing: None,
            }
        });
        let mut world = World {
            servers: servers.collect(),
            network: BTreeSet::new(),
            acknowledgements: BTreeSet::new(),
            released: BTreeMap::new(),
            writes: 0,
            links: members,
            epoch: 1,
            crashes: 0,
            restarts: 0,
            cuts: 0,
            configurations: 0,
            unasked: 0,
            exchanges: 0,
            promotions: 0,
            destroyed: false,
        };
        // All replicas have granted, and some are the first configuration.
        for replica in 1..members {
            let take = |world: &World, step| self.next_state(world, step).expect("it can happen");
            world = take(&world, Step::Challenge(0, replica.into()));
            self.settle(&mut world);
            if replica == self.first {
                world = take(&world, Step::Configure(0));
                self.settle(&mut world);
                for one in 1..=replica {
                    world = take(&world, Step::Challenge(0, one.into()));
                    self.settle(&mut world);
                }
            }
        }
        let counting = world.servers[0].member.counting().count();
        assert_eq!(counting, usize::from(self.first));
        world.configurations = 0;
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.destroyed {
            return;
        }
        for me in 0..world.servers.len() {
            self.own_steps(world, me, steps);
        }
        for &sent in &world.network {
            if world.servers[sent.1].is_up {
                steps.push(Step::Deliver(sent));
            }
        }
        for &(link, length) in &world.acknowledgements {
            steps.push(Step::AcknowledgementArrives(link, length));
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Write(me) => {
                world.writes += 1;
                let write = world.writes;
                world.servers[me].log.push(write);
            }
            Step::Replicate(me) => {
                let primary = usize::from(world.servers[me].follows);
                let next = world.servers[me].log.len();
                let write = world.servers[primary].log[next];
                world.servers[me].log.push(write);
            }
            Step::Acknowledge(me) => {
                let length = u8::try_from(world.servers[me].log.len()).expect("short");
                world
                    .acknowledgements
                    .insert((world.servers[me].link?, length));
            }
            Step::AcknowledgementArrives(link, length) => {
                world.acknowledgements.remove(&(link, length));
                let seen = world
                    .servers
                    .iter_mut()
                    .flat_map(|server| server.replicas.values_mut());
                for seen in seen.filter(|seen| seen.link == link) {
                    seen.acknowledged = seen.acknowledged.max(length);
                }
            }
            Step::Challenge(me, replica) => {
                let server = &world.servers[me];
                let place = self.place(&world, me, replica)?;
                let message = {
                    let start = world.servers[replica].start();
                    server.member.challenge(place, server.position(), start)?
                };
                self.send(&mut world, me, place, message);
            }
            Step::Configure(me) => {
                world.configurations += 1;
                let actions = world.servers[me].member.configure(Members::NONE);
                self.act(&mut world, me, actions);
            }
            Step::Deliver(sent) => {
                world.network.remove(&sent);
                self.deliver(&mut world, sent);
            }
            Step::Exchange(me, place) => self.begin_exchange(&mut world, me, place)?,
            Step::Tell(me, place) => {
                let member = &world.servers[me].member;
                let told = Message::Change {
                    list: member.membership(),
                    confirmed_in: member.list_term(),
                };
                self.send(&mut world, me, place, told);
            }
            Step::AskToJoin(me) => {
                let (place, message) = world.servers[me].member.may_join()?;
                self.send(&mut world, me, place, message);
            }
            Step::Persisted(me) => {
                self.persisted(&mut world, me)?;
            }
            Step::Stand(me) => {
                if !self.lacks(Rule::Fence) {
                    world.servers[me].link = None;
                }
                let position = world.servers[me].position();
                let actions = world.servers[me].member.stand(position, Ballot::ZERO);
                self.act(&mut world, me, actions);
            }
            Step::Promoted(me) | Step::Unasked(me) => {
                world.unasked += u8::from(step == Step::Unasked(me));
                world.promotions += 1;
                world.epoch += 1;
                let (epoch, stream) = (world.epoch, fresh_stream(&world));
                world.servers[me].promote(me, epoch, stream);
            }
            Step::Follow(me, other) => {
                let epoch = world.servers[other].epoch;
                let server = &mut world.servers[me];
                let position = server.position();
                if server.is_primary(me) {
                    server.member.demoted(position);
                } else {
                    server.member.give_up();
                }
                server.follows = u8::try_from(other).expect("few");
                server.former = None;
                server.epoch = epoch;
                server.link = None;
                server.is_loading = false;
                server.replicas.clear();
            }
            Step::Connect(me, continues) => self.connect(&mut world, me, continues),
            Step::Loaded(me) => {
                let primary = usize::from(world.servers[me].follows);
                let (log, stream) = (
                    world.servers[primary].log.clone(),
                    world.servers[primary].stream,
                );
                let replica = &mut world.servers[me];
                replica.log = log;
                replica.stream = stream;
                replica.is_loading = false;
                replica.knows_position = true;
            }
            Step::Cut(me) => {
                world.cuts += 1;
                world.servers[me].link = None;
                world.servers[me].is_loading = false;
            }
            Step::Crash(me) => {
                world.crashes += 1;
                world.servers[me].is_up = false;
            }
            Step::Restart(me, keep, knows) => self.restart(&mut world, me, keep, knows),
        }
        self.release(&mut world);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Bounds>> {
        vec![
            Property::always(
                "a released write is on every primary of its term or a later one",
                |_, world: &World| {
                    let holders = world
                        .servers
                        .iter()
                        .enumerate()
                        .filter_map(|(index, server)| {
                            let is_there = server.is_up && server.is_primary(index);
                            server
                                .member
                                .term()
                                .filter(|_| is_there)
                                .map(|term| (server, term))
                        });
                    let mut kept = holders.map(|(server, term)| {
                        let mut released = world.released.iter();
                        released.all(|(write, &of)| of > term || server.log.contains(write))
                    });
                    kept.all(|kept| kept)
                },
            ),
            Property::always(
                "no synchronization destroys a released write",
                |_, world: &World| !world.destroyed,
            ),
            Property::sometimes(JOINED, |bounds: &Bounds, world: &World| {
                let Some(new) = world.servers.get(usize::from(bounds.group.members())) else {
                    return false;
                };
                let mut terms = world.servers.iter().map(|server| server.member.term());
                let promise = new.member.promise();
                new.is_member && promise.counter > 1 && terms.any(|term| term == Some(promise))
            }),
            Property::sometimes(
                "a write is released after a failover",
                |_, world: &World| {
                    world.promotions > 0
                        && world
                            .released
                            .values()
                            .any(|term| term.author != Some(MemberId(0)))
                },
            ),
        ]
    }
}
