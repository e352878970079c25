//! Names the commit that the module is built from, for `INFO durable`.
//!
//! The commit comes from `REDIS_DURABLE_COMMIT` if it is set (packages, images), else from git,
//! else it is `unknown`. Git is used only if this directory is the top of the repository: a tarball
//! may be unpacked inside another repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that names the commit, for this script and for the crate.
const VARIABLE: &str = "REDIS_DURABLE_COMMIT";

/// The sources of the library. Changes to other files do not make a build `-dirty`.
const SOURCES: [&str; 8] = [
    "src",
    "core/src",
    "core/Cargo.toml",
    "core/failover/src",
    "core/failover/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
];

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    // A changed source can make a clean build dirty. The crate is compiled again anyway.
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let given = std::env::var(VARIABLE).ok().filter(|given| is_plain(given));
    let commit = given
        .or_else(commit_from_git)
        .unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env={VARIABLE}={commit}");
}

/// The first twelve digits of the commit, with `-dirty` if a source differs from the commit.
fn commit_from_git() -> Option<String> {
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    watch_head();
    let commit = git(&["rev-parse", "--verify", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let dirty = git(&status).is_none_or(|changes| !changes.is_empty());
    Some(format!("{commit}{}", if dirty { "-dirty" } else { "" }))
}

/// Makes cargo run this script again when HEAD moves. A checkout writes HEAD, a commit writes the
/// branch, and packing moves the branch to `packed-refs`. `logs/HEAD` records all of these, if git
/// keeps it. A missing file would make every build run again, so it is left out.
fn watch_head() {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let files = ["HEAD", "logs/HEAD", "packed-refs"];
    for name in files.into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            if Path::new(&path).exists() {
                println!("cargo::rerun-if-changed={path}");
            }
        }
    }
}

/// The output of git without the final newline. `None` if git is missing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// INFO shows the commit in one line, so it may only contain visible ASCII.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
