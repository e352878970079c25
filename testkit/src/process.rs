//! Child processes that cannot outlive the test run.
//!
//! A dropped handle kills its process. For a test run that is itself killed there is the parent-death
//! signal; the kernel sends it when the *thread* that started the child ends, and test threads end
//! with their test. So all children are started by one thread that lives as long as the process, and
//! a server may be shared among tests.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread;

use rustix::process::{kill_process, Pid, Signal};

use crate::eventually::eventually_some;

pub(crate) struct Process {
    /// Remembers how it ended once it was reaped, so that no signal can reach a stranger with its id.
    child: Mutex<Child>,
    pid: u32,
}

impl Process {
    /// Starts what [`ended_with_the_parent`] made.
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

    /// Whether the process still runs. A paused one does.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How the process ended, when it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        match self.lock().try_wait() {
            Ok(status) => status,
            Err(error) => panic!("cannot look at process {}: {error}", self.pid),
        }
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = self.lock();
        // `try_wait` first: an ended child is reaped by it, and its id may be anyone's then.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&child), signal);
        }
    }

    /// Whether every thread of the process stands still after SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return false;
        };
        threads.flatten().all(|thread| {
            let status = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the program's name, which stands in parentheses.
            status
                .rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Ends the process at once, also a paused one, and reaps it.
    pub(crate) fn kill(&self) {
        let mut child = self.lock();
        // An error means that it has ended by itself, which is what is wanted.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&self) -> ExitStatus {
        eventually_some(&format!("process {} to end", self.pid), || {
            self.exit_status()
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        // A panic elsewhere must not keep Drop from killing the child.
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

/// A command that runs `program` with a parent-death signal. The standard library sets one only
/// through unsafe code, so `setpriv` of util-linux sets it and then becomes the program: the process
/// id stays.
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
            .expect("a thread can be started");
        Mutex::new(orders)
    });
    let (answer, started) = channel();
    starter
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .send((command, answer))
        .expect("the starting thread lives as long as the process");
    started
        .recv()
        .expect("the starting thread answers every order")
}
