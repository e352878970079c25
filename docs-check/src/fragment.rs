//! Checks a block that is not executed: a server starts with a part of redis.conf, YAML and JSON
//! are parsed, a shell script has no syntax error and names targets and files that exist.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context, Result};
use testkit::{module_path, Server};
use yaml_rust2::YamlLoader;

pub fn check(root: &Path, language: &str, code: &str) -> Result<()> {
    match language {
        "conf" => redis_conf(code),
        "ini" => ini(code),
        "json" => serde_json::from_str::<serde_json::Value>(code)
            .map(drop)
            .context("no JSON"),
        "yaml" => {
            let documents = YamlLoader::load_from_str(code).context("no YAML")?;
            ensure!(!documents.is_empty(), "no YAML document");
            Ok(())
        }
        "sh" => shell(root, code),
        other => bail!(
            "a block of {other:?} is neither executed nor checked: mark it, with the reason, by \
             <!-- not run: … --> or <!-- run by: a test --> in the line before"
        ),
    }
}

/// A server starts with these lines, and its settings are as the lines say. The module is the one
/// that is tested, whatever path the `loadmodule` line has.
fn redis_conf(code: &str) -> Result<()> {
    let mut builder = Server::builder().name("server with the lines of the page");
    let mut lines = Vec::new();
    for line in code.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once(' ')
            .with_context(|| format!("no setting: {line}"))?;
        match name {
            "loadmodule" => {
                let mut words = value.split_whitespace();
                let path = words.next().unwrap_or_default();
                ensure!(
                    path.ends_with("libredis_durable.so"),
                    "another module: {path}"
                );
                let arguments: Vec<&str> = words.collect();
                builder = builder.module_args(&arguments);
            }
            _ => lines.push((name.to_owned(), value.to_owned())),
        }
    }
    for (name, value) in &lines {
        builder = builder.config(name, value);
    }
    let server = match builder.try_start() {
        Ok(server) => server,
        Err(log) => bail!("a server does not start with these lines, its log:\n{log}"),
    };
    for (name, value) in lines
        .iter()
        .filter(|(name, _)| name.starts_with("durable."))
    {
        let found: Vec<String> = server.run(&["CONFIG", "GET", name]);
        let found = found.get(1).cloned().unwrap_or_default();
        let wanted = value.trim_matches('"');
        ensure!(found == *wanted, "{name} is {found:?} and not {wanted:?}");
    }
    ensure!(module_path().is_file(), "no module");
    Ok(())
}

fn ini(code: &str) -> Result<()> {
    for line in code.lines().map(str::trim) {
        let is_section = line.starts_with('[') && line.ends_with(']');
        let is_comment = line.is_empty() || line.starts_with('#');
        ensure!(
            is_section || is_comment || line.contains('='),
            "no line of a unit file: {line}"
        );
    }
    Ok(())
}

/// The syntax; that `make` targets exist; that files of Compose and Docker exist.
fn shell(root: &Path, code: &str) -> Result<()> {
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting bash")?;
    if let Some(mut input) = bash.stdin.take() {
        input.write_all(code.as_bytes())?;
    }
    let output = bash.wait_with_output()?;
    ensure!(
        output.status.success(),
        "bash: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let makefile = fs::read_to_string(root.join("Makefile")).context("reading the Makefile")?;
    for line in code.lines() {
        let words: Vec<&str> = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .collect();
        for pair in words.windows(2) {
            let [program, argument] = pair else { continue };
            if *program == "make" && argument.starts_with(|c: char| c.is_ascii_lowercase()) {
                let target = format!("\n{argument}:");
                ensure!(
                    makefile.contains(&target),
                    "the Makefile has no target {argument}"
                );
            }
            if *program == "-f" && argument.starts_with("docker/") {
                ensure!(root.join(argument).is_file(), "there is no {argument}");
            }
        }
    }
    Ok(())
}

/// Whether it is Python at all.
pub fn python(code: &str) -> Result<()> {
    let output = Command::new("python3")
        .args(["-c", "import ast, sys; ast.parse(sys.argv[1])", code])
        .output()
        .context("starting python3")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::setup::root;

    #[track_caller]
    fn is_refused(language: &str, code: &str) {
        assert!(check(&root(), language, code).is_err(), "{code}");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        is_refused("json", "{");
        is_refused("yaml", "a: [");
        is_refused("ini", "ExecPaths");
        is_refused("sh", "if then");
        is_refused("sh", "make no-such-target");
        is_refused("sh", "docker compose -f docker/no-such-file.yaml up");
        is_refused("python", "pass");
        assert!(super::python("def f(:\n").is_err());
        is_refused("cobol", "STOP RUN.");
    }

    #[test]
    fn what_is_right_is_accepted() {
        for (language, code) in [
            ("json", "{\"a\": 1}"),
            ("yaml", "a: [1]"),
            ("ini", "[Service]\nExecPaths=/usr"),
            (
                "sh",
                "sudo make install   # once\ndocker compose -f docker/compose.yaml up -d",
            ),
        ] {
            check(&root(), language, code).unwrap_or_else(|error| panic!("{code}: {error:#}"));
        }
    }
}
