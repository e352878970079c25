//! What replicas report to have fsynced, and which replica each report is from.
//!
//! No command shows a replica's fsynced offset. It travels in `REPLCONF ACK n FACK m`, which any
//! client can send, and which names its client and not its replica. What names the replica is what
//! that client said when it connected (its listening port, perhaps its address) and, only once the
//! server lists that client as a replica, the address that it comes from.

use std::collections::HashMap;

/// What one client said. It is remembered until the client leaves, so that there are never more of these than
/// clients: anybody may say such things, also before authentication.
#[derive(Debug, Default)]
struct Reporter {
    port: Option<u16>,
    announced: Option<Vec<u8>>,
    report: Option<Report>,
    identity: Identity,
}

/// What a replica said in its last message that told of an fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The offset that the same message acknowledged; 0 where it acknowledged none.
    pub acked: u64,
    /// The offset that is on disk.
    pub fsynced: u64,
}

/// What the server has said of a client that reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Identity {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It lists the client, and not as a replica. It is not asked again before a replica comes or goes.
    NoReplica,
    /// It lists it as a replica that comes from this host.
    ReplicaFrom(Vec<u8>),
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Fsyncs {
    clients: HashMap<u64, Reporter>,
    /// Those whom the server lists as replicas. Each look goes through them, and through no pretenders.
    replicas: Vec<u64>,
    unidentified: bool,
}

/// No announced address is longer, in bytes.
const LONGEST_ADDRESS: usize = 255;

