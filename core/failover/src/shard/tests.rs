//! A group of three in which messages arrive at once and servers do what they are asked to. What
//! happens when they do not is the model's subject (`tests/model/`).

use std::collections::VecDeque;

use super::*;
use crate::{Body, GroupId, StreamId};

mod cluster;
mod exchange;
mod troubles;

struct Node {
    shard: Shard,
    is_up: bool,
    role: Role,
    position: Position,
}

struct Trio {
    nodes: Vec<Node>,
    now: u64,
    log: Vec<String>,
    /// Disks that hang.
    hangs: [bool; 3],
    /// All messages are lost.
    is_muted: bool,
    /// A replica that is so many bytes behind, while the stream goes on.
    lag: Option<(usize, u64)>,
}

fn place(index: usize) -> MemberId {
    MemberId(u8::try_from(index).expect("few"))
}

fn replica_of(primary: usize, has_failed: bool) -> Role {
    Role::Replica {
        of: Some(place(primary)),
        is_linked: !has_failed,
        has_failed,
    }
}

impl Trio {
    /// The first is the primary, and all have confirmed.
    fn founded() -> Trio {
        let definition = Definition {
            id: GroupId([1; 16]),
            version: crate::Version::FIRST,
            acknowledgements: 1,
            members: (0..3).map(|byte| NodeId([byte; 20])).collect(),
        };
        let position = Position {
            stream: StreamId(1),
            offset: 100,
        };
        let first = Member::founding_ballot(place(0));
        let nodes = (0..3).map(|index| {
            let definition = definition.clone();
            let shard = if index == 0 {
                Shard::founded(definition, place(0), Start(0))
            } else {
                Shard::new(definition, place(index), Kept::promised(first), Start(0))
            };
            Node {
                shard: shard.expect("a member"),
                is_up: true,
                role: if index == 0 {
                    Role::Primary
                } else {
                    replica_of(0, false)
                },
                position,
            }
        });
        let mut trio = Trio {
            nodes: nodes.collect(),
            now: 0,
            log: Vec::new(),
            hangs: [false; 3],
            is_muted: false,
            lag: None,
        };
        trio.links_are_new(0);
        trio.run(300);
        assert_eq!(trio.nodes[0].shard.counting().count(), 2);
        trio
    }

    fn view(&self, index: usize) -> View {
        View {
            now: self.now,
            role: self.nodes[index].role.clone(),
            position: Some(self.nodes[index].position),
            asks_from: Some(self.nodes[index].position),
            node_timeout: 2000,
        }
    }

    /// All live replicas connect to this primary.
    fn links_are_new(&mut self, primary: usize) {
        let linked: Vec<bool> = (0..3)
            .map(|index| index != primary && self.nodes[index].is_up)
            .collect();
        let changed: Vec<MemberId> = (0..3)
            .filter(|&index| index != primary)
            .map(place)
            .collect();
        self.nodes[primary].shard.links_changed(&changed, &linked);
    }

    fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += 100;
            if let Some((one, lag)) = self.lag {
                for (index, node) in self.nodes.iter_mut().enumerate() {
                    node.position.offset = 10_000 + self.now - if index == one { lag } else { 0 };
                }
            }
            for index in 0..self.nodes.len() {
                if self.nodes[index].is_up {
                    let view = self.view(index);
                    let acts = self.nodes[index].shard.tick(&view);
                    self.carry_out(index, acts);
                }
            }
        }
    }

    fn carry_out(&mut self, index: usize, acts: Vec<Act>) {
        let mut queue: VecDeque<(usize, Act)> = acts.into_iter().map(|act| (index, act)).collect();
        while let Some((index, act)) = queue.pop_front() {
            let view = self.view(index);
            let more = match act {
                Act::Persist(_) if self.hangs[index] => continue,
                Act::Persist(kept) => self.nodes[index].shard.persisted(kept),
                Act::Stand => self.nodes[index].shard.stand(&view),
                Act::Promote => self.promote(index),
                Act::Claim | Act::Follow(_) | Act::Tell(_) | Act::Leave(_) => {
                    self.log.push(format!("{index}: {act:?}"));
                    Vec::new()
                }
                Act::Log(text) => {
                    self.log.push(format!("{index}: {text}"));
                    Vec::new()
                }
                Act::Send(to, body) => {
                    let to = usize::from(to.0);
                    if !self.nodes[to].is_up || self.is_muted {
                        continue;
                    }
                    let view = self.view(to);
                    let acts = self.nodes[to].shard.received(place(index), &body, &view);
                    queue.extend(acts.into_iter().map(|act| (to, act)));
                    continue;
                }
            };
            queue.extend(more.into_iter().map(|act| (index, act)));
        }
    }

    fn promote(&mut self, winner: usize) -> Vec<Act> {
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            let was_primary = node.role == Role::Primary;
            if index == winner {
                node.role = Role::Primary;
            } else {
                node.role = replica_of(winner, false);
                if was_primary && node.is_up {
                    let position = node.position;
                    node.shard.role_changed(false, position, self.now);
                }
            }
        }
        let position = self.nodes[winner].position;
        for node in &mut self.nodes {
            node.position = position;
        }
        let acts = self.nodes[winner]
            .shard
            .role_changed(true, position, self.now);
        self.links_are_new(winner);
        acts
    }

    fn holder(&self) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| node.is_up && node.shard.member().term().is_some())
    }

    /// Only what it has on disk is left of its part in the group. A primary is back empty.
    fn restarts(&mut self, index: usize, is_primary: bool) {
        let node = &mut self.nodes[index];
        let kept = node.shard.member().persisted_state();
        let start = Start(node.shard.member().start().0 + 1);
        let definition = node.shard.definition().clone();
        node.shard = Shard::new(definition, place(index), kept, start).expect("a member");
        if is_primary {
            node.position = Position {
                stream: StreamId(9),
                offset: 0,
            };
            node.shard.role_changed(true, node.position, self.now);
        }
    }

    fn dies(&mut self, index: usize) {
        self.nodes[index].is_up = false;
        for node in &mut self.nodes {
            if node.role == replica_of(index, false) {
                node.role = replica_of(index, true);
            }
        }
    }
}

#[test]
fn a_new_group_has_a_term_and_confirmed_replicas() {
    let trio = Trio::founded();
    assert_eq!(trio.holder(), Some(0));
    assert!(trio.nodes.iter().all(|node| node.shard.member().is_voter()));
}

#[test]
fn the_replica_with_more_of_the_stream_follows_a_dead_primary() {
    for best in [1, 2] {
        let mut trio = Trio::founded();
        trio.nodes[best].position.offset += 1;
        trio.run(1200);
        trio.dies(0);
        trio.run(1500);
        assert_eq!(trio.holder(), Some(best), "{:#?}", trio.log);
        trio.run(500);
        assert_eq!(trio.nodes[best].shard.counting().count(), 1);
    }
}

#[test]
fn nobody_is_promoted_while_too_few_can_vote() {
    let mut trio = Trio::founded();
    trio.nodes[2].is_up = false;
    trio.dies(0);
    trio.run(10_000);
    assert_eq!(trio.holder(), None);
    trio.nodes[2].is_up = true;
    trio.run(3000);
    assert!(trio.holder().is_some(), "{:#?}", trio.log);
}

#[test]
fn a_member_that_hears_nobody_promises_nothing() {
    let mut trio = Trio::founded();
    let before = trio.nodes[1].shard.member().promise();
    trio.nodes[2].is_up = false;
    trio.dies(0);
    trio.run(FRESH);
    let promise = trio.nodes[1].shard.member().promise();
    trio.run(10_000);
    assert_eq!(trio.nodes[1].shard.member().promise(), promise);
    assert!(promise.counter <= before.counter + 3, "{promise:?}");
}

