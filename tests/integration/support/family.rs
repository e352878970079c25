//! One valid example of each command of the family.

use testkit::redis::Value;
use testkit::{RawConn, Server};

use crate::support::say;

/// An example of one command of the family.
pub struct Sample {
    pub name: &'static str,
    /// Whether it takes the requirement options after its own arguments.
    pub takes_options: bool,
    /// Commands that make the data for `args`, separated by semicolons.
    pub before: &'static str,
    /// Its arguments.
    pub args: &'static str,
}

impl Sample {
    pub fn plain(&self) -> String {
        format!("{} {}", self.name, self.args)
    }

    pub fn durable(&self) -> String {
        format!("DURABLE.{} {}", self.name, self.args)
    }

    /// Replaces all data by the data for `args`.
    #[track_caller]
    pub fn prepare(&self, conn: &mut RawConn) {
        say(conn, "FLUSHALL");
        for line in self.before.split(';').filter(|line| !line.is_empty()) {
            let reply = say(conn, line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }
}

const fn options(name: &'static str, before: &'static str, args: &'static str) -> Sample {
    Sample {
        name,
        takes_options: true,
        before,
        args,
    }
}

const fn variadic(name: &'static str, before: &'static str, args: &'static str) -> Sample {
    Sample {
        name,
        takes_options: false,
        before,
        args,
    }
}

/// The whole family.
static FAMILY: [Sample; 33] = [
    options("SET", "", "k v EX 5000"),
    options("GET", "SET k v", "k"),
    options("GETDEL", "SET k v", "k"),
    variadic("MSET", "", "k v k2 w"),
    options("APPEND", "SET k v", "k tail"),
    options("INCR", "SET k 5", "k"),
    options("DECR", "SET k 5", "k"),
    options("INCRBY", "SET k 5", "k 37"),
    options("DECRBY", "SET k 5", "k 37"),
    options("INCRBYFLOAT", "SET k 5", "k 0.5"),
    variadic("DEL", "SET k v;SET k2 w", "k k2 k3"),
    variadic("UNLINK", "SET k v;SET k2 w", "k k2 k3"),
    variadic("EXPIRE", "SET k v", "k 5000 NX"),
    variadic("PEXPIRE", "SET k v", "k 5000000 NX"),
    options("PERSIST", "SET k v EX 5000", "k"),
    options("RENAME", "SET k v", "k k2"),
    variadic("HSET", "HSET k f v", "k f w g x"),
    options("HSETNX", "HSET k f v", "k g w"),
    variadic("HDEL", "HSET k f v g w", "k f h"),
    options("HINCRBY", "HSET k f 5", "k f 37"),
    variadic("LPUSH", "RPUSH k a", "k b c"),
    variadic("RPUSH", "RPUSH k a", "k b c"),
    variadic("LPOP", "RPUSH k a b c", "k 2"),
    variadic("RPOP", "RPUSH k a b c", "k 2"),
    options("LMOVE", "RPUSH k a b c", "k k2 LEFT RIGHT"),
    variadic("SADD", "SADD k a", "k b c"),
    variadic("SREM", "SADD k a b", "k a x"),
    variadic("ZADD", "ZADD k 1 a", "k GT CH 2 a 3 b"),
    variadic("ZREM", "ZADD k 1 a 2 b", "k a x"),
    options("ZINCRBY", "ZADD k 1 a", "k 1.5 a"),
    variadic("XADD", "XADD k 1-1 f v", "k MAXLEN 5 2-1 f w"),
    variadic("XDEL", "XADD k 1-1 f v;XADD k 2-1 f v", "k 1-1 9-9"),
    variadic(
        "XACK",
        "XADD k 1-1 f v;XGROUP CREATE k g 0;XREADGROUP GROUP g c STREAMS k >",
        "k g 1-1 9-9",
    ),
];

/// The family on this server: the samples whose plain command it has. Durable names are not asked
/// for, so that tests fail if the module forgets to register one.
#[track_caller]
pub fn family(server: &Server) -> Vec<&'static Sample> {
    let mut question = vec!["COMMAND", "INFO"];
    question.extend(FAMILY.iter().map(|sample| sample.name));
    // One entry for each name, nil for an unknown one.
    let entries: Vec<Value> = server.run(&question);
    let known = FAMILY
        .iter()
        .zip(&entries)
        .filter(|(_, entry)| **entry != Value::Nil);
    let family: Vec<&Sample> = known.map(|(sample, _)| sample).collect();
    assert!(
        !family.is_empty(),
        "the server has no command of the family"
    );
    family
}
