//! Commands that are executed once, however often they are sent (`DURABLE.ONCE`). Pure.

use durable_core::callable::is_own_command;
use durable_core::once::is_id;
use durable_core::options;
use redis::{Arg, Cmd};
use uuid::Uuid;

use super::{is_one_of, Command, CONNECTION_COMMANDS};

pub(super) const NAME: &str = "DURABLE.ONCE";

impl Command {
    /// Sends this command as `DURABLE.ONCE id command …`. The server executes it the first time,
    /// and keeps a record of its reply. Sent again with the same id it executes nothing, and
    /// repeats the reply. This needs servers with the durable module, which keep a record for
    /// `durable.once-ttl-ms`.
    ///
    /// ```
    /// use redis_durable_client::Command;
    ///
    /// let incr = Command::new("INCR").key("stock").once("order-7");
    /// assert_eq!(incr.id(), Some(b"order-7".as_slice()));
    ///
    /// // With a requirement of its own: DURABLE.ONCE order-8 REPLICAS 2 INCR stock
    /// let options = Command::new("DURABLE.CALL").arg(&["REPLICAS", "2"]);
    /// let incr = options.arg("INCR").key("stock").once("order-8");
    /// ```
    ///
    /// So the client sends it again whenever its outcome is open: after a lost reply, a broken
    /// connection, `UNBLOCKED`, or `CLUSTERDOWN` while it waits for replicas. It need not be
    /// declared [`Command::repeatable`].
    ///
    /// `UNACKED` says that the command was executed and too few replicas have acknowledged within
    /// its `TIMEOUT`. The client sends it again, and it waits again, for up to its `TIMEOUT` each
    /// time. Later commands of the same slot wait meanwhile. If
    /// [`retry_for`](crate::ClientBuilder::retry_for) ends before enough replicas have
    /// acknowledged, the result is the last `UNACKED`. To decide about each `UNACKED` yourself, set
    /// `retry_for` to zero.
    ///
    /// After any error that leaves the outcome open, run the same `Command` again, or build it
    /// again with the id from [`Command::id`]. Do so before the record expires: after that the
    /// command is executed again.
    ///
    /// An id has 1 to 64 bytes, and belongs to one command: with other arguments, the server
    /// refuses it. The command has to have a key. A script is executed once too, and an error of a
    /// script that had begun is repeated like a reply. Refused are fences, commands of
    /// transactions, and other `DURABLE` commands: name the plain command, with the requirement in
    /// front of it.
    pub fn once(mut self, id: impl AsRef<[u8]>) -> Command {
        let mut cmd = Cmd::new();
        cmd.arg(NAME).arg(id.as_ref());
        // Both commands have options and then a command.
        let own_words = usize::from(self.name == "DURABLE.CALL");
        for word in self.cmd.args_iter().skip(own_words) {
            match word {
                Arg::Simple(word) => cmd.arg(word),
                // A cursor, whose value cannot be read. Such a command is refused.
                _ => cmd.cursor_arg(0),
            };
        }
        cmd.set_no_response(self.cmd.is_no_response());
        (self.cmd, self.name) = (cmd, NAME.to_owned());
        self
    }

    /// The same with a new id: a random UUID, which [`Command::id`] gives back. Each call makes
    /// another one, so keep the `Command`, or its id, to send it again.
    ///
    /// # Panics
    /// If the operating system gives no random bytes.
    pub fn once_with_new_id(self) -> Command {
        let mut text = Uuid::encode_buffer();
        let id = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        self.once(id)
    }

    /// The id by which it is executed once. `None` for a command that was not made by
    /// [`Command::once`] or [`Command::once_with_new_id`].
    pub fn id(&self) -> Option<&[u8]> {
        match self.cmd.args_iter().nth(1) {
            Some(Arg::Simple(id)) if self.is_once() => Some(id),
            _ => None,
        }
    }

    /// Whether it executes nothing when it is sent again.
    pub(crate) fn is_once(&self) -> bool {
        self.name == NAME
    }

