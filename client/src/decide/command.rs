//! A command: the key that decides where it goes, and whether it may be sent twice. Pure.

mod once;
mod script;

use durable_core::slot;
use redis::{Cmd, ToRedisArgs, ToSingleRedisArg};

/// Commands that change nothing, so they may be sent again when a reply is lost, also to another
/// server.
///
/// Commands that have a meaning on one server only are left out. A fence (DURABLE.WAIT) covers what
/// its own server has executed. A cursor of SCAN, HSCAN, SSCAN and ZSCAN belongs to the server that
/// gave it.
const READS: &str = " GET MGET STRLEN GETRANGE SUBSTR LCS GETBIT BITCOUNT BITPOS BITFIELD_RO EXISTS TYPE TTL PTTL \
    EXPIRETIME PEXPIRETIME DUMP OBJECT MEMORY SORT_RO EVAL_RO EVALSHA_RO FCALL_RO PING ECHO TIME \
    HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HRANDFIELD HTTL HPTTL HEXPIRETIME HPEXPIRETIME \
    LRANGE LLEN LINDEX LPOS SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SINTER SUNION SDIFF SINTERCARD \
    ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZREVRANGE ZREVRANGEBYSCORE ZREVRANGEBYLEX ZSCORE ZMSCORE ZCARD ZCOUNT \
    ZLEXCOUNT ZRANK ZREVRANK ZRANDMEMBER ZINTER ZUNION ZDIFF ZINTERCARD \
    XRANGE XREVRANGE XLEN XREAD XINFO XPENDING GEOPOS GEODIST GEOHASH GEOSEARCH \
    DURABLE.GET DURABLE.REPLICAS ";

/// Commands that change the meaning of later commands on the same connection, or have no reply of
/// their own. The commands of a batch share connections, so these are refused.
const CONNECTION_COMMANDS: &str =
    " MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE \
    PUNSUBSCRIBE SUNSUBSCRIBE MONITOR SELECT AUTH HELLO ASKING READONLY READWRITE QUIT RESET SYNC PSYNC REPLCONF ";

/// One command for one node of the cluster.
///
/// ```
/// use redis_durable_client::Command;
///
/// let set = Command::new("SET").key("user:7").arg("Ada").arg("NX");
/// // Goes to the node of the slot of `user:7`, without naming the key.
/// let fence = Command::new("DURABLE.WAIT").routed_by("user:7");
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    cmd: Cmd,
    name: String,
    /// The key that decides where it goes.
    key: Option<Box<[u8]>>,
    names_key: bool,
    /// The caller has declared it repeatable.
    repeatable: bool,
}

impl Command {
    /// A command without arguments yet. A command without a key goes to any one node.
    pub fn new(name: &str) -> Command {
        let mut cmd = Cmd::new();
        cmd.arg(name);
        Command::of(cmd)
    }

    /// A command of the redis crate, sent to the node of the slot of `key`, which should be its
    /// first key.
    pub fn from_cmd(cmd: Cmd, key: impl AsRef<[u8]>) -> Command {
        let mut command = Command::of(cmd).routed_by(key);
        command.names_key = true;
        command
    }

    /// `GET key`
    pub fn get(key: impl ToSingleRedisArg) -> Command {
        Command::new("GET").key(key)
    }

    /// `SET key value`
    pub fn set(key: impl ToSingleRedisArg, value: impl ToSingleRedisArg) -> Command {
        Command::new("SET").key(key).arg(value)
    }

    /// Adds an argument that is a key. The first key decides where the command goes. The others
    /// have to be of the same slot, or the server answers `CROSSSLOT`.
    pub fn key(mut self, key: impl ToSingleRedisArg) -> Command {
        if let (false, Some(first)) = (self.names_key, key.to_redis_args().first()) {
            self.key = Some(first.as_slice().into());
            self.names_key = true;
        }
        self.cmd.arg(key);
        self
    }

