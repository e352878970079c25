//! A server inside callgrind: switching the counting on and off, and reading what was counted.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context, Result};

use crate::seed;

/// Switches off what jemalloc does by the clock and by its own history. With slot hints both make
/// two runs differ by a tenth, with writes by 1 %. Other allocators ignore it.
const STEADY_ALLOCATOR: &str = "dirty_decay_ms:-1,muzzy_decay_ms:-1,\
     tcache_gc_incr_bytes:100000000000,tcache_nslots_small_min:2000,tcache_nslots_small_max:2000";
/// The variables of the system's jemalloc, and of the one that the server has of its own.
const VARIABLES: [&str; 2] = ["MALLOC_CONF", "JE_MALLOC_CONF"];

/// The words that run a server inside callgrind, with a steady allocator, and the same seed of its
/// hash tables each time. Callgrind writes its files into `directory`.
pub fn wrapper(directory: &Path) -> Result<Vec<String>> {
    let mut words = seed::wrapper(directory)?;
    let file = directory.join("%p");
    words.push("env".into());
    words.extend(VARIABLES.map(|variable| format!("{variable}={STEADY_ALLOCATOR}")));
    words.extend([
        "valgrind".into(),
        "--tool=callgrind".into(),
        "--instr-atstart=no".into(),
        format!("--callgrind-out-file={}", file.display()),
        "--quiet".into(),
    ]);
    Ok(words)
}

/// What a server does by the clock: its cron, and the packets that other nodes of a cluster send.
/// None of these functions calls another of them.
const BY_THE_CLOCK: [&str; 2] = ["serverCron", "clusterReadHandler"];

/// What was counted, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// All, without those of [`BY_THE_CLOCK`].
    pub all: u64,
    /// Those in the library of a module, and not in what it calls.
    pub in_module: u64,
}

impl Counted {
    /// For each of `done` pieces of work: all, and in parentheses those in the module.
    pub fn for_each(self, done: usize) -> String {
        let each = |count: u64| count as f64 / done as f64;
        format!("{:.0} ({:.0})", each(self.all), each(self.in_module))
    }
}

/// Fails if callgrind is not installed.
pub fn check() -> Result<()> {
    for program in ["valgrind", "callgrind_control"] {
        let status = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        let ended = status.with_context(|| format!("{program} is missing: install valgrind"))?;
        ensure!(ended.success(), "{program} --version fails");
    }
    Ok(())
}

/// Counts what the process executes while `work` runs. `module` is the module's library.
/// Callgrind's file is moved to `keep`, if there is such a path.
pub fn count(
    pid: u32,
    directory: &Path,
    module: &Path,
    keep: Option<&Path>,
    work: impl FnOnce() -> Result<()>,
) -> Result<Counted> {
    control(pid, &["--zero"])?;
    control(pid, &["--instr=on"])?;
    work()?;
    control(pid, &["--instr=off"])?;
    let before = dumps(pid, directory)?;
    control(pid, &["--dump=counted"])?;
    let after = dumps(pid, directory)?;
    let Some(dump) = after.iter().find(|file| !before.contains(file)) else {
        bail!("callgrind has written no file");
    };
    let text = fs::read_to_string(dump)?;
    let counted = read(&text, module).with_context(|| format!("reading {}", dump.display()))?;
    if let Some(place) = keep {
        fs::copy(dump, place).with_context(|| format!("writing {}", place.display()))?;
    }
    fs::remove_file(dump)?;
    Ok(counted)
}

fn control(pid: u32, words: &[&str]) -> Result<()> {
    let output = Command::new("callgrind_control")
        .args(words)
        .arg(pid.to_string())
        .output()?;
    ensure!(output.status.success(), "callgrind_control {words:?} fails");
    Ok(())
}

fn dumps(pid: u32, directory: &Path) -> Result<Vec<PathBuf>> {
    let name = pid.to_string();
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_own = path
            .file_name()
            .is_some_and(|own| own.to_string_lossy().starts_with(&name));
        if is_own {
            files.push(path);
        }
    }
    Ok(files)
}

