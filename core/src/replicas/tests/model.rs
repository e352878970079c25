//! The rule of which links count, against a model that knows the process behind each link.
//!
//! The model simulates processes at two addresses. A process uses one link. It may return on a new
//! one, with or without its data, while the primary still holds the old one. On an old link only
//! what the process sent before can still arrive. A synchronization may be granted to a link that
//! is gone again before the next look, and a pause may defer it.
//!
//! Safety: a link does not count if its process has shown a newer link. Liveness: a link that its
//! process uses, and that has not overclaimed, counts after two answered requests. No further
//! requests are due.

use proptest::prelude::*;

use super::super::*;
use crate::ack_request::{AckRequests, GETACK_BYTES};

#[derive(Clone, Copy, Debug)]
struct Psync {
    process: usize,
    /// It is online at once, and not after a full synchronization.
    online: bool,
    /// The link is still there at the next look.
    stays: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// A process comes, or returns, on a new link.
    Psync(Psync),
    /// The synchronization of some link is over.
    Finish { link: usize },
    /// The primary notices that some link is gone.
    Drop { link: usize },
    /// The stream grows.
    Write { bytes: u64 },
    /// An acknowledgement arrives, in tenths of what its process could have read. A process that
    /// uses its link may claim more than 10 tenths.
    Acknowledge { link: usize, tenths: u64 },
    /// A client that is not a replica sends PSYNC, and is refused.
    Stranger,
    /// The module looks in the middle of a turn, for example because a command is refused.
    Look,
    /// A turn ends. Deferred commands run just before its end, or just after.
    TurnEnds { before: bool },
    /// The server begins or ceases to defer commands.
    Pause { paused: bool },
    /// The statistics are reset.
    ResetStatistics,
}

#[derive(Clone, Copy, Debug)]
struct ModelLink {
    process: usize,
    online: bool,
    acked: u64,
    /// Its process left it before it was online, and so has never acknowledged anything on it.
    never_used: bool,
    /// It has claimed an offset before the primary had written it.
    overclaimed: bool,
    /// The end of the stream when the process left this link for a newer one.
    left_at: Option<u64>,
}

#[derive(Default)]
struct World {
    offset: u64,
    now: u64,
    granted: u64,
    paused: bool,
    deferred: Vec<Psync>,
    links: Vec<ModelLink>,
    replicas: Replicas,
}

const PROCESSES: usize = 4;

fn listed(links: &[ModelLink]) -> impl Iterator<Item = Link<'static>> + Clone + '_ {
    links.iter().map(|link| Link {
        host: if link.process + 1 == PROCESSES {
            b"another"
        } else {
            b"shared"
        },
        port: 1,
        online: link.online,
        acked: Offset::new(link.acked),
    })
}

impl World {
    /// A primary whose first listing is empty.
    fn of_a_new_primary() -> World {
        let mut world = World {
            offset: 1,
            ..World::default()
        };
        world.look();
        world
    }

    fn look(&mut self) {
        self.now += 1;
        let fsyncs = FsyncReports::default();
        let (offset, now) = (self.offset, self.now);
        let online = listed(&self.links).filter(|link| link.online);
        if self.replicas.needs_listing()
            || !self
                .replicas
                .update(Offset::new(offset), Micros::new(now), online, &fsyncs)
        {
            let listing = Listing {
                offset: Offset::new(offset),
                links: listed(&self.links).collect(),
                connected: self.links.len(),
                granted: Some(self.granted),
            };
            self.replicas.list(listing, Micros::new(now), &fsyncs);
        }
        for (link, counts) in self.online() {
            assert!(
                !(counts && link.left_at.is_some()),
                "{link:?} counts, and its process is on a newer link"
            );
        }
    }

    /// The online links, and whether each counts. Links that are not online are left out: one that
    /// went may still be in the last listing.
    fn online(&self) -> impl Iterator<Item = (&ModelLink, bool)> {
        let links = self.replicas.table.links.iter().enumerate();
        let listed = links.filter(|(_, link)| link.online);
        let counts = listed.map(|(index, _)| self.replicas.reason(index).is_none());
        self.links.iter().filter(|link| link.online).zip(counts)
    }

    fn run(&mut self, psync: Psync) {
        let offset = self.offset;
        for link in &mut self.links {
            if link.process == psync.process {
                link.left_at.get_or_insert(offset);
                link.never_used |= !link.online;
            }
        }
        self.granted += 1;
        if psync.stays {
            self.links.push(ModelLink {
                process: psync.process,
                online: psync.online,
                acked: 0,
                never_used: false,
                overclaimed: false,
                left_at: None,
            });
        }
        if psync.online {
            self.replicas.replica_event();
        }
    }

