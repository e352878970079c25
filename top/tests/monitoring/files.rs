//! The folder `monitoring/`, and promtool.

use std::fs;
use std::process::{Command, Output};

/// The path of a file in `monitoring/`.
pub fn path(name: &str) -> String {
    format!("{}/../monitoring/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn read(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Runs promtool and returns what it printed. Panics if it finds something wrong.
#[track_caller]
pub fn promtool(arguments: &[&str]) -> String {
    let output = try_promtool(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "promtool {arguments:?}:\n{out}{err}"
    );
    out
}

pub fn try_promtool(arguments: &[&str]) -> Output {
    let output = Command::new("promtool").args(arguments).output();
    output.unwrap_or_else(|error| {
        panic!("promtool does not run ({error}): run make monitoring-check, which installs it")
    })
}
