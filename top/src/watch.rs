//! Looks at the server again and again, over lost connections.

use std::collections::HashSet;
use std::time::Instant;

use redis::{Connection, RedisError, RedisResult, Value};

use crate::connect::Door;
use crate::rates::Rates;
use crate::reply;
use crate::sample::{Role, Sample};

const SECTIONS: [&str; 4] = ["server", "replication", "persistence", "durable"];
const REPLICAS: &str = "durable.replicas";
const FAILOVER: &str = "durable.failover";

/// What one look gave: a sample, and rates if there was an earlier one on the same connection.
pub type Look = (Sample, Option<Rates>);

pub struct Watch {
    door: Door,
    connection: Option<Open>,
}

/// A connection, and what was learned through it.
struct Open {
    connection: Connection,
    earlier: Option<(Sample, Instant)>,
    /// The module's commands that the server has. Unknown until the module was seen.
    commands: Option<HashSet<String>>,
}

impl Watch {
    pub fn new(door: Door) -> Watch {
        Watch {
            door,
            connection: None,
        }
    }

    pub fn address(&self) -> &str {
        self.door.address()
    }

    /// Looks once, and connects first if there is no connection. After an error the next look
    /// connects again.
    pub fn look(&mut self) -> Result<Look, String> {
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => Open::new(&self.door).map_err(|error| words(&error))?,
        };
        let look = open.look().map_err(|error| words(&error))?;
        self.connection = Some(open);
        Ok(look)
    }
}

impl Open {
    fn new(door: &Door) -> RedisResult<Open> {
        Ok(Open {
            connection: door.open()?,
            earlier: None,
            commands: None,
        })
    }

    fn look(&mut self) -> RedisResult<Look> {
        let sections = SECTIONS.map(|section| vec!["INFO", section]);
        let mut info = String::new();
        for reply in self.send(&sections)? {
            info.push_str(&text(&reply?));
        }
        let now = Instant::now();
        let mut sample = Sample::from_info(&info);
        if sample.has_module() && sample.loading.is_none() {
            self.ask_the_module(&mut sample)?;
        } else {
            // It may be loaded later, in another version.
            self.commands = None;
        }
        let rates = self.earlier.as_ref().and_then(|(earlier, then)| {
            Rates::between(earlier, &sample, now.saturating_duration_since(*then))
        });
        self.earlier = Some((sample.clone(), now));
        Ok((sample, rates))
    }

    /// Sends only commands that exist. The server counts unknown ones as errors.
    fn ask_the_module(&mut self, sample: &mut Sample) -> RedisResult<()> {
        if self.commands.is_none() {
            self.commands = Some(self.known_commands()?);
        }
        let has = |name: &str| {
            let commands = self.commands.as_ref();
            commands.is_some_and(|commands| commands.contains(name))
        };
        // A replica answers DURABLE.REPLICAS with an error.
        let asks_links = sample.role == Role::Primary;
        let asks_group = has(FAILOVER);
        let mut questions = Vec::new();
        if asks_links {
            questions.push(vec![REPLICAS]);
        }
        if asks_group {
            questions.push(vec![FAILOVER, "STATUS"]);
        }
        let mut replies = self.send(&questions)?.into_iter();
        if asks_links {
            if let Some(links) = replies.next() {
                sample.add_links(links.map_err(|error| words(&error)));
            }
        }
        if asks_group {
            if let Some(Ok(status)) = replies.next() {
                sample.failover = Some(reply::json(&status));
            }
        }
        Ok(())
    }

    /// The module's commands among those asked for. Empty if the user may not ask.
    fn known_commands(&mut self) -> RedisResult<HashSet<String>> {
        let replies = self.send(&[vec!["COMMAND", "INFO", REPLICAS, FAILOVER]])?;
        let Some(Ok(Value::Array(entries))) = replies.into_iter().next() else {
            return Ok(HashSet::new());
        };
        let name = |entry: &Value| match entry {
            Value::Array(fields) => fields.first().map(reply::text),
            _ => None,
        };
        Ok(entries.iter().filter_map(name).collect())
    }

    /// Sends all commands, then reads all replies. An error of a command is its reply. An error of
    /// the connection ends it.
    fn send(&mut self, commands: &[Vec<&str>]) -> RedisResult<Vec<RedisResult<Value>>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for command in commands {
            if let Some((name, arguments)) = command.split_first() {
                pipeline.cmd(name).arg(arguments);
            }
        }
        // Not `req_packed_commands`: from a server that does not answer it waits for each reply.
        self.connection
            .send_packed_command(&pipeline.get_packed_pipeline())?;
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() {
            match self.connection.recv_response()? {
                Value::Push { .. } => {}
                reply => replies.push(reply.extract_error()),
            }
        }
        Ok(replies)
    }
}

/// INFO is one long text with line ends, which `reply::text` would replace.
fn text(reply: &Value) -> String {
    match reply {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}

/// The error in a line of text, without characters that would steer the terminal.
fn words(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ if error.is_timeout() => "the server does not answer".into(),
        _ => error.to_string(),
    };
    reply::without_controls(&text)
}
