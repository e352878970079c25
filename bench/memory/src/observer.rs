//! One connection that reads the server's figures. It stays open, so it does not change them.

use std::thread;
use std::time::{Duration, Instant};

use testkit::{eventually, RawConn, Server};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The server's memory at one moment, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// `used_memory`: what the server and its modules have allocated.
    pub used: i64,
    /// `used_memory_rss`: the pages that the process has.
    pub resident: i64,
}

pub struct Observer(RawConn);

impl Observer {
    pub fn of(server: &Server) -> Observer {
        Observer(server.raw())
    }

    /// A field of INFO.
    pub fn number(&mut self, section: &str, field: &str) -> i64 {
        let text = self.0.call_text(&["INFO", section]);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("INFO {section} has no number in {field}"))
    }

    /// Waits until a field of INFO has this value.
    pub fn wait_for(&mut self, section: &str, field: &str, value: usize) {
        eventually(&format!("{field} = {value}"), || {
            self.number(section, field) == value as i64
        });
    }

    pub fn waiters(&mut self, count: usize) {
        self.wait_for("durable", "durable_waiters", count);
    }

    /// Runs one command.
    pub fn run(&mut self, command: &[&str]) -> String {
        self.0.call_text(command)
    }

    /// Sends all commands at once, and then reads all replies.
    pub fn run_all(&mut self, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.0.send_bytes(&commands.concat());
        commands.iter().map(|_| self.0.read_reply_bytes()).collect()
    }

    /// The memory now. The server looks up its resident pages ten times a second.
    pub fn memory(&mut self) -> Memory {
        thread::sleep(PAUSE);
        Memory {
            used: self.number("memory", "used_memory"),
            resident: self.number("memory", "used_memory_rss"),
        }
    }

    /// The memory once it has not become less for `quiet`: the server's cron returns buffers of
    /// idle clients, and temporary clients, bit by bit.
    pub fn settled(&mut self, quiet: Duration) -> Memory {
        let mut least = self.number("memory", "used_memory");
        let mut since = Instant::now();
        while since.elapsed() < quiet {
            thread::sleep(PAUSE);
            let now = self.number("memory", "used_memory");
            if now < least {
                (least, since) = (now, Instant::now());
            }
        }
        // The allocator gives unused pages back.
        self.run(&["MEMORY", "PURGE"]);
        self.memory()
    }
}
