//! The replicas of this primary, as the server lists them: who counts, and how far each has come.
//!
//! The server's own listing is no proof of anything by itself. It shows links, not replicas, and
//! believes whatever offset a link reports; the rules here say what to believe.

use crate::acks::{Acks, Progress};
use crate::fsyncs::Fsyncs;

/// One online link to a replica, as `ROLE` lists it. Of the links of one replica the server lists
/// the oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Where the replica says it is, or the address it connects from.
    pub host: &'a [u8],
    /// Its listening port; 0 for a link that never told one.
    pub port: u16,
    /// The offset it last acknowledged; 0 while it has not acknowledged any.
    pub acked: u64,
}

/// One replica: a host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where it is, as bytes: an IPv4 or IPv6 address, or a host name.
    pub host: Vec<u8>,
    /// The port it listens on.
    pub port: u16,
    /// The offset it last acknowledged, in bytes of the replication stream; 0 for none yet.
    pub acked: u64,
    /// When `acked` was last seen to change, in microseconds on the caller's clock.
    pub moved: u64,
    /// The offset it has fsynced to its append-only file, where that is known.
    pub fsynced: Option<u64>,
    /// What it had acknowledged when the last request was sent.
    asked: u64,
    seen: bool,
}

/// The replicas at the last look.
#[derive(Debug, Default)]
pub struct Replicas {
    entries: Vec<Replica>,
    offset: u64,
    acks: Acks,
}

impl Replicas {
    /// Takes a look at the links: `offset` is the primary's own, `now` is in microseconds.
    pub fn observe<'a>(
        &mut self,
        offset: u64,
        now: u64,
        links: impl Iterator<Item = Link<'a>>,
        fsyncs: &Fsyncs,
    ) {
        for entry in &mut self.entries {
            entry.seen = false;
        }
        // Change-capture tools come without a port. They hold no copy that could be promoted.
        for (index, link) in links.filter(|link| link.port != 0).enumerate() {
            self.see(index, link, now);
        }
        self.entries.retain(|entry| entry.seen);
        for entry in &mut self.entries {
            entry.fsynced = fsyncs.of(&entry.host, entry.port);
        }
        self.offset = offset;
        self.acks.replace(
            self.entries
                .iter()
                .filter(|replica| counts(replica, offset))
                .map(|replica| Progress {
                    acked: replica.acked,
                    fsynced: replica.fsynced,
                }),
        );
    }

    /// Notes one link. After a cut that the primary did not notice, a replica is listed twice. It
    /// is one replica, and its newest link tells the truth about it: behind the older one there
    /// may have been a process that has lost its data since.
    fn see(&mut self, index: usize, link: Link<'_>, now: u64) {
        let same = |entry: &Replica| entry.port == link.port && entry.host == link.host;
        // The server lists links in a stable order, so that this is nearly always one comparison.
        let found = match self.entries.get(index) {
            Some(entry) if same(entry) => Some(index),
            _ => self.entries.iter().position(same),
        };
        match found.and_then(|index| self.entries.get_mut(index)) {
            Some(entry) => {
                if entry.acked > link.acked {
                    // Another process, which was asked nothing yet.
                    entry.asked = 0;
                }
                if entry.acked != link.acked {
                    entry.acked = link.acked;
                    entry.moved = now;
                }
                entry.seen = true;
            }
            None => self.entries.push(Replica {
                host: link.host.to_vec(),
                port: link.port,
                acked: link.acked,
                moved: now,
                fsynced: None,
                asked: 0,
                seen: true,
            }),
        }
    }

    /// Forgets everything: this server is no primary any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// A request was sent to all of them.
    pub fn note_request(&mut self) {
        for entry in &mut self.entries {
            entry.asked = entry.acked;
        }
    }

    /// Where it is worth asking a replica once more for what it has fsynced: offsets above the first, up to
    /// and including the second.
    ///
    /// A replica answers a request at once, before the fsync of the very turn that brought it, and tells no
    /// more by itself for up to a second. Once it has acknowledged an offset that fsync is over, where it fsyncs
    /// always; so whatever it has acknowledged since the last request was sent, it has had no occasion to tell
    /// of. One that fsyncs every second is asked once for each step, and then tells it in its own time.
    pub fn untold_fsyncs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counting = self
            .entries
            .iter()
            .filter(|replica| counts(replica, self.offset));
        counting.filter_map(|replica| {
            let told = replica.asked.max(replica.fsynced?);
            (told < replica.acked).then_some((told, replica.acked))
        })
    }

    /// What the replicas that count have acknowledged.
    pub fn acks(&self) -> &Acks {
        &self.acks
    }

    /// The primary's own offset at the last look.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Every online replica with a listening port, counting or not.
    pub fn online(&self) -> &[Replica] {
        &self.entries
    }
}