/// Reads a file of callgrind. The format is described in valgrind's manual, "Callgrind Format
/// Specification".
fn read(text: &str, module: &Path) -> Result<Counted> {
    // The summary at the beginning of the file is 0 if the counting was switched off.
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let all: u64 = totals.context("there is no total")?.trim().parse()?;
    let all = all
        .checked_sub(by_the_clock(text)?)
        .context("what is done by the clock costs more than everything")?;
    let in_module = in_library(text, module)?;
    Ok(Counted { all, in_module })
}

/// The cost of all calls of [`BY_THE_CLOCK`].
fn by_the_clock(text: &str) -> Result<u64> {
    let (mut sum, mut ids) = (0, HashSet::new());
    let (mut is_subtracted, mut is_cost) = (false, false);
    for line in text.lines() {
        if is_cost {
            // The line after `calls=` has a position and the cost of the calls.
            if is_subtracted {
                sum += cost(line)?;
            }
            (is_cost, is_subtracted) = (false, false);
        } else if line.starts_with("calls=") {
            is_cost = true;
        } else if let Some((id, name)) = named(line, ["cfn=", "fn="]) {
            if BY_THE_CLOCK.contains(&name) {
                ids.insert(id);
            }
            is_subtracted = line.starts_with('c') && ids.contains(id);
        }
    }
    Ok(sum)
}

/// What the functions of a library cost, without what they call.
fn in_library(text: &str, library: &Path) -> Result<u64> {
    let (mut sum, mut ids) = (0, HashSet::new());
    let (mut is_within, mut is_call) = (false, false);
    for line in text.lines() {
        let has_position = line.starts_with(['+', '-', '*'])
            || line.starts_with(|first: char| first.is_ascii_digit());
        if has_position {
            if is_within && !is_call {
                sum += cost(line)?;
            }
            is_call = false;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if let Some((id, name)) = named(line, ["cob=", "ob="]) {
            if Path::new(name)
                .file_name()
                .is_some_and(|name| Some(name) == library.file_name())
            {
                ids.insert(id);
            }
            if line.starts_with('o') {
                is_within = ids.contains(id);
            }
        }
    }
    Ok(sum)
}

/// The number and the name in a line that begins with one of these keys. The first time there are
/// both, then the number only.
fn named<'a>(line: &'a str, keys: [&str; 2]) -> Option<(&'a str, &'a str)> {
    let value = keys.iter().find_map(|key| line.strip_prefix(key))?;
    Some(value.split_once(' ').unwrap_or((value, "")))
}

/// The cost in a line that has a position and a cost.
fn cost(line: &str) -> Result<u64> {
    let cost = line
        .split_whitespace()
        .nth(1)
        .context("a line has no cost")?;
    Ok(cost.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cron_is_subtracted_wherever_its_name_stands() {
        let text = "events: Ir\nfn=(1) aeMain\n10 5\ncfn=(2) serverCron\ncalls=3 0\n12 40\n\
                    fn=(3) other\ncfn=(4) call\ncalls=1 0\n7 9\ncfn=(2)\ncalls=1 0\n8 6\n\
                    totals: 100\n";
        assert_eq!(read(text, Path::new("")).expect("a count").all, 54);
        assert!(read("events: Ir\n", Path::new("")).is_err());
    }

    #[test]
    fn what_the_library_of_the_module_executes_itself_is_counted_apart() {
        let text = "events: Ir\nob=(1) /server\nfn=(1) call\n10 5\ncob=(2) /a/libmodule.so\n\
                    cfn=(2) run\ncalls=1 0\n12 40\n+1 4\nob=(2)\nfn=(2)\n7 9\n* 3\ncob=(1)\n\
                    cfn=(3) reply\ncalls=1 0\n-1 28\nob=(1)\nfn=(3)\n9 28\ntotals: 49\n";
        let counted = read(text, Path::new("/b/libmodule.so")).expect("a count");
        assert_eq!((counted.all, counted.in_module), (49, 12));
    }
}
