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

use anyhow::{bail, ensure, Context, Result};
use nix::mount::{mount, MsFlags};
use nix::sys::signal::{SigSet, Signal};

/// Set in the environment of the program inside.
const INSIDE: &str = "DURABLE_CHAOS_INSIDE";

/// Where the data of the nodes are. Nothing in the lab needs the machine's own `/run`.
pub const DATA: &str = "/run";

pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Why this machine cannot run the lab, if it cannot.
pub fn obstacle() -> Option<String> {
    let output = unshare().args(["true"]).output();
    let device = "/dev/net/tun";
    match output {
        Err(error) => Some(format!(
            "unshare (Debian's util-linux) does not run: {error}"
        )),
        Ok(output) if !output.status.success() => Some(format!(
            "the kernel does not allow namespaces here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Ok(_) if !Path::new(device).exists() => {
            Some(format!("there is no {device}, for the nodes' network"))
        }
        Ok(_) => None,
    }
}

/// Runs this program again, with the same arguments, inside new namespaces. Returns its exit code.
pub fn enter() -> Result<ExitCode> {
    let program = env::current_exe().context("finding this program")?;
    let mut command = unshare();
    command
        .arg(program)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1");
    // Signals of the terminal reach the program inside as well. It ends in order, and then this
    // process and unshare do.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.thread_block().context("blocking SIGINT")?;
    let status = command
        .status()
        .context("running unshare (Debian's util-linux)")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
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
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.thread_unblock().context("unblocking SIGINT")?;
    mount_tmpfs(Path::new(DATA), "2g")?;
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