    fn run_deferred(&mut self) {
        for psync in std::mem::take(&mut self.deferred) {
            self.run(psync);
        }
    }

    fn turn_ends(&mut self, before: bool) {
        if !self.paused && before {
            self.run_deferred();
        }
        // A turn ends with a look if a client waits, or if the links may have changed.
        if self.replicas.needs_listing() {
            self.look();
        }
        self.replicas.turn_ended(self.paused);
        if !self.paused {
            self.run_deferred();
        }
    }

    fn step(&mut self, step: &Step) {
        let count = self.links.len().max(1);
        match *step {
            Step::Psync(psync) => {
                self.replicas.psync_seen();
                if self.paused {
                    self.deferred.push(psync);
                } else {
                    self.run(psync);
                }
            }
            Step::Finish { link } => {
                if let Some(link) = self.links.get_mut(link % count) {
                    if !link.online {
                        link.online = true;
                        self.replicas.replica_event();
                    }
                }
            }
            Step::Drop { link } => {
                if !self.links.is_empty() {
                    let gone = self.links.remove(link % count);
                    if gone.online {
                        self.replicas.replica_event();
                    }
                }
            }
            Step::Write { bytes } => self.offset += bytes,
            Step::Acknowledge { link, tenths } => {
                let offset = self.offset;
                if let Some(link) = self.links.get_mut(link % count) {
                    let most = link.left_at.unwrap_or(offset);
                    let tenths = if link.left_at.is_some() {
                        tenths.min(10)
                    } else {
                        tenths
                    };
                    if link.online && !link.never_used {
                        link.acked = link.acked.max(most * tenths / 10);
                        link.overclaimed |= link.acked > offset;
                    }
                }
            }
            Step::Stranger => self.replicas.psync_seen(),
            Step::Look => self.look(),
            Step::TurnEnds { before } => self.turn_ends(before),
            Step::Pause { paused } => self.paused = paused,
            Step::ResetStatistics => {
                self.granted = 0;
                self.replicas.statistics_were_reset();
            }
        }
    }

    /// Ends all that is under way. Then every process answers each request on the link it uses.
    fn settle(&mut self, requests: &mut AckRequests) {
        self.paused = false;
        self.run_deferred();
        for link in &mut self.links {
            if link.left_at.is_none() && !link.online {
                link.online = true;
                self.replicas.replica_event();
            }
        }
        // Links that were not online may have gone without an event.
        self.replicas.require_listing();
        while self.replicas.needs_listing() {
            self.turn_ends(true);
        }
        for turn in 0.. {
            self.look();
            requests.set_baseline(self.replicas.open_baseline());
            if !requests.is_due() && turn >= 2 {
                break;
            }
            assert!(turn < 4, "requests do not end");
            requests.sent(Offset::new(self.offset));
            for link in &mut self.links {
                if link.left_at.is_none() {
                    link.acked = link.acked.max(self.offset);
                }
            }
            self.offset += GETACK_BYTES;
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let psync = (0..PROCESSES, any::<bool>(), 0..4u8);
    let psync = psync.prop_map(|(process, online, stays)| {
        Step::Psync(Psync {
            process,
            online: online && stays > 0,
            stays: stays > 0,
        })
    });
    let step = prop_oneof![
        4 => psync,
        3 => (0..8usize).prop_map(|link| Step::Finish { link }),
        3 => (0..8usize).prop_map(|link| Step::Drop { link }),
        3 => (1..50u64).prop_map(|bytes| Step::Write { bytes }),
        6 => (0..8usize, 5..14u64)
            .prop_map(|(link, tenths)| Step::Acknowledge { link, tenths }),
        1 => Just(Step::Stranger),
        3 => Just(Step::Look),
        5 => any::<bool>().prop_map(|before| Step::TurnEnds { before }),
        1 => any::<bool>().prop_map(|paused| Step::Pause { paused }),
        1 => Just(Step::ResetStatistics),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_link_counts_if_its_process_has_shown_a_newer_one(steps in steps()) {
        let mut world = World::of_a_new_primary();
        for step in &steps {
            world.step(step);
        }
        world.look();
    }

    #[test]
    fn a_link_in_use_counts_after_two_requests(steps in steps()) {
        let mut world = World::of_a_new_primary();
        for step in &steps {
            world.step(step);
        }
        let mut requests = AckRequests::default();
        world.settle(&mut requests);
        for (link, counts) in world.online() {
            prop_assert!(link.overclaimed || counts == link.left_at.is_none(), "{:?}", link);
        }
        // A refused PSYNC causes looks, and no requests.
        for _ in 0..10 {
            world.step(&Step::Stranger);
            world.turn_ends(true);
            requests.set_baseline(world.replicas.open_baseline());
            prop_assert!(!requests.is_due());
        }
    }
}
