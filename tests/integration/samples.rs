//! One valid example of each command of the family, a seeded random generator, and COMMAND INFO.

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
pub const FAMILY: [Sample; 33] = [
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

/// The example of a command, `None` for one outside the family.
pub fn sample(name: &str) -> Option<&'static Sample> {
    FAMILY.iter().find(|sample| sample.name == name)
}

/// A random generator (xorshift). The same seed gives the same numbers in every run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// The description of a command by `COMMAND INFO`.
pub struct CommandInfo {
    pub arity: i64,
    pub flags: Vec<String>,
    /// First key, last key, step.
    pub keys: (i64, i64, i64),
    /// Without the `@`.
    pub categories: Vec<String>,
    /// `name|subcommand`
    pub subcommands: Vec<String>,
}

/// `None` for an unknown command.
#[track_caller]
pub fn command_info(server: &Server, name: &str) -> Option<CommandInfo> {
    let entries: Vec<Value> = server.run(&["COMMAND", "INFO", name]);
    read_info(&entries[0])
}

/// Every command of the server, with all subcommands.
#[track_caller]
pub fn all_commands(server: &Server) -> Vec<(String, CommandInfo)> {
    let mut names: Vec<String> = server.run(&["COMMAND", "LIST"]);
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let info =
            command_info(server, &name).expect("COMMAND INFO does not know a listed command");
        for sub in &info.subcommands {
            let of_sub =
                command_info(server, sub).expect("COMMAND INFO does not know a listed subcommand");
            all.push((sub.clone(), of_sub));
        }
        all.push((name, info));
    }
    all
}

fn read_info(entry: &Value) -> Option<CommandInfo> {
    let Value::Array(fields) = entry else {
        return None;
    };
    let number = |index: usize| match fields.get(index) {
        Some(Value::Int(number)) => *number,
        other => panic!("COMMAND INFO has {other:?} at {index}"),
    };
    let subcommands = match fields.get(9) {
        Some(Value::Array(subs)) => subs.iter().filter_map(name_of).collect(),
        _ => Vec::new(),
    };
    Some(CommandInfo {
        arity: number(1),
        flags: words(&fields[2]),
        keys: (number(3), number(4), number(5)),
        categories: words(&fields[6])
            .into_iter()
            .map(|name| name.trim_start_matches('@').to_owned())
            .collect(),
        subcommands,
    })
}

fn name_of(entry: &Value) -> Option<String> {
    match entry {
        Value::Array(fields) => testkit::redis::from_redis_value_ref(fields.first()?).ok(),
        _ => None,
    }
}

fn words(list: &Value) -> Vec<String> {
    testkit::redis::from_redis_value_ref(list).expect("not a list of words")
}