    /// Adds one or more arguments that are not keys.
    pub fn arg(mut self, arguments: impl ToRedisArgs) -> Command {
        self.cmd.arg(arguments);
        self
    }

    /// Goes to the node of the slot of `key`, without adding an argument.
    ///
    /// Servers redirect only commands that name a key. So this one goes to the primary of the slot
    /// as the cache knows it, and to no other node. While the primary cannot be reached, the
    /// command is tried again, for [`crate::ClientBuilder::retry_for`]. If the slot is not known, a
    /// hint is requested first; without an answer the command is refused.
    ///
    /// A fence (`DURABLE.WAIT`) covers the writes of the same session to the same slot since the
    /// last fence, also those before it in the same batch. It is sent on the connection on which
    /// all these writes were sent. If a write before it was turned away, the fence goes again after
    /// that write. If its own reply is lost, it is not sent again: another server, or the same one
    /// after a restart, would answer for its own writes.
    ///
    /// The result is [`crate::Error::OutcomeUnknown`] if the writes went over several connections,
    /// if their connection is gone, if there is none, or if no reply comes. The writes before the
    /// fence may be lost then. This is reported once: the next fence covers what was written after
    /// this one. Writes of other sessions are covered if the same server executed them.
    ///
    /// One case does not show. A primary that was demoted and promoted again between a write and
    /// its fence, while the connection stayed open, answers although it may have lost the write.
    pub fn routed_by(mut self, key: impl AsRef<[u8]>) -> Command {
        self.key = Some(key.as_ref().into());
        self
    }

    /// Declares that executing this command twice is the same as executing it once. So the client
    /// sends it again when its outcome is unknown.
    ///
    /// Well-known reads need no declaration. A plain `SET` does: another client may write the key
    /// between the two executions, and the second one would overwrite that. Declare a `SET` only if
    /// no other client writes the key, or if such a loss does not matter. For a script, the
    /// declaration also says that errors such as `TRYAGAIN` or `CLUSTERDOWN` come from the server
    /// and not from the script. For a fence (`DURABLE.WAIT`), it changes nothing.
    pub fn repeatable(mut self) -> Command {
        self.repeatable = true;
        self
    }

    /// The slot that decides where this command goes, in `0..16384`.
    pub fn slot(&self) -> Option<u16> {
        self.routing_key().map(slot::of_key)
    }

    pub(crate) fn routing_key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn of(cmd: Cmd) -> Command {
        let first = cmd.args_iter().next();
        let name = match first {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).to_ascii_uppercase(),
            _ => String::new(),
        };
        Command {
            repeatable: false,
            cmd,
            name,
            key: None,
            names_key: false,
        }
    }

    pub(crate) fn cmd(&self) -> &Cmd {
        &self.cmd
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        (self.repeatable
            || self.is_once()
            || is_one_of(READS, &self.name) && !self.reads_from_now_on())
            && !self.is_fence()
    }

    /// Whether it covers what one server has executed so far.
    pub(crate) fn is_fence(&self) -> bool {
        self.name == "DURABLE.WAIT"
    }

    /// Whether it may change something, whether or not the caller has declared it repeatable.
    pub(crate) fn may_write(&self) -> bool {
        !is_one_of(READS, &self.name) && !self.is_fence()
    }

    /// Whether it has to go to the primary of its slot, and no server would redirect it there.
    pub(crate) fn is_pinned(&self) -> bool {
        !self.names_key && self.key.is_some()
    }

    /// `XREAD … $` reads what comes after this moment. A repetition would leave out what came in
    /// between.
    fn reads_from_now_on(&self) -> bool {
        let is_now = |argument: redis::Arg<&[u8]>| argument == redis::Arg::Simple(b"$");
        self.name == "XREAD" && self.cmd.args_iter().any(is_now)
    }

    /// Whether the server checks that it owns the slot before it executes this.
    pub(crate) fn names_key(&self) -> bool {
        self.names_key
    }

    /// Whether it is a `DURABLE` command. Most of these wait for replicas after their execution.
    pub(crate) fn is_durable(&self) -> bool {
        self.name.starts_with("DURABLE.")
    }

    /// Why this command cannot be sent on a shared connection; `None` if it can.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        let second = self.cmd.args_iter().nth(1);
        let silent = self.name == "CLIENT"
            && matches!(second, Some(redis::Arg::Simple(word)) if word.eq_ignore_ascii_case(b"REPLY"));
        if self.name.is_empty() {
            Some("the command has no name")
        } else if silent || self.cmd.is_no_response() {
            Some("a command without a reply cannot be told from a lost one")
        } else if self.name == "WAIT" || self.name == "WAITAOF" {
            Some("it counts for the writes of one connection, and connections are made and shared as needed; use DURABLE.WAIT")
        } else if is_one_of(CONNECTION_COMMANDS, &self.name) {
            Some("it would change what other commands on the same connection mean")
        } else {
            self.refusal_inside_once()
        }
    }
}

