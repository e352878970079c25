//! The program as a user runs it: its output, its exit code, Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{kill_process, Pid, Signal};
use testkit::{eventually, Server};

/// Longer than any test runs. Tests end the counting with Ctrl-C.
const SECONDS: &str = "3600";

pub struct Program {
    process: Child,
    output: BufReader<ChildStdout>,
    /// The keys that the program counts on.
    pub keys: Vec<String>,
}

pub struct Ended {
    pub code: i32,
    pub output: String,
}

impl Program {
    /// Starts the program, and waits until it counts.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Program {
        let mut command = command(arguments);
        command.args(["--seconds", SECONDS, "--settle", "120"]);
        command.args(["--clients", "4", "--rate", "2000", "--patience", "60"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = process.stdout.take().unwrap();
        let mut program = Program {
            process,
            output: BufReader::new(output),
            keys: Vec::new(),
        };
        loop {
            let mut line = String::new();
            let length = program.output.read_line(&mut line).unwrap();
            assert!(length > 0, "the program ended instead of counting");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["key", key] => program.keys.push(key.into()),
                ["keys", first, "to", last] => program.keys = numbered(first, last),
                ["kill", ..] => return program,
                _ => {}
            }
        }
    }

    /// Waits until the counter has reached `target` on this server.
    #[track_caller]
    pub fn wait_for_count(&self, server: &Server, target: i64) {
        eventually(&format!("the counter to reach {target}"), || {
            count(server, &self.keys[0]) >= target
        });
    }

    /// Waits until the counter has grown on this server.
    #[track_caller]
    pub fn wait_for_growth(&self, server: &Server) {
        self.wait_for_count(server, count(server, &self.keys[0]) + 20);
    }

    /// Ends the counting like Ctrl-C, and waits for the verdict.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        kill_process(Pid::from_child(&self.process), Signal::INT).unwrap();
        let mut output = String::new();
        self.output.read_to_string(&mut output).unwrap();
        let code = self.process.wait().unwrap().code();
        Ended {
            code: code.expect("the program ends by itself"),
            output,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the program where it cannot begin. Returns what it says.
#[track_caller]
pub fn refusal(arguments: &[&str], password: Option<&str>) -> String {
    let mut command = command(arguments);
    if let Some(password) = password {
        command.env("PASSWORD", password);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

pub fn count(server: &Server, key: &str) -> i64 {
    let value: testkit::redis::RedisResult<Option<i64>> = server.try_run(&["GET", key]);
    value.ok().flatten().unwrap_or(0)
}

/// The kernel ends the program when this thread ends, however that happens.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command.arg(env!("CARGO_BIN_EXE_durable-counter-test"));
    command.args(arguments).stdin(Stdio::null());
    command
        .env_remove("PASSWORD")
        .env_remove("SENTINEL_PASSWORD");
    command
}

fn numbered(first: &str, last: &str) -> Vec<String> {
    let (base, _) = first.rsplit_once(':').unwrap();
    let (_, last) = last.rsplit_once(':').unwrap();
    let last: usize = last.parse().unwrap();
    (0..=last)
        .map(|number| format!("{base}:{number}"))
        .collect()
}
