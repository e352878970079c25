//! Helpers for tests of slot hints: the replies as types, clusters, and comparisons with the
//! server.

mod agreement;
mod clusters;
mod compare;
mod read;

use testkit::redis::Value;
use testkit::{encode_command, RawConn};

use read::{array, number, read_node};

pub use agreement::{agreed_until, lists, one_token, owns, running};
pub use clusters::{
    afresh, alone, begin_move, hand_over, let_cron_run, rename, set, topology_reads,
    wait_for_blocked,
};
pub use compare::{a_key_of_each_slot, agreed, map_and_slots, redirections_agree};
pub use read::{by_slot, read};

/// A plain or TLS connection.
pub trait Talk {
    fn put(&mut self, bytes: &[u8]);
    fn take(&mut self) -> Vec<u8>;

    fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> Value {
        self.put(&encode_command(command));
        read(&self.take())
    }

    fn line(&mut self, line: &str) -> Value {
        self.ask(&line.split_whitespace().collect::<Vec<_>>())
    }
}

impl Talk for RawConn {
    fn put(&mut self, bytes: &[u8]) {
        self.send_bytes(bytes);
    }

    fn take(&mut self) -> Vec<u8> {
        self.read_reply_bytes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: Option<String>,
    pub port: u16,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub address: Address,
    pub replicas: Vec<Address>,
}

/// Nodes ordered by id, and ranges: first slot, last slot, index of the owner in `nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    pub nodes: Vec<Node>,
    pub ranges: Vec<(u16, u16, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub token: i64,
    pub slots: Slots,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub token: i64,
    pub nodes: Vec<Node>,
    /// For each key its slot and the index of its owner in `nodes`.
    pub keys: Vec<(u16, i64)>,
}

#[track_caller]
pub fn map(conn: &mut impl Talk) -> Map {
    read_map(&conn.ask(&["SLOTHINT.MAP"]))
}

#[track_caller]
pub fn token(conn: &mut impl Talk) -> i64 {
    map(conn).token
}

#[track_caller]
pub fn hint<A: AsRef<[u8]>>(conn: &mut impl Talk, keys: &[A]) -> Hint {
    let words: Vec<&[u8]> = std::iter::once(&b"SLOTHINT"[..])
        .chain(keys.iter().map(AsRef::as_ref))
        .collect();
    let reply = conn.ask(&words);
    let [token, nodes, hints] = array(&reply) else {
        panic!("SLOTHINT answered {reply:?}");
    };
    let pair = |hint: &Value| match array(hint) {
        [slot, index] => (number(slot) as u16, number(index)),
        other => panic!("a hint is {other:?}"),
    };
    Hint {
        token: number(token),
        nodes: array(nodes).iter().map(read_node).collect(),
        keys: array(hints).iter().map(pair).collect(),
    }
}

#[track_caller]
pub fn read_map(reply: &Value) -> Map {
    let [token, nodes, ranges] = array(reply) else {
        panic!("SLOTHINT.MAP answered {reply:?}");
    };
    let range = |range: &Value| match array(range) {
        [first, last, owner] => (
            number(first) as u16,
            number(last) as u16,
            number(owner) as usize,
        ),
        other => panic!("a range is {other:?}"),
    };
    let token = number(token);
    assert!(token > 0, "the token is {token}");
    Map {
        token,
        slots: Slots {
            nodes: array(nodes).iter().map(read_node).collect(),
            ranges: array(ranges).iter().map(range).collect(),
        },
    }
}
