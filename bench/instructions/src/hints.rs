//! Slot hints: what a node of a cluster executes for each key, and the least that the same words
//! cost without the module.

use anyhow::{ensure, Result};
use tempfile::TempDir;
use testkit::{encode_command, module_path, Cluster, RawConn};

use crate::callgrind;

/// So many keys are asked for in turn. All have been asked for once before anything is counted.
const POOL: usize = 10_000;

/// How often all keys are asked for before anything is counted. The module keeps parts of replies,
/// a few more with each command.
const WARM_UPS: usize = 4;

/// One command about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Hint,
    Words,
    KeySlot,
}

impl Row {
    pub const ALL: [Row; 3] = [Row::Hint, Row::Words, Row::KeySlot];

    pub fn name(self) -> &'static str {
        match self {
            Row::Hint => "SLOTHINT key …",
            Row::Words => "PING key … (an error: the words are only read)",
            Row::KeySlot => "CLUSTER KEYSLOT key, one packet",
        }
    }

    /// One packet, and the number of its replies.
    fn packet(self, keys: &[Vec<u8>]) -> (Vec<u8>, usize) {
        let with_all = |name: &[u8]| {
            let words = std::iter::once(name).chain(keys.iter().map(Vec::as_slice));
            encode_command(&words.collect::<Vec<_>>())
        };
        match self {
            Row::Hint => (with_all(b"SLOTHINT"), 1),
            Row::Words => (with_all(b"PING"), 1),
            Row::KeySlot => {
                let each = keys
                    .iter()
                    .map(|key| encode_command(&[b"CLUSTER", b"KEYSLOT", key.as_slice()]));
                (each.collect::<Vec<_>>().concat(), keys.len())
            }
        }
    }

    fn answers_with_error(self) -> bool {
        self == Row::Words
    }
}

/// The keys of one column.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// How many keys are in a packet.
    pub keys: usize,
    /// How long each is, in bytes.
    pub length: usize,
}

impl Batch {
    pub const ALL: [Batch; 4] = [
        Batch::new(100, 16),
        Batch::new(100, 36),
        Batch::new(1_000, 16),
        Batch::new(1_000, 36),
    ];

    const fn new(keys: usize, length: usize) -> Batch {
        Batch { keys, length }
    }

    pub fn name(self) -> String {
        format!("{} × {} bytes", self.keys, self.length)
    }
}

/// A cluster of three primaries. The first has the module and runs in callgrind.
pub struct HintCluster {
    cluster: Cluster,
    directory: TempDir,
}

impl HintCluster {
    pub fn start() -> Result<HintCluster> {
        callgrind::check()?;
        let directory = tempfile::tempdir()?;
        let wrapper = callgrind::wrapper(directory.path())?;
        let cluster = Cluster::builder(3, 0)
            .node(move |number, builder| {
                if number > 0 {
                    return builder.module(false);
                }
                let words: Vec<&str> = wrapper.iter().map(String::as_str).collect();
                builder
                    .inside(&words)
                    // Callgrind makes the server slow. A look at the topology every 100 ms would
                    // fall on far fewer keys than it does otherwise.
                    .module_args(&["slothint-max-age-ms", "60000"])
                    .config("hz", "1")
                    .config("dynamic-hz", "no")
            })
            .start();
        Ok(HintCluster { cluster, directory })
    }

    pub fn version(&self) -> String {
        self.cluster.nodes[0].version().to_string()
    }

    /// The instructions for each of `keys` keys.
    pub fn count(&self, row: Row, batch: Batch, keys: usize) -> Result<String> {
        let node = &self.cluster.nodes[0];
        let mut client = node.raw();
        let pool: Vec<Vec<u8>> = (0..POOL).map(|number| key(number, batch.length)).collect();
        let packets: Vec<_> = pool
            .chunks_exact(batch.keys)
            .map(|keys| row.packet(keys))
            .collect();
        let mut run = |turns: usize| -> Result<()> {
            for (packet, replies) in packets.iter().cycle().take(turns) {
                // The server reads the packet as a whole, in however many parts it was sent.
                node.pause();
                client.send_bytes(packet);
                node.resume();
                read(&mut client, *replies, row.answers_with_error())?;
            }
            Ok(())
        };
        run(WARM_UPS * packets.len())?;
        let turns = keys.div_ceil(batch.keys);
        let (pid, directory) = (node.pid(), self.directory.path());
        let counted = callgrind::count(pid, directory, module_path(), None, || run(turns))?;
        Ok(counted.for_each(turns * batch.keys))
    }
}

/// Keys of any length from 8 on, without a hash tag.
fn key(number: usize, length: usize) -> Vec<u8> {
    let mut key = format!("{number:08}").into_bytes();
    key.resize(length, b'k');
    // So that keys of one length differ at both ends, as those of applications do.
    key.rotate_left(4);
    key
}

fn read(client: &mut RawConn, replies: usize, errors: bool) -> Result<()> {
    for _ in 0..replies {
        let reply = client.read_reply_bytes();
        ensure!(
            reply.starts_with(b"-") == errors,
            "the server answers {}",
            reply.escape_ascii()
        );
    }
    Ok(())
}