fn is_one_of(words: &str, name: &str) -> bool {
    words.split_ascii_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_decides_the_slot() {
        assert_eq!(Command::get("foo").slot(), Some(12182));
        assert_eq!(
            Command::new("MGET").key("foo").key("bar").slot(),
            Some(12182)
        );
        assert_eq!(
            Command::new("SET").key("foo").arg("bar").slot(),
            Some(12182)
        );
        assert_eq!(Command::new("PING").slot(), None);
        assert_eq!(
            Command::new("DURABLE.WAIT").routed_by("foo").slot(),
            Some(12182)
        );
        assert_eq!(
            Command::from_cmd(redis::cmd("GET"), "foo").slot(),
            Some(12182)
        );
    }

    #[test]
    fn reads_may_be_repeated_and_writes_only_where_the_caller_declares_it() {
        assert!(Command::get("k").is_repeatable());
        assert!(Command::new("hgetall").is_repeatable());
        assert!(Command::new("Durable.Get").is_repeatable());
        assert!(Command::new("EVAL_RO").is_repeatable());
        for write in [
            "SET",
            "INCR",
            "DEL",
            "GETDEL",
            "GETEX",
            "EVAL",
            "DURABLE.SET",
            "DURABLE.CALL",
            "",
        ] {
            assert!(!Command::new(write).is_repeatable(), "{write}");
        }
        assert!(Command::set("k", "v").repeatable().is_repeatable());
    }

    #[test]
    fn a_command_with_a_meaning_on_one_server_or_at_one_moment_only_is_not_repeated() {
        for name in ["SCAN", "HSCAN", "SSCAN", "ZSCAN", "DURABLE.WAIT"] {
            assert!(!Command::new(name).is_repeatable(), "{name}");
        }
        let fence = Command::new("durable.wait").routed_by("k").repeatable();
        assert!(fence.is_fence() && !fence.is_repeatable());
        let read = |from: &str| Command::new("XREAD").arg("STREAMS").key("k").arg(from);
        assert!(read("0-0").is_repeatable());
        assert!(!read("$").is_repeatable());
    }

    #[test]
    fn a_command_that_would_disturb_a_shared_connection_is_refused() {
        for name in ["MULTI", "exec", "Subscribe", "SELECT", "MONITOR", ""] {
            assert!(Command::new(name).refusal().is_some(), "{name}");
        }
        assert!(Command::of(Cmd::new()).refusal().is_some());
        assert!(Command::new("CLIENT")
            .arg("REPLY")
            .arg("OFF")
            .refusal()
            .is_some());
        let mut silent = redis::cmd("SET");
        silent.set_no_response(true);
        assert!(Command::from_cmd(silent, "k").refusal().is_some());
        for name in ["WAIT", "waitaof"] {
            let why = Command::new(name).routed_by("k").refusal();
            assert!(why.is_some_and(|why| why.contains("DURABLE.WAIT")));
        }
        assert!(Command::new("CLIENT").arg("ID").refusal().is_none());
        assert!(Command::set("MULTI", "EXEC").refusal().is_none());
    }
}
