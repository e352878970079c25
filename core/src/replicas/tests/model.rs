//! The rule of who counts, against a model that knows which process is behind each link.
//!
//! The model plays processes at two addresses. A process has one link that it uses. It may come
//! back on a new one, with or without its data, while the primary still holds the old one. On an
//! old link only what the process sent before can still arrive. A synchronization may be granted
//! to a link that is gone again before anybody looks, and a pause may put it off.
//!
//! Safety: no link counts whose process has shown a newer link. Liveness: whoever uses its link
//! counts after it has answered two requests, and no more are sent for it.

use proptest::prelude::*;

use super::*;
use crate::ack_request::{AckRequests, GETACK_BYTES};

#[derive(Clone, Copy, Debug)]
struct Psync {
    process: usize,
    /// At once, or after a full synchronization.
    online: bool,
    /// Whether the link is still there when somebody looks.
    stays: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// A process comes (back) on a new link.
    Psync(Psync),
    /// The synchronization of some link is over.
    Finish { link: usize },
    /// The primary notices that some link is gone.
    Drop { link: usize },
    /// The stream grows.
    Write { bytes: u64 },
    /// What a process has acknowledged arrives, in tenths of all that it could have read. One that
    /// uses its link may claim more than there is.
    Acknowledge { link: usize, tenths: u64 },
    /// A stranger sends PSYNC, and is refused.
    Stranger,
    /// The module looks in the middle of a turn, because a command is refused, say.
    Look,
    /// A turn ends. What was put off runs just before it, or just after.
    TurnEnds { before: bool },
    /// Commands are put off from here on, or no longer.
    Pause { paused: bool },
    /// The statistics are reset.
    ResetStatistics,
}

#[derive(Clone, Copy, Debug)]
struct ModelLink {
    process: usize,
    online: bool,
    acked: u64,
    /// Its process left it before it was online, and so before it acknowledged anything.
    mute: bool,
    /// It has claimed what the primary had not written.
    lied: bool,
    /// The end of the stream when the process left this link for a newer one.
    left_at: Option<u64>,
}

#[derive(Default)]
struct World {
    offset: u64,
    now: u64,
    granted: u64,
    paused: bool,
    put_off: Vec<Psync>,
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
        acked: link.acked,
    })
}

impl World {
    /// What came before the first listing is known by nobody.
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
        let fsyncs = Fsyncs::default();
        let (offset, now) = (self.offset, self.now);
        let online = listed(&self.links).filter(|link| link.online);
        if self.replicas.needs_listing() || !self.replicas.update(offset, now, online, &fsyncs) {
            let listing = Listing {
                offset,
                links: listed(&self.links).collect(),
                connected: self.links.len(),
                granted: Some(self.granted),
            };
            self.replicas.list(listing, now, &fsyncs);
        }
        for (link, counts) in self.online() {
            assert!(
                !(counts && link.left_at.is_some()),
                "{link:?} counts, and its process is on a newer link"
            );
        }
    }

    /// The online links, and whether each counts. A link that was not online may be listed for a
    /// while after it has gone.
    fn online(&self) -> impl Iterator<Item = (&ModelLink, bool)> {
        let entries = self.replicas.roster.entries.iter().enumerate();
        let listed = entries.filter(|(_, entry)| entry.online);
        let counts = listed.map(|(index, _)| self.replicas.reason(index).is_none());
        self.links.iter().filter(|link| link.online).zip(counts)
    }

    fn run(&mut self, psync: Psync) {
        let offset = self.offset;
        for link in &mut self.links {
            if link.process == psync.process {
                link.left_at.get_or_insert(offset);
                link.mute |= !link.online;
            }
        }
        self.granted += 1;
        if psync.stays {
            self.links.push(ModelLink {
                process: psync.process,
                online: psync.online,
                acked: 0,
                mute: false,
                lied: false,
                left_at: None,
            });
        }
        if psync.online {
            self.replicas.links_changed();
        }
    }

    fn run_what_was_put_off(&mut self) {
        for psync in std::mem::take(&mut self.put_off) {
            self.run(psync);
        }
    }

    fn turn_ends(&mut self, before: bool) {
        if !self.paused && before {
            self.run_what_was_put_off();
        }
        // A turn ends with a look if somebody waits, or if the links may have changed.
        if self.replicas.needs_listing() {
            self.look();
        }
        self.replicas.turn_ended(self.paused);
        if !self.paused {
            self.run_what_was_put_off();
        }
    }

    fn step(&mut self, step: &Step) {
        let count = self.links.len().max(1);
        match *step {
            Step::Psync(psync) => {
                self.replicas.handshake_heard();
                if self.paused {
                    self.put_off.push(psync);
                } else {
                    self.run(psync);
                }
            }
            Step::Finish { link } => {
                if let Some(link) = self.links.get_mut(link % count) {
                    if !link.online {
                        link.online = true;
                        self.replicas.links_changed();
                    }
                }
            }
            Step::Drop { link } => {
                if !self.links.is_empty() {
                    let gone = self.links.remove(link % count);
                    if gone.online {
                        self.replicas.links_changed();
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
                    if link.online && !link.mute {
                        link.acked = link.acked.max(most * tenths / 10);
                        link.lied |= link.acked > offset;
                    }
                }
            }
            Step::Stranger => self.replicas.handshake_heard(),
            Step::Look => self.look(),
            Step::TurnEnds { before } => self.turn_ends(before),
            Step::Pause { paused } => self.paused = paused,
            Step::ResetStatistics => {
                self.granted = 0;
                self.replicas.statistics_reset();
            }
        }
    }

    /// Each request is answered by all who use their link.
    fn settle(&mut self, requests: &mut AckRequests) {
        self.paused = false;
        self.run_what_was_put_off();
        for link in &mut self.links {
            if link.left_at.is_none() && !link.online {
                link.online = true;
                self.replicas.links_changed();
            }
        }
        // Some that were not online may have gone.
        self.replicas.owe_listing();
        while self.replicas.needs_listing() {
            self.turn_ends(true);
        }
        for turn in 0.. {
            self.look();
            requests.set_baseline(self.replicas.open_baseline());
            if !requests.is_due() && turn >= 2 {
                break;
            }
            assert!(turn < 4, "requests go on and on");
            requests.sent(self.offset);
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
    fn no_link_counts_whose_process_has_shown_a_newer_one(steps in steps()) {
        let mut world = World::of_a_new_primary();
        for step in &steps {
            world.step(step);
        }
        world.look();
    }

    #[test]
    fn whoever_uses_its_link_counts_after_two_requests(steps in steps()) {
        let mut world = World::of_a_new_primary();
        for step in &steps {
            world.step(step);
        }
        let mut requests = AckRequests::default();
        world.settle(&mut requests);
        for (link, counts) in world.online() {
            prop_assert!(link.lied || counts == link.left_at.is_none(), "{:?}", link);
        }
        // Strangers cost looks, and nothing else.
        for _ in 0..10 {
            world.step(&Step::Stranger);
            world.turn_ends(true);
            requests.set_baseline(world.replicas.open_baseline());
            prop_assert!(!requests.is_due());
        }
    }
}