#[test]
fn a_primary_catches_up_with_a_member_that_has_promised_a_later_ballot() {
    let mut trio = Trio::founded();
    let view = trio.view(2);
    let acts = trio.nodes[2].shard.stand(&view);
    // Its requests get lost.
    let kept = acts.iter().find_map(|act| match act {
        Act::Persist(kept) => Some(*kept),
        _ => None,
    });
    let kept = kept.expect("it promises");
    trio.nodes[2].shard.persisted(kept);
    trio.links_are_new(0);
    trio.run(5000);
    assert_eq!(trio.holder(), Some(0), "{:#?}", trio.log);
    assert!(trio.nodes[0].shard.member().term() > Some(kept.promise));
    assert_eq!(trio.nodes[0].shard.counting().count(), 2);
}

#[test]
fn a_restarted_primary_is_closed_and_a_replica_takes_over() {
    let mut trio = Trio::founded();
    trio.restarts(0, true);
    let Node {
        shard, position, ..
    } = &trio.nodes[0];
    assert!(shard.is_closed());
    assert_eq!(shard.serves(None, &[*position]), Err(Vec::new()));
    for replica in [1, 2] {
        trio.nodes[replica].role = Role::Replica {
            of: Some(place(0)),
            is_linked: false,
            has_failed: false,
        };
    }
    trio.run(3000);
    assert!(matches!(trio.holder(), Some(1 | 2)), "{:#?}", trio.log);
}

#[test]
fn a_replica_that_was_promoted_by_somebody_else_gets_a_term_by_votes() {
    let mut trio = Trio::founded();
    let acts = trio.promote(2);
    assert!(trio.nodes[2].shard.is_closed());
    trio.carry_out(2, acts);
    trio.run(1000);
    assert_eq!(trio.holder(), Some(2), "{:#?}", trio.log);
}

#[test]
fn without_a_file_nobody_gets_the_vote_of_a_member() {
    let mut trio = Trio::founded();
    assert_eq!(trio.nodes[1].shard.not_persisted("disk full").len(), 1);
    assert_eq!(trio.nodes[1].shard.not_persisted("disk full").len(), 0);
    trio.dies(0);
    trio.run(10_000);
    assert_eq!(trio.holder(), None, "{:#?}", trio.log);
}

#[test]
fn only_an_operator_opens_a_group_that_cannot_vote() {
    let mut trio = Trio::founded();
    for index in 0..3 {
        let promise = trio.nodes[index].shard.member().persisted_state();
        let definition = trio.nodes[index].shard.definition().clone();
        let mut shard = Shard::new(definition, place(index), promise, Start(1)).expect("a member");
        if index == 0 {
            shard.role_changed(true, trio.nodes[0].position, trio.now);
        }
        trio.nodes[index].shard = shard;
    }
    trio.links_are_new(0);
    trio.run(10_000);
    assert_eq!(trio.holder(), None);
    assert!(trio.nodes[1].shard.accept_loss().is_err());
    let acts = trio.nodes[0].shard.accept_loss().expect("it is closed");
    trio.carry_out(0, acts);
    trio.run(500);
    assert_eq!(trio.holder(), Some(0));
    assert_eq!(trio.nodes[0].shard.counting().count(), 2);
}

#[test]
fn a_replica_whose_place_seems_unknown_is_admitted_all_the_same() {
    let mut trio = Trio::founded();
    trio.nodes[2].role = Role::Replica {
        of: Some(place(0)),
        is_linked: false,
        has_failed: false,
    };
    let view = View {
        position: None,
        ..trio.view(2)
    };
    let term = trio.nodes[0].shard.member().term().expect("it holds one");
    let ask = Body::Protocol(Message::AskAdmission { term });
    let acts = trio.nodes[2].shard.received(place(0), &ask, &view);
    let admit = |act: &Act| matches!(act, Act::Send(_, Body::Protocol(Message::Admit { .. })));
    assert!(acts.iter().any(admit), "{acts:?}");
}
