//! One connection to one server, used like redis-cli.

use anyhow::{bail, ensure, Context, Result};
use testkit::redis::{self, FromRedisValue};
use testkit::{RawConn, Server};

use crate::reply;
use crate::screen::Screen;

pub struct Session<'s> {
    screen: &'s Screen,
    prompt: String,
    connection: RawConn,
}

impl<'s> Session<'s> {
    pub fn open(screen: &'s Screen, server: &Server) -> Session<'s> {
        Session {
            screen,
            prompt: server.addr(),
            connection: server.raw(),
        }
    }

    /// Sends a command and prints it with its reply. Fails unless the reply equals `expected`, the
    /// text that redis-cli prints.
    pub fn run(&mut self, command: &str, expected: &str) -> Result<()> {
        let (shown, _) = self.shown(command)?;
        ensure!(
            shown == expected,
            "{}> {command} was answered\n{shown}\nExpected was:\n{expected}",
            self.prompt
        );
        Ok(())
    }

    /// Sends a command, prints it and its reply, and returns the reply as a value.
    pub fn ask<T: FromRedisValue>(&mut self, command: &str) -> Result<T> {
        let (shown, bytes) = self.shown(command)?;
        ensure!(
            !bytes.starts_with(b"-"),
            "{}> {command} was answered\n{shown}",
            self.prompt
        );
        let read =
            redis::parse_redis_value(&bytes).and_then(|value| Ok(redis::from_redis_value(value)?));
        read.with_context(|| {
            format!(
                "{}> {command} was answered\n{shown}\nwhich does not have the expected shape",
                self.prompt
            )
        })
    }

    /// Waits until this many replicas receive the stream of writes. After a full sync, a primary
    /// sends a replica nothing until the replica's first report, up to a second later. The first
    /// durable write would wait for this report, like the server's own WAIT. In the demo that would
    /// only distract.
    pub fn wait_for_stream(&mut self, replicas: usize) -> Result<()> {
        self.run_hidden(&format!(
            "DURABLE.SET started x REPLICAS {replicas} TIMEOUT 10000"
        ))
    }

    /// Sends a command without showing it. Fails unless the reply is OK.
    pub fn run_hidden(&mut self, command: &str) -> Result<()> {
        let bytes = self.send(command);
        if bytes != b"+OK\r\n" {
            let shown = reply::shown(&bytes)?;
            bail!(
                "{}> {command} was answered\n{shown}\nand not OK",
                self.prompt
            );
        }
        Ok(())
    }

    fn shown(&mut self, command: &str) -> Result<(String, Vec<u8>)> {
        self.screen.command(&self.prompt, command)?;
        let bytes = self.send(command);
        let shown = reply::shown(&bytes)
            .with_context(|| format!("reading the reply to {command} of {}", self.prompt))?;
        self.screen.reply(&shown)?;
        Ok((shown, bytes))
    }

    /// Splits the command at spaces: no argument of the demo contains one.
    fn send(&mut self, command: &str) -> Vec<u8> {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        self.connection.call(&arguments)
    }
}