impl Fsyncs {
    /// Takes the words of a `REPLCONF` command, its name excluded, as a client sent them.
    pub fn heard<'a>(&mut self, client: u64, words: impl Iterator<Item = &'a [u8]>) {
        let mut words = words;
        let (mut acked, mut fsynced) = (0, None);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if name.eq_ignore_ascii_case(b"listening-port") {
                if let Some(port) = number(value).and_then(|port| u16::try_from(port).ok()) {
                    self.clients.entry(client).or_default().port = Some(port);
                }
            } else if name.eq_ignore_ascii_case(b"ip-address") {
                let address = value.iter().copied().take(LONGEST_ADDRESS).collect();
                self.clients.entry(client).or_default().announced = Some(address);
            } else if name.eq_ignore_ascii_case(b"ack") {
                acked = number(value).unwrap_or(0);
            } else if name.eq_ignore_ascii_case(b"fack") {
                fsynced = Some(number(value));
            }
        }
        // One that never told its port cannot be matched with a replica.
        if let (Some(fsynced), Some(reporter)) = (fsynced, self.clients.get_mut(&client)) {
            reporter.report = fsynced.map(|fsynced| Report { acked, fsynced });
            self.unidentified |= reporter.identity == Identity::Unknown;
        }
    }

    /// A client left. Its id will not be another's.
    pub fn left(&mut self, client: u64) {
        if self.clients.remove(&client).is_some() {
            self.replicas.retain(|&replica| replica != client);
        }
    }

    /// The clients to look up in the server's list, if there is a reason to look: a client has
    /// reported that may or may not be a replica. All other such clients are looked up with it,
    /// since one that has not reported yet may be another link of the same replica.
    pub fn to_identify(&mut self) -> Vec<u64> {
        if !std::mem::take(&mut self.unidentified) {
            return Vec::new();
        }
        let clients = self.clients.iter();
        let unknown = clients.filter(|(_, reporter)| reporter.identity == Identity::Unknown);
        unknown.map(|(&client, _)| client).collect()
    }

    /// A replica came or went, so that what was known of who is who has to be looked up again.
    pub fn replicas_changed(&mut self) {
        self.replicas.clear();
        for reporter in self.clients.values_mut() {
            reporter.identity = Identity::Unknown;
            self.unidentified |= reporter.report.is_some();
        }
    }

    /// Takes the answer to [`to_identify`](Self::to_identify): the clients among `asked` that the
    /// server still has, each with the address it comes from if it is listed as a replica.
    pub fn identified(&mut self, asked: &[u64], listed: &HashMap<u64, Option<Vec<u8>>>) {
        for client in asked {
            match (listed.get(client), self.clients.get_mut(client)) {
                (Some(Some(host)), Some(reporter)) => {
                    reporter.identity = Identity::ReplicaFrom(host.clone());
                    self.replicas.push(*client);
                }
                (Some(None), Some(reporter)) => reporter.identity = Identity::NoReplica,
                _ => self.left(*client),
            }
        }
    }

    /// True if no client that reports is known to be a replica.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// What each replica that shows this host and port has reported; `None` for one that has not
    /// reported yet, and so claims the address without a word.
    pub fn of<'a>(
        &'a self,
        host: &'a [u8],
        port: u16,
    ) -> impl Iterator<Item = Option<Report>> + 'a {
        let replicas = self.replicas.iter();
        let reporters = replicas.filter_map(|replica| self.clients.get(replica));
        let matching = reporters.filter(move |reporter| {
            let Identity::ReplicaFrom(from) = &reporter.identity else {
                return false;
            };
            reporter.port == Some(port) && reporter.announced.as_ref().unwrap_or(from) == host
        });
        matching.map(|reporter| reporter.report)
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(fsyncs: &mut Fsyncs, client: u64, line: &str) {
        fsyncs.heard(client, line.split(' ').map(str::as_bytes));
    }

    fn identify(fsyncs: &mut Fsyncs, listed: &[(u64, Option<&str>)]) {
        let asked = fsyncs.to_identify();
        let listed = listed
            .iter()
            .map(|&(id, from)| (id, from.map(|from| from.as_bytes().to_vec())))
            .collect();
        fsyncs.identified(&asked, &listed);
    }

    /// The fsynced offset, where one replica alone claims the address.
    fn of(fsyncs: &Fsyncs, host: &[u8], port: u16) -> Option<u64> {
        let claims: Vec<_> = fsyncs.of(host, port).collect();
        match claims[..] {
            [Some(report)] => Some(report.fsynced),
            _ => None,
        }
    }

    #[test]
    fn a_report_counts_once_the_server_lists_its_client_as_a_replica() {
        let mut fsyncs = Fsyncs::default();
        hear(&mut fsyncs, 7, "listening-port 6380");
        hear(&mut fsyncs, 7, "ACK 100 FACK 90");
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
        identify(&mut fsyncs, &[(7, Some("10.0.0.1"))]);
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), Some(90));
        hear(&mut fsyncs, 7, "ACK 120 FACK 110");
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), Some(110));
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6381), None);
        assert_eq!(of(&fsyncs, b"10.0.0.2", 6380), None);
    }

    #[test]
    fn a_client_that_is_no_replica_is_not_believed() {
        let mut fsyncs = Fsyncs::default();
        hear(&mut fsyncs, 8, "listening-port 6380 ip-address 10.0.0.1");
        hear(&mut fsyncs, 8, "ACK 999 FACK 999");
        identify(&mut fsyncs, &[(8, None)]);
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
    }

    #[test]
    fn two_claims_to_one_address_are_told_apart_until_one_is_gone() {
        let mut fsyncs = Fsyncs::default();
        for client in [1, 2] {
            hear(&mut fsyncs, client, "listening-port 6380");
            hear(&mut fsyncs, client, "ack 5 fack 5");
        }
        identify(&mut fsyncs, &[(1, Some("h")), (2, Some("h"))]);
        assert!(fsyncs.to_identify().is_empty());
        assert_eq!(of(&fsyncs, b"h", 6380), None);
        fsyncs.left(1);
        assert_eq!(of(&fsyncs, b"h", 6380), Some(5));
    }

    #[test]
    fn an_announced_address_is_the_replicas_name() {
        let mut fsyncs = Fsyncs::default();
        hear(
            &mut fsyncs,
            1,
            "ip-address replica.example listening-port 6380",
        );
        hear(&mut fsyncs, 1, "ACK 5 FACK 4");
        identify(&mut fsyncs, &[(1, Some("10.0.0.1"))]);
        assert_eq!(of(&fsyncs, b"replica.example", 6380), Some(4));
        assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
    }

    #[test]
    fn the_servers_list_is_asked_for_only_when_there_is_a_reason() {
        let mut fsyncs = Fsyncs::default();
        hear(&mut fsyncs, 1, "listening-port 6380");
        assert!(fsyncs.to_identify().is_empty());
        hear(&mut fsyncs, 1, "ACK 5 FACK 4");
        identify(&mut fsyncs, &[(1, Some("h"))]);
        hear(&mut fsyncs, 1, "ACK 6 FACK 6");
        assert!(fsyncs.to_identify().is_empty());
        fsyncs.replicas_changed();
        assert_eq!(fsyncs.to_identify(), [1]);
    }

    #[test]
    fn pretenders_are_looked_up_once_and_forgotten_when_they_leave() {
        let mut fsyncs = Fsyncs::default();
        for client in 0..10_000 {
            hear(&mut fsyncs, client, "listening-port 6380");
            hear(&mut fsyncs, client, "ACK 5 FACK 4");
        }
        let listed: Vec<_> = (0..10_000)
            .map(|client| (client, (client == 7).then_some("h")))
            .collect();
        identify(&mut fsyncs, &listed);
        for client in 0..10_000 {
            hear(&mut fsyncs, client, "ACK 5 FACK 5");
        }
        assert!(fsyncs.to_identify().is_empty());
        assert_eq!(of(&fsyncs, b"h", 6380), Some(5));
        assert_eq!(fsyncs.replicas, [7]);
        for client in 0..10_000 {
            fsyncs.left(client);
        }
        assert!(fsyncs.clients.is_empty() && fsyncs.replicas.is_empty());
        assert_eq!(of(&fsyncs, b"h", 6380), None);
    }

    #[test]
    fn a_link_that_never_reported_is_a_claim_too() {
        let mut fsyncs = Fsyncs::default();
        hear(&mut fsyncs, 1, "listening-port 6380");
        assert!(fsyncs.to_identify().is_empty(), "nobody has reported");
        hear(&mut fsyncs, 2, "listening-port 6380 ACK 5 FACK 4");
        identify(&mut fsyncs, &[(1, Some("h")), (2, Some("h"))]);
        assert_eq!(of(&fsyncs, b"h", 6380), None);
        fsyncs.left(1);
        assert_eq!(of(&fsyncs, b"h", 6380), Some(4));
    }

    #[test]
    fn nonsense_is_ignored() {
        let mut fsyncs = Fsyncs::default();
        for line in [
            "",
            "listening-port",
            "listening-port x",
            "listening-port 70000",
            "fack 1",
            "capa eof capa psync2",
        ] {
            hear(&mut fsyncs, 1, line);
        }
        assert!(fsyncs.clients.is_empty());
        hear(&mut fsyncs, 1, "listening-port 1 ACK 5 FACK -3");
        identify(&mut fsyncs, &[(1, Some("h"))]);
        assert_eq!(of(&fsyncs, b"h", 1), None);
    }
}
