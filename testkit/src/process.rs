//! Child processes that do not outlive the test run.
//!
//! Dropping a handle kills its process. If the test run itself is killed, the kernel sends the
//! parent-death signal to its children. The kernel sends this signal when the *thread* that started
//! the child ends, and the thread of a test ends with its test. So all children are started by one
//! thread that lives as long as the process, and tests may share a server.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::process::{kill_process, Pid, Signal};

use crate::eventually::eventually_some;

pub(crate) struct Process {
    /// Keeps the exit status after the process was reaped. The process id may then belong to
    /// another process, so it gets no signal.
    child: Mutex<Child>,
    pid: u32,
}

impl Process {
    /// Starts a command that [`ended_with_the_parent`] made.
    pub(crate) fn start(command: Command) -> io::Result<Process> {
        let child = start_on_lasting_thread(command)?;
        Ok(Process {
            pid: child.id(),
            child: Mutex::new(child),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process exists, running or paused.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit_status().is_none()
    }

    /// The exit status, if the process has ended.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        match self.lock().try_wait() {
            Ok(status) => status,
            Err(error) => panic!("cannot get the state of process {}: {error}", self.pid),
        }
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = self.lock();
        // `try_wait` reaps a child that has ended. A child that was not reaped still owns its id.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&child), signal);
        }
    }

    /// Whether SIGSTOP has stopped every thread of the process.
    pub(crate) fn is_stopped(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return false;
        };
        threads.flatten().all(|thread| {
            let status = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the program's name in parentheses: `12 (redis-server) T`.
            status
                .rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Kills the process, running or paused, and reaps it.
    pub(crate) fn kill(&self) {
        let mut child = self.lock();
        // An error means that it has already ended.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&self) -> ExitStatus {
        eventually_some(&format!("process {} to end", self.pid), || {
            self.exit_status()
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        // After a panic in another thread Drop must still kill the child.
        self.child
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command that runs `program` with SIGKILL as its parent-death signal. `setpriv` (util-linux)
/// sets the signal and then executes the program in the same process, so the process id is the
/// program's. To set it from Rust would take unsafe code between fork and exec.
pub(crate) fn ended_with_the_parent(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

type Order = (Command, Sender<io::Result<Child>>);

fn start_on_lasting_thread(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, incoming) = channel::<Order>();
        thread::Builder::new()
            .name("testkit-starter".into())
            .spawn(move || {
                for (mut command, answer) in incoming {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("cannot start the thread that starts servers");
        Mutex::new(orders)
    });
    block_sigchld();
    let (answer, started) = channel();
    starter
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .send((command, answer))
        .expect("the thread that starts servers has ended");
    started
        .recv()
        .expect("the thread that starts servers did not answer")
}

/// Keeps SIGCHLD away from this thread and from the threads that it starts.
///
/// The kernel discards an ignored SIGCHLD, except while the thread that started the child has the
/// signal blocked. During a fork the starting thread has all signals blocked. If another child ends
/// at this moment, the kernel gives SIGCHLD to any thread that has not blocked it. There the signal
/// interrupts a read with a timeout (EINTR).
///
/// Called after the starting thread exists: children inherit that thread's mask, and must not have
/// SIGCHLD blocked.
fn block_sigchld() {
    let mut signals = SigSet::empty();
    signals.add(NixSignal::SIGCHLD);
    signals
        .thread_block()
        .expect("a thread may block its signals");
}
