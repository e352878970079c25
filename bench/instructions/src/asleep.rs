//! Waiting until a server sleeps in its event loop.
//!
//! A server that has sent a reply may still begin another turn: unblocking a client of a module
//! writes to a pipe, and reading it takes a turn. If the next command is sent meanwhile, both are
//! read in one turn, or not. That makes two runs differ by some percent.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

/// The system calls in which an event loop sleeps.
const SLEEPS: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
];
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the main thread of this process waits for events.
pub fn wait_until_asleep(pid: u32) -> Result<()> {
    let file = format!("/proc/{pid}/syscall");
    let begun = Instant::now();
    loop {
        // The number of the system call, or `running`.
        let line = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let number = line.split(' ').next().and_then(|word| word.parse().ok());
        if number.is_some_and(|number| SLEEPS.contains(&number)) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "the server never sleeps");
        std::hint::spin_loop();
    }
}