    /// Why the server would refuse it; `None` if it is not executed once, or may be.
    pub(super) fn refusal_inside_once(&self) -> Option<&'static str> {
        if !self.is_once() {
            return None;
        }
        if !self.id().is_some_and(is_id) {
            return Some("DURABLE.ONCE takes an id of 1 to 64 bytes");
        }
        let inner = self.cmd.args_iter().skip(2);
        if inner.clone().any(|word| !matches!(word, Arg::Simple(_))) {
            return Some("a cursor belongs to the server that gave it, so DURABLE.ONCE cannot repeat the command elsewhere");
        }
        let mut words = inner.filter_map(|word| match word {
            Arg::Simple(word) => Some(word),
            _ => None,
        });
        // Where an option is wrong, the server says what it accepts.
        let (_, taken) = options::leading(words.clone()).ok()?;
        let name = words.nth(taken).unwrap_or_default();
        let upper = String::from_utf8_lossy(name).to_ascii_uppercase();
        if name.is_empty() {
            Some("DURABLE.ONCE has no command to execute")
        } else if upper == "DURABLE.WAIT" {
            Some("a fence cannot run inside DURABLE.ONCE; put its requirement in front of a plain command")
        } else if is_own_command(name) {
            Some("DURABLE.ONCE takes a plain command such as INCR, with requirement options in front of it")
        } else if is_one_of(CONNECTION_COMMANDS, &upper) {
            Some("DURABLE.ONCE takes commands that read or write data, not those of connections and transactions")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::once::MAX_ID;
    use std::collections::HashSet;

    fn words(command: &Command) -> Vec<String> {
        let word = |word: Arg<&[u8]>| match word {
            Arg::Simple(word) => String::from_utf8_lossy(word).into_owned(),
            _ => "(cursor)".to_owned(),
        };
        command.cmd().args_iter().map(word).collect()
    }

    fn incr() -> Command {
        Command::new("INCR").key("foo")
    }

    #[test]
    fn a_command_is_wrapped_and_keeps_its_key() {
        let once = incr().once("order-7");
        assert_eq!(words(&once), ["DURABLE.ONCE", "order-7", "INCR", "foo"]);
        assert_eq!(once.slot(), Some(12182));
        assert!(once.names_key() && !once.is_pinned());
        assert!(once.is_durable() && once.may_write());
        assert_eq!(once.refusal(), None);
        let early = Command::new("INCRBY").once("x").key("foo").arg(2);
        assert_eq!(words(&early), ["DURABLE.ONCE", "x", "INCRBY", "foo", "2"]);
        assert_eq!(early.slot(), Some(12182));
        assert_eq!(early.refusal(), None);
    }

    #[test]
    fn a_requirement_stays_in_front_of_the_command() {
        let wrapped = ["DURABLE.ONCE", "x", "REPLICAS", "2", "INCR", "foo"];
        let call = Command::new("durable.call").arg(&["REPLICAS", "2"]);
        let bare = Command::new("REPLICAS").arg("2");
        for options in [call, bare] {
            let once = options.arg("INCR").key("foo").once("x");
            assert_eq!(words(&once), wrapped);
            assert_eq!(once.slot(), Some(12182));
            assert_eq!(once.refusal(), None);
        }
    }

    #[test]
    fn it_may_be_sent_again_and_only_it_has_an_id() {
        assert!(incr().once("x").is_repeatable());
        assert!(!incr().is_repeatable());
        assert_eq!(incr().once([0xff]).id(), Some([0xff].as_slice()));
        assert_eq!(incr().id(), None);
        assert_eq!(Command::set("k", "v").id(), None);
        let by_hand = Command::new("durable.once").arg("x").arg("INCR").key("foo");
        assert!(by_hand.is_repeatable());
        assert_eq!(by_hand.id(), Some(b"x".as_slice()));
    }

    #[test]
    fn each_new_id_is_another_one() {
        let ids: HashSet<Vec<u8>> = (0..100)
            .filter_map(|_| incr().once_with_new_id().id().map(<[u8]>::to_vec))
            .collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.len() == 36));
    }

    #[test]
    fn what_the_server_would_refuse_is_not_sent() {
        let of = |name: &str| Command::new(name).key("k").once("x");
        for (command, part) in [
            (incr().once(""), "1 to 64 bytes"),
            (incr().once([b'a'; MAX_ID + 1]), "1 to 64 bytes"),
            (Command::new("DURABLE.ONCE"), "1 to 64 bytes"),
            (Command::of(Cmd::new()).once("x"), "no command"),
            (Command::new("").once("x"), "no command"),
            (Command::new("DURABLE.CALL").once("x"), "no command"),
            (of("durable.wait"), "a fence"),
            (of("DURABLE.INCR"), "plain command"),
            (incr().once("x").once("y"), "plain command"),
            (of("MULTI"), "transactions"),
            (of("exec"), "transactions"),
            (of("SUBSCRIBE"), "transactions"),
        ] {
            let why = command.refusal();
            assert!(
                why.is_some_and(|why| why.contains(part)),
                "{command:?}: {why:?}"
            );
        }
        assert_eq!(incr().once([b'a'; MAX_ID]).refusal(), None);
        assert_eq!(of("FCALL").refusal(), None);
        let call = Command::new("DURABLE.CALL").arg("TIMEOUT").arg(5);
        let why = call.arg("MULTI").key("k").once("x").refusal();
        assert!(why.is_some_and(|why| why.contains("transactions")));
    }

    #[test]
    fn a_cursor_and_a_command_without_a_reply_are_refused() {
        let mut scan = redis::cmd("HSCAN");
        scan.arg("k").cursor_arg(7);
        let why = Command::from_cmd(scan, "k").once("x").refusal();
        assert!(why.is_some_and(|why| why.contains("cursor")));
        let mut silent = redis::cmd("INCR");
        silent.arg("k").set_no_response(true);
        let why = Command::from_cmd(silent, "k").once("x").refusal();
        assert!(why.is_some_and(|why| why.contains("without a reply")));
    }
}
