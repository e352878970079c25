//! Names the commit that the module is built from, for `INFO durable`.
//!
//! It is `REDIS_DURABLE_COMMIT` where a build without a repository is told it (packages, images),
//! else git's, else `unknown`. Only a repository of this very directory counts: a tarball may lie
//! unpacked inside another one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the build what it was made from.
const VARIABLE: &str = "REDIS_DURABLE_COMMIT";

/// What the library is made of. Anything else may differ from the commit without making it another
/// one.
const SOURCES: [&str; 6] = [
    "src",
    "core/src",
    "core/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
];

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    // A changed source makes a clean build a dirty one. It is compiled again anyway.
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let told = std::env::var(VARIABLE).ok().filter(|told| is_plain(told));
    let commit = told.or_else(of_git).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env={VARIABLE}={commit}");
}

/// The first twelve digits of the commit, and `-dirty` where a source is not what was committed.
fn of_git() -> Option<String> {
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

/// Runs again when HEAD moves: a checkout writes HEAD, a commit writes the branch, and packing
/// moves the branch to another file. The log has all of that, where one is kept. A file that is not
/// there would make every build run again, so it is left out.
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

/// What git prints, without the line's end. `None` where there is no git, or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// It is shown in INFO, one field a line.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
