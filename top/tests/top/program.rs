//! Runs the program once, and reads what it prints.

use std::path::Path;
use std::process::{Command, Output};

use testkit::Server;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_durable-top");

/// A run that has ended.
pub struct Printed {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn run(arguments: &[&str], password: Option<&str>) -> Printed {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("REDISCLI_AUTH");
    if let Some(password) = password {
        command.env("REDISCLI_AUTH", password);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{PROGRAM} does not run: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    Printed {
        code: status.code(),
        out: text(stdout),
        err: text(stderr),
    }
}

/// Runs it for one look at a server, and expects an answer.
#[track_caller]
pub fn look(server: &Server, arguments: &[&str]) -> String {
    let port = server.port().to_string();
    let printed = run(&[&["-p", &port], arguments].concat(), None);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    printed.out
}

/// One look as JSON.
#[track_caller]
pub fn json(server: &Server) -> serde_json::Value {
    parse(&look(server, &["--once", "--json"]))
}

#[track_caller]
pub fn parse(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

/// A path as an argument.
pub fn argument(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}
