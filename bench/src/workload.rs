//! What each connection sends repeatedly: commands encoded in advance.

use testkit::encode_command;

/// Each connection uses this many keys of its own, in turn.
const KEYS_PER_CONNECTION: usize = 100;
const VALUE: [u8; 64] = [b'v'; 64];

/// One packet, and the number of replies to it.
pub struct Step {
    pub bytes: Vec<u8>,
    pub replies: usize,
    /// Where [`NUMBER`] stands, which is replaced by another number each time the packet is sent.
    pub number_at: Option<usize>,
}

/// The last part of an id (a UUID).
pub const NUMBER: &str = "000000000000";

impl Step {
    pub fn new(bytes: Vec<u8>, replies: usize) -> Step {
        Step {
            bytes,
            replies,
            number_at: None,
        }
    }

    /// Replaces the number, so that no packet is sent twice.
    pub fn renumber(&mut self, number: u64) {
        let Some(at) = self.number_at else {
            return;
        };
        let text = format!("{number:0width$}", width = NUMBER.len());
        if let Some(place) = self.bytes.get_mut(at..at + NUMBER.len()) {
            place.copy_from_slice(&text.as_bytes()[text.len() - NUMBER.len()..]);
        }
    }
}

/// Steps that are sent one after the other. The latency is measured over the whole cycle.
pub type Cycle = Vec<Step>;

/// What all connections do. Each connection has its own keys.
pub struct Workload {
    /// Operations in one cycle.
    pub operations: u64,
    /// A command that each connection sends first, before anything is measured. May be empty.
    pub greeting: Vec<u8>,
    cycles: Box<dyn Fn(usize) -> Vec<Cycle>>,
}

impl Workload {
    /// One key a cycle.
    pub fn for_each_key(cycle: impl Fn(&str) -> Cycle + 'static) -> Workload {
        Workload {
            operations: 1,
            greeting: Vec::new(),
            cycles: Box::new(move |connection| {
                (0..KEYS_PER_CONNECTION)
                    .map(|number| cycle(&key(connection, number)))
                    .collect()
            }),
        }
    }

    /// `count` keys a cycle, in one packet: a command for each key, then `last`.
    pub fn pipeline(
        count: usize,
        command: impl Fn(&str) -> Vec<u8> + 'static,
        last: Option<Vec<u8>>,
    ) -> Workload {
        let cycle = move |connection: usize, first: usize| {
            let mut bytes: Vec<u8> = (0..count)
                .flat_map(|number| {
                    command(&key(connection, (first + number) % KEYS_PER_CONNECTION))
                })
                .collect();
            bytes.extend_from_slice(last.as_deref().unwrap_or_default());
            let replies = count + usize::from(last.is_some());
            vec![Step::new(bytes, replies)]
        };
        Workload {
            operations: count as u64,
            greeting: Vec::new(),
            cycles: Box::new(move |connection| {
                (0..KEYS_PER_CONNECTION)
                    .step_by(count)
                    .map(|first| cycle(connection, first))
                    .collect()
            }),
        }
    }

    /// The same packet every time.
    pub fn same(operations: u64, bytes: Vec<u8>, replies: usize) -> Workload {
        Workload {
            operations,
            greeting: Vec::new(),
            cycles: Box::new(move |_| vec![vec![Step::new(bytes.clone(), replies)]]),
        }
    }

    /// A round trip for each command, one operation each.
    pub fn one_by_one(commands: Vec<Vec<u8>>) -> Workload {
        Workload {
            operations: commands.len() as u64,
            greeting: Vec::new(),
            cycles: Box::new(move |_| {
                let steps = commands.iter().cloned();
                vec![steps.map(|bytes| Step::new(bytes, 1)).collect()]
            }),
        }
    }

    pub fn greeted_by(self, greeting: Vec<u8>) -> Workload {
        Workload { greeting, ..self }
    }

    pub fn cycles(&self, connection: usize) -> Vec<Cycle> {
        (self.cycles)(connection)
    }
}

/// A packet of these commands. Each has one reply.
pub fn packet(commands: &[Vec<u8>]) -> Step {
    Step::new(commands.concat(), commands.len())
}

