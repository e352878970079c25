//! A Python interpreter that has redis-py, for tests with Python programs.
//!
//! It is the one that `DURABLE_TEST_PYTHON` names, which has to have redis-py. Without that
//! variable: python3 if it has redis-py, else one in a virtual environment that is made here. If
//! that cannot be made either (no python3-venv, no network), nothing is tested, and the test says
//! so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn has_redis_py(python: &Path) -> bool {
    let import = "import redis.crc, redis.exceptions; redis.exceptions.MovedError";
    let output = Command::new(python).args(["-c", import]).output();
    output.is_ok_and(|output| output.status.success())
}

/// The interpreter, or `None` if there is none and none can be made.
pub fn python() -> Option<PathBuf> {
    // The tests of a program run at once, and the environment is made by one of them.
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(find_or_make).clone()
}

fn find_or_make() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("DURABLE_TEST_PYTHON") {
        let named = PathBuf::from(named);
        assert!(
            has_redis_py(&named),
            "DURABLE_TEST_PYTHON is {named:?}, which cannot import redis"
        );
        return Some(named);
    }
    let system = PathBuf::from("python3");
    if has_redis_py(&system) {
        return Some(system);
    }
    // In cargo's directory for tests: it is made once.
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = home.join("bin/python3");
    if !has_redis_py(&python) {
        let run =
            |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = run(Command::new(&system).args(["-m", "venv"]).arg(&home))
            && run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "redis"]));
        if !made || !has_redis_py(&python) {
            return None;
        }
    }
    Some(python)
}