/// A replica counts once it has acknowledged an offset that the primary has reached. One that is
/// still loading its full synchronization is listed as online with offset 0, and anything that
/// went through PSYNC can claim any offset.
fn counts(replica: &Replica, offset: u64) -> bool {
    replica.acked > 0 && replica.acked <= offset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(host: &str, port: u16, acked: u64) -> Link<'_> {
        Link {
            host: host.as_bytes(),
            port,
            acked,
        }
    }

    fn look(replicas: &mut Replicas, offset: u64, now: u64, links: &[Link<'_>]) -> u32 {
        replicas.observe(offset, now, links.iter().copied(), &Fsyncs::default());
        replicas.acks().replicas()
    }

    #[test]
    fn two_links_of_one_replica_count_once_and_the_newest_is_believed() {
        let mut replicas = Replicas::default();
        let links = [link("a", 1, 100), link("b", 2, 80), link("a", 1, 90)];
        assert_eq!(look(&mut replicas, 100, 0, &links), 2);
        assert_eq!(replicas.acks().acknowledged(90), 1);
        let restarted_empty = [link("a", 1, 100), link("a", 1, 0)];
        assert_eq!(look(&mut replicas, 100, 1, &restarted_empty), 0);
    }

    #[test]
    fn two_ports_of_one_host_are_two_replicas() {
        let mut replicas = Replicas::default();
        let links = [link("a", 1, 10), link("a", 2, 10)];
        assert_eq!(look(&mut replicas, 10, 0, &links), 2);
    }

    #[test]
    fn loading_portless_and_lying_links_do_not_count() {
        let mut replicas = Replicas::default();
        let links = [link("a", 1, 0), link("b", 0, 10), link("c", 3, 11)];
        assert_eq!(look(&mut replicas, 10, 0, &links), 0);
        assert_eq!(replicas.online().len(), 2);
        assert_eq!(look(&mut replicas, 11, 0, &links), 1);
    }

    #[test]
    fn a_replica_that_is_gone_is_forgotten() {
        let mut replicas = Replicas::default();
        look(&mut replicas, 10, 0, &[link("a", 1, 5), link("b", 2, 6)]);
        assert_eq!(look(&mut replicas, 10, 0, &[link("b", 2, 6)]), 1);
        assert_eq!(replicas.online().len(), 1);
        replicas.clear();
        assert!(replicas.online().is_empty());
        assert_eq!(replicas.acks().replicas(), 0);
    }

    #[test]
    fn a_replica_is_asked_for_its_fsync_once_it_has_acknowledged_what_it_was_not_asked_for() {
        let mut fsyncs = Fsyncs::default();
        for (client, port) in [(1, b"1"), (2, b"2")] {
            let told = [b"listening-port", &port[..], b"ACK", b"5", b"FACK", b"5"];
            fsyncs.heard(client, told.into_iter());
        }
        let asked = fsyncs.to_identify();
        let listed = [1, 2].map(|client| (client, Some(b"a".to_vec())));
        fsyncs.identified(&asked, &listed.into());
        let mut replicas = Replicas::default();
        let look = |replicas: &mut Replicas, one, two, silent| {
            let links = [link("a", 1, one), link("a", 2, two), link("b", 3, silent)];
            replicas.observe(30, 0, links.into_iter(), &fsyncs);
            replicas.untold_fsyncs().collect::<Vec<_>>()
        };
        assert_eq!(look(&mut replicas, 5, 5, 5), []);
        // The one that tells no fsync is of no interest, however fast it is.
        assert_eq!(look(&mut replicas, 5, 5, 20), []);
        assert_eq!(look(&mut replicas, 5, 20, 20), [(5, 20)]);
        replicas.note_request();
        assert_eq!(look(&mut replicas, 5, 20, 20), []);
        assert_eq!(look(&mut replicas, 20, 20, 20), [(5, 20)]);
        replicas.note_request();
        assert_eq!(look(&mut replicas, 30, 20, 20), [(20, 30)]);
        // What goes backwards is another process.
        assert_eq!(look(&mut replicas, 10, 20, 20), [(5, 10)]);
        // What does not count is not worth asking.
        assert_eq!(look(&mut replicas, 31, 20, 20), []);
    }

    #[test]
    fn the_time_of_the_last_change_is_kept_while_nothing_changes() {
        let mut replicas = Replicas::default();
        look(&mut replicas, 10, 1, &[link("a", 1, 5)]);
        look(&mut replicas, 10, 2, &[link("a", 1, 5)]);
        assert_eq!(replicas.online()[0].moved, 1);
        look(&mut replicas, 10, 3, &[link("a", 1, 6)]);
        assert_eq!(replicas.online()[0].moved, 3);
    }
}