/// A packet of this one command, which has [`NUMBER`] in it.
pub fn numbered(command: Vec<u8>) -> Step {
    let number = NUMBER.as_bytes();
    let at = command
        .windows(number.len())
        .position(|window| window == number);
    Step {
        number_at: at,
        ..Step::new(command, 1)
    }
}

pub fn command(words: &[&str]) -> Vec<u8> {
    encode_command(words)
}

pub fn set(key: &str) -> Vec<u8> {
    encode_command(&[&b"SET"[..], key.as_bytes(), &VALUE])
}

pub fn get(key: &str) -> Vec<u8> {
    encode_command(&["GET", key])
}

/// Native WAIT without a timeout.
pub fn wait(replicas: usize) -> Vec<u8> {
    encode_command(&["WAIT", &replicas.to_string(), "0"])
}

/// Of the least possible module.
pub fn least_set(key: &str) -> Vec<u8> {
    encode_command(&[&b"LEAST.SET"[..], key.as_bytes(), &VALUE])
}

/// Requires what is configured.
pub fn durable_set_plain(key: &str) -> Vec<u8> {
    encode_command(&[&b"DURABLE.SET"[..], key.as_bytes(), &VALUE])
}

pub fn durable_set(key: &str, replicas: usize) -> Vec<u8> {
    let replicas = replicas.to_string();
    let words = [
        &b"DURABLE.SET"[..],
        key.as_bytes(),
        &VALUE,
        b"REPLICAS",
        replicas.as_bytes(),
    ];
    encode_command(&words)
}

pub fn durable_call(key: &str) -> Vec<u8> {
    durable_inner(&["DURABLE.CALL", "REPLICAS", "1", "SET", key])
}

/// With an id of 36 bytes that ends in [`NUMBER`].
pub fn durable_once(key: &str) -> Vec<u8> {
    let id = format!("5f0c1e0e-8d5b-4a39-a0a5-{NUMBER}");
    durable_inner(&["DURABLE.ONCE", &id, "REPLICAS", "1", "SET", key])
}

fn durable_inner(words: &[&str]) -> Vec<u8> {
    let words = words.iter().map(|word| word.as_bytes());
    encode_command(&words.chain([&VALUE[..]]).collect::<Vec<_>>())
}

pub fn durable_wait(replicas: usize) -> Vec<u8> {
    encode_command(&["DURABLE.WAIT", "REPLICAS", &replicas.to_string()])
}

/// All keys have the same length, so all commands of a workload do too.
fn key(connection: usize, number: usize) -> String {
    format!("bench:{connection:04}:{number:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_has_a_command_for_each_key_and_a_last_one() {
        let workload = Workload::pipeline(16, get, Some(wait(1)));
        let cycles = workload.cycles(3);
        assert_eq!(cycles.len(), KEYS_PER_CONNECTION.div_ceil(16));
        for step in cycles.iter().flatten() {
            let text = String::from_utf8_lossy(&step.bytes);
            assert_eq!(text.matches("bench:0003:").count(), 16);
            assert!(text.ends_with("*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n"));
            assert_eq!(step.replies, 17);
        }
    }

    #[test]
    fn a_numbered_packet_has_another_number_each_time() {
        let mut step = numbered(durable_once("k"));
        let before = step.bytes.clone();
        step.renumber(1_234_567);
        let text = String::from_utf8_lossy(&step.bytes).into_owned();
        assert!(text.contains("-000001234567\r\n"), "{text}");
        step.renumber(0);
        assert_eq!(step.bytes, before);
        let mut plain = packet(&[set("k")]);
        let before = plain.bytes.clone();
        plain.renumber(7);
        assert_eq!(plain.bytes, before);
    }

    #[test]
    fn connections_write_keys_of_their_own() {
        let workload = Workload::for_each_key(|key| vec![packet(&[set(key)])]);
        let bytes = |connection| -> Vec<Vec<u8>> {
            let cycles = workload.cycles(connection);
            cycles
                .into_iter()
                .flatten()
                .map(|step| step.bytes)
                .collect()
        };
        let (one, other) = (bytes(0), bytes(1));
        assert!(one.iter().all(|command| !other.contains(command)));
    }
}
