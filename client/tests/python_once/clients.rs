//! The clients in Python, `increments.py`: a process, and what it prints.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use testkit::eventually;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/python_once/increments.py"
);
const CLIENTS: &str = "20";

pub struct Clients {
    process: Child,
    printed: Arc<Mutex<Printed>>,
    reader: Option<JoinHandle<()>>,
}

/// What the clients have printed so far.
#[derive(Clone, Default)]
struct Printed {
    timeouts: u64,
    replies: u64,
    result: Option<Reports>,
    /// Their output has ended.
    ended: bool,
}

/// What the clients know at the end.
#[derive(Clone, Copy, Debug)]
pub struct Reports {
    /// Increments that got a reply.
    pub reported: u64,
    /// Increments that were sent and never got one.
    pub unreported: u64,
    /// How many of the replies differ. Each is the counter after an increment.
    pub distinct: u64,
}

impl Clients {
    /// Starts clients that send `command` (see `increments.py`) to the primary among the servers
    /// with these ports.
    pub fn start(python: &Path, ports: [u16; 2], command: &[&str]) -> Clients {
        let mut process = Command::new(python)
            .args([SCRIPT, CLIENTS])
            .args(ports.map(|port| port.to_string()))
            .args(command)
            // When this end is closed, which the kernel does at the latest, the clients stop.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let output = process.stdout.take().expect("a pipe");
        let printed = Arc::<Mutex<Printed>>::default();
        let reader = {
            let printed = Arc::clone(&printed);
            thread::spawn(move || read(output, &printed))
        };
        Clients {
            process,
            printed,
            reader: Some(reader),
        }
    }

    /// The replies that the clients have reported so far.
    pub fn replies(&self) -> u64 {
        self.printed().replies
    }

    /// Waits until the clients have reported `target` replies. Each single reply is a progress,
    /// so the wait may take as long as a busy machine needs.
    #[track_caller]
    pub fn wait_for_replies(&self, target: u64) {
        loop {
            let seen = self.replies();
            if seen >= target {
                return;
            }
            self.wait_until("another reply to the clients", |now| now.replies > seen);
        }
    }

    /// Waits until a fault has had its effect: there have been `timeouts` more timeouts, or
    /// `replies` more replies if the fault does not delay replies.
    #[track_caller]
    pub fn wait_for_effect(&self, timeouts: u64, replies: u64) {
        let before = self.printed().clone();
        self.wait_until("clients to time out, or to get on", |now| {
            now.timeouts >= before.timeouts + timeouts || now.replies >= before.replies + replies
        });
    }

    /// Tells the clients to stop, and waits until they have.
    #[track_caller]
    pub fn stop(mut self) -> Reports {
        drop(self.process.stdin.take());
        self.wait_until("the clients to stop", |now| now.result.is_some());
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the output is read");
        }
        let status = self.process.wait().expect("the clients have ended");
        assert!(status.success(), "the clients ended with {status}");
        let result = self.printed().result;
        result.expect("the clients have a result")
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: impl Fn(&Printed) -> bool) {
        eventually(what, || {
            let printed = self.printed();
            let holds = condition(&printed);
            assert!(
                holds || !printed.ended,
                "the clients ended; their error is above"
            );
            holds
        });
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        lock(&self.printed)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(output: ChildStdout, printed: &Mutex<Printed>) {
    for line in BufReader::new(output).lines() {
        let line = line.expect("the clients print text");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse().expect("a number");
        let mut printed = lock(printed);
        match words[0] {
            "timeout" => printed.timeouts += 1,
            "replies" => printed.replies += number(1),
            "result" => {
                printed.result = Some(Reports {
                    reported: number(1),
                    unreported: number(2),
                    distinct: number(3),
                });
            }
            _ => panic!("the clients print {line:?}"),
        }
    }
    lock(printed).ended = true;
}

fn lock(printed: &Mutex<Printed>) -> MutexGuard<'_, Printed> {
    printed
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
