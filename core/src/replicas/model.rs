//! The rule of who counts, against a model that knows which process is behind each link.
//!
//! The model plays processes at one address and at another one. A process has one link that it
//! uses. It may come back on a new one, with or without its data, while the primary still holds
//! the old one. On an old link only what the process sent before can still arrive.
//!
//! Safety: no link counts whose process has shown a newer link. Liveness: whoever uses its link
//! counts after it has answered two requests.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The process comes (back) on a new link, online at once or after a synchronization.
    Connect { process: usize, online: bool },
    /// The synchronization of some link is over.
    Finish { link: usize },
    /// The primary notices that some link is gone.
    Drop { link: usize },
    /// The stream grows.
    Write { bytes: u64 },
    /// A process acknowledges all that there is, or something between.
    Acknowledge { link: usize, share: u64 },
    /// A stranger sends PSYNC.
    Stranger,
    /// The module looks.
    Look,
}

#[derive(Clone, Copy, Debug)]
struct ModelLink {
    process: usize,
    online: bool,
    acked: u64,
    /// The end of the stream when the process left this link for a newer one.
    left_at: Option<u64>,
}

#[derive(Default)]
struct World {
    offset: u64,
    now: u64,
    links: Vec<ModelLink>,
    replicas: Replicas,
}

const PROCESSES: usize = 4;

fn host(process: usize) -> &'static [u8] {
    if process + 1 == PROCESSES {
        b"another"
    } else {
        b"shared"
    }
}

fn listed(links: &[ModelLink]) -> impl Iterator<Item = Link<'static>> + Clone + '_ {
    links.iter().map(|link| Link {
        host: host(link.process),
        port: 1,
        online: link.online,
        acked: link.acked,
    })
}

impl World {
    fn look(&mut self) {
        self.now += 1;
        let fsyncs = Fsyncs::default();
        let (offset, now) = (self.offset, self.now);
        let online = listed(&self.links).filter(|link| link.online);
        if self.replicas.needs_listing() || !self.replicas.update(offset, now, online, &fsyncs) {
            let links = listed(&self.links);
            self.replicas.list(offset, now, links, &fsyncs, false);
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

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Connect { process, online } => {
                let offset = self.offset;
                for link in &mut self.links {
                    if link.process == process {
                        link.left_at.get_or_insert(offset);
                    }
                }
                self.links.push(ModelLink {
                    process,
                    online,
                    acked: 0,
                    left_at: None,
                });
                self.replicas.handshake_heard();
                if online {
                    self.replicas.links_changed();
                }
                // The turn in which a handshake was heard ends with a look.
                self.look();
            }
            Step::Finish { link } => {
                let count = self.links.len().max(1);
                if let Some(link) = self.links.get_mut(link % count) {
                    if !link.online {
                        link.online = true;
                        self.replicas.links_changed();
                    }
                }
            }
            Step::Drop { link } => {
                if !self.links.is_empty() {
                    let gone = self.links.remove(link % self.links.len());
                    if gone.online {
                        self.replicas.links_changed();
                    }
                }
            }
            Step::Write { bytes } => self.offset += bytes,
            Step::Acknowledge { link, share } => {
                let count = self.links.len().max(1);
                let offset = self.offset;
                if let Some(link) = self.links.get_mut(link % count) {
                    let most = link.left_at.unwrap_or(offset);
                    if link.online {
                        link.acked = link.acked.max(most * share.min(10) / 10);
                    }
                }
            }
            Step::Stranger => self.replicas.handshake_heard(),
            Step::Look => self.look(),
        }
    }

    /// Two requests, each answered by all who use their link.
    fn settle(&mut self) {
        for link in &mut self.links {
            if link.left_at.is_none() && !link.online {
                link.online = true;
                self.replicas.links_changed();
            }
        }
        // After a handshake several looks are listings, and each may begin anew.
        while self.replicas.needs_listing() {
            self.look();
        }
        for _ in 0..2 {
            let before = self.offset;
            self.offset += 37;
            for link in &mut self.links {
                if link.left_at.is_none() {
                    link.acked = before;
                }
            }
            self.look();
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..PROCESSES, any::<bool>())
            .prop_map(|(process, online)| Step::Connect { process, online }),
        3 => (0..8usize).prop_map(|link| Step::Finish { link }),
        3 => (0..8usize).prop_map(|link| Step::Drop { link }),
        3 => (1..50u64).prop_map(|bytes| Step::Write { bytes }),
        6 => (0..8usize, 5..12u64)
            .prop_map(|(link, share)| Step::Acknowledge { link, share }),
        1 => Just(Step::Stranger),
        4 => Just(Step::Look),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_link_counts_whose_process_has_shown_a_newer_one(steps in steps()) {
        let mut world = World { offset: 1, ..World::default() };
        for step in &steps {
            world.step(step);
        }
        world.look();
    }

    #[test]
    fn whoever_uses_its_link_counts_after_two_requests(steps in steps()) {
        let mut world = World { offset: 1, ..World::default() };
        for step in &steps {
            world.step(step);
        }
        world.settle();
        for (link, counts) in world.online() {
            prop_assert_eq!(counts, link.left_at.is_none(), "{:?}", link);
        }
        let mut requests = crate::ack_request::AckRequests::default();
        requests.sent(world.offset);
        requests.set_baseline(world.replicas.open_baseline());
        prop_assert!(!requests.is_due(), "a link that never answers is asked for ever");
    }
}
