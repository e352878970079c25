//! Runs the lab in namespaces of its own: processes, mounts and network.
//!
//! Everything that the lab starts or makes is inside: servers, interfaces, data on a tmpfs. The
//! first process inside is this program. When it ends, however it ends, the kernel ends all other
//! processes inside, and the network and the mounts disappear with them.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{bail, ensure, Context, Result};
use nix::mount::{mount, MsFlags};
use nix::sys::signal::{kill, Signal};
use nix::unistd::{geteuid, Pid};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Set in the environment of the program inside.
const INSIDE: &str = "DURABLE_CHAOS_INSIDE";

/// Where the data of the nodes are: nobody keeps files there.
pub const DATA: &str = "/sys";
/// Everything that the lab holds in memory at a time.
const SIZE: &str = "4g";

/// The lab could not run.
pub const TROUBLE: u8 = 2;

pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Why this machine cannot run the lab, if it cannot: tries everything that a run needs.
pub fn obstacle() -> Option<String> {
    if !geteuid().is_root() {
        return Some("the lab needs root, for namespaces".into());
    }
    let program = env::current_exe().ok()?;
    let output = unshare()
        .arg(program)
        .arg("--probe")
        .env(INSIDE, "1")
        .output();
    match output {
        Err(error) => Some(format!(
            "setpriv and unshare (Debian's util-linux) do not run: {error}"
        )),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!(
                "the kernel does not allow it here: {}",
                said.trim()
            ))
        }
        Ok(_) => None,
    }
}

/// Runs this program again, with the same arguments, inside new namespaces. Returns its exit code.
/// SIGINT and SIGTERM are passed on once: the program inside ends in order.
pub fn enter() -> Result<ExitCode> {
    let program = env::current_exe().context("finding this program")?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("preparing for an interruption")?;
    let mut command = unshare();
    command
        .arg(program)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        // Otherwise Ctrl-C in a terminal would reach the program inside twice.
        .process_group(0);
    let mut child = command
        .spawn()
        .context("running unshare (Debian's util-linux)")?;
    let outside = child.id();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if let Some(inside) = first_child(outside) {
                    let _ = kill(inside, Signal::SIGINT);
                }
            }
        })
        .context("starting a thread")?;
    let status = child.wait().context("waiting for the lab")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(TROUBLE)))
}

/// The program inside is the only child of unshare.
fn first_child(parent: u32) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let first = children.split_whitespace().next()?;
    first.parse().ok().map(Pid::from_raw)
}

/// `unshare` with the lab's namespaces. It dies with this process, and what is inside dies with it.
fn unshare() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare"]);
    command.args(["--net", "--pid", "--mount", "--ipc", "--fork"]);
    command.args(["--kill-child=KILL", "--mount-proc"]);
    command
}

/// Prepares the namespaces, from inside.
pub fn prepare() -> Result<()> {
    ensure!(std::process::id() == 1, "not the first process inside");
    mount_tmpfs(Path::new(DATA), SIZE)?;
    run("ip", &["link", "set", "lo", "up"])
}

/// Mounts an empty file system in memory.
pub fn mount_tmpfs(on: &Path, size: &str) -> Result<()> {
    fs::create_dir_all(on).with_context(|| format!("making {}", on.display()))?;
    let options = format!("size={size},mode=0755");
    mount(
        Some("tmpfs"),
        on,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .with_context(|| format!("mounting a tmpfs on {}", on.display()))
}

/// Runs a program to its end.
pub fn run(program: &str, words: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(words)
        .process_group(0)
        .output()
        .with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", words.join(" "), said.trim());
    }
    Ok(())
}
