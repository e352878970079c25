//! The commands of the test: how a counter is made, incremented, read and removed.

use redis::{cmd, Cmd};
use uuid::Uuid;

use crate::options::{Form, Options};

/// A counter that a killed test leaves behind goes away by itself.
const LIFETIME_SECONDS: u32 = 86_400;
/// In a cluster. Enough that every shard of a usual cluster owns some: the chance that one of three
/// shards owns none of 16 keys is 1 in 200.
const COUNTERS_IN_A_CLUSTER: usize = 16;

pub struct Increments {
    form: Form,
    replicas: Option<String>,
    keys: Vec<String>,
    lifetime: u32,
}

impl Increments {
    /// Counters with names that nobody else uses.
    pub fn new(options: &Options) -> Increments {
        let run = Uuid::new_v4().simple().to_string();
        let base = format!("durable-counter-test:{run}");
        let keys = if options.cluster {
            let numbered = |number| format!("{base}:{number}");
            (0..COUNTERS_IN_A_CLUSTER).map(numbered).collect()
        } else {
            vec![base]
        };
        Increments {
            form: options.command,
            replicas: options.replicas.clone(),
            keys,
            lifetime: LIFETIME_SECONDS.saturating_add(options.seconds),
        }
    }

    pub fn form(&self) -> Form {
        self.form
    }

    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The first write: the counter at 0.
    pub fn create(&self, counter: usize) -> Cmd {
        let mut command = self.named("DURABLE.SET", "SET");
        command.arg(self.key(counter)).arg(0);
        command.arg("EX").arg(self.lifetime);
        self.with_requirement(command)
    }

    /// One increment. The id makes it safe to send again, in the form that has one.
    pub fn increment(&self, counter: usize, id: &Uuid) -> Cmd {
        match self.form {
            Form::Once => {
                let mut command = cmd("DURABLE.ONCE");
                command.arg(id.to_string());
                let mut command = self.with_requirement(command);
                command.arg("INCR").arg(self.key(counter));
                command
            }
            Form::Durable | Form::Plain => {
                let mut command = self.named("DURABLE.INCR", "INCR");
                command.arg(self.key(counter));
                self.with_requirement(command)
            }
        }
    }

    /// Reads the counter with a write. A former primary that is cut off and has not noticed still
    /// answers reads, but no replica acknowledges its writes.
    pub fn read(&self, counter: usize, id: &Uuid) -> Cmd {
        let mut command = match self.form {
            Form::Once | Form::Durable => {
                let mut command = cmd("DURABLE.ONCE");
                command.arg(id.to_string());
                let mut command = self.with_requirement(command);
                command.arg("INCRBY");
                command
            }
            Form::Plain => cmd("INCRBY"),
        };
        command.arg(self.key(counter)).arg(0);
        command
    }

    pub fn remove(&self, counter: usize) -> Cmd {
        let mut command = cmd("DEL");
        command.arg(self.key(counter));
        command
    }

    /// For a counter that is kept: one that was lost and counted anew has no expiry.
    pub fn expire(&self, counter: usize) -> Cmd {
        let mut command = cmd("EXPIRE");
        command.arg(self.key(counter)).arg(LIFETIME_SECONDS);
        command
    }

    fn key(&self, counter: usize) -> &str {
        self.keys.get(counter).map_or("", String::as_str)
    }

    fn named(&self, durable: &str, plain: &str) -> Cmd {
        cmd(match self.form {
            Form::Plain => plain,
            Form::Once | Form::Durable => durable,
        })
    }

    fn with_requirement(&self, mut command: Cmd) -> Cmd {
        if let (Some(replicas), false) = (&self.replicas, self.form == Form::Plain) {
            command.arg("REPLICAS").arg(replicas);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn increments(words: &[&str]) -> Increments {
        let first = ["durable-counter-test", "redis:6379"];
        let words = first.iter().chain(words);
        Increments::new(&Options::try_parse_from(words).unwrap())
    }

    fn shown(command: Cmd, key: &str) -> String {
        let packed = String::from_utf8(command.get_packed_command()).unwrap();
        let words = packed.split("\r\n").filter(|word| !word.is_empty());
        let words: Vec<&str> = words.filter(|word| !word.starts_with(['*', '$'])).collect();
        words.join(" ").replace(key, "KEY")
    }

    #[test]
    fn the_requirement_stands_where_each_command_takes_it() {
        let once = increments(&["--replicas", "all"]);
        let id = Uuid::nil();
        assert_eq!(
            shown(once.increment(0, &id), &once.keys()[0]),
            format!("DURABLE.ONCE {id} REPLICAS all INCR KEY")
        );
        assert_eq!(
            shown(once.read(0, &id), &once.keys()[0]),
            format!("DURABLE.ONCE {id} REPLICAS all INCRBY KEY 0")
        );
        let durable = increments(&["--replicas", "2", "--command", "durable"]);
        assert_eq!(
            shown(durable.increment(0, &id), &durable.keys()[0]),
            "DURABLE.INCR KEY REPLICAS 2"
        );
    }

    #[test]
    fn plain_commands_take_no_requirement() {
        let plain = increments(&["--replicas", "all", "--command", "plain"]);
        assert_eq!(
            shown(plain.increment(0, &Uuid::nil()), &plain.keys()[0]),
            "INCR KEY"
        );
        assert_eq!(
            shown(plain.read(0, &Uuid::nil()), &plain.keys()[0]),
            "INCRBY KEY 0"
        );
        assert_eq!(
            shown(plain.create(0), &plain.keys()[0]),
            "SET KEY 0 EX 86460"
        );
    }

    #[test]
    fn keys_are_of_one_run_only() {
        assert_ne!(increments(&[]).keys(), increments(&[]).keys());
        assert_eq!(
            increments(&["--cluster"]).keys().len(),
            COUNTERS_IN_A_CLUSTER
        );
    }
}
