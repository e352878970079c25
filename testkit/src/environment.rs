//! The server's binary and the module's file that are tested, and the files of other builds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::version::Version;

const MODULE_FILE: &str = "libredis_durable.so";
const LEAST_FILE: &str = "libdurable_least.so";

/// `DURABLE_TEST_SERVER`, or the first of redis-server and valkey-server on PATH.
pub fn server_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("DURABLE_TEST_SERVER") {
        Some(named) => on_path(Path::new(&named)).unwrap_or_else(|| {
            panic!("DURABLE_TEST_SERVER names {named:?}, which does not exist")
        }),
        None => ["redis-server", "valkey-server"]
            .iter()
            .find_map(|name| on_path(Path::new(name)))
            .unwrap_or_else(|| {
                panic!("neither redis-server nor valkey-server is on PATH: install one, or name it in DURABLE_TEST_SERVER")
            }),
    })
}

/// `DURABLE_TEST_MODULE`, or the library in the target directory of the running test.
pub fn module_path() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        const VARIABLE: &str = "DURABLE_TEST_MODULE";
        named_by(VARIABLE).unwrap_or_else(|| {
            let module = beside_the_test(MODULE_FILE, VARIABLE);
            warn_if_stale(&module);
            module
        })
    })
}

/// `DURABLE_LEAST_MODULE`, or the library of `bench/least/` in the target directory of the running
/// program. [`module_path`] is beside it, unless that is another build.
pub fn least_module_path() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        const VARIABLE: &str = "DURABLE_LEAST_MODULE";
        named_by(VARIABLE).unwrap_or_else(|| beside_the_test(LEAST_FILE, VARIABLE))
    })
}

/// The file that an environment variable names, if it is set. Servers run in directories of their
/// own, where a relative path is wrong.
fn named_by(variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable)?;
    let path = Path::new(&named).canonicalize();
    Some(path.unwrap_or_else(|error| {
        panic!("{variable} names {named:?}, which cannot be read: {error}")
    }))
}

/// `DURABLE_TEST_OTHER_VERSION`, or the library that `make test` builds with the feature
/// `other-version`: one whose failover groups speak and write other formats.
pub fn other_version_path() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let named = env::var_os("DURABLE_TEST_OTHER_VERSION").map(PathBuf::from);
        let path = named.unwrap_or_else(|| {
            let built = Path::new("other-version/debug").join(MODULE_FILE);
            let test = env::current_exe().unwrap_or_default();
            // target/<profile>/deps/<test>
            test.ancestors().nth(3).unwrap_or(&test).join(built)
        });
        path.canonicalize().unwrap_or_else(|error| {
            panic!(
                "{} cannot be read ({error}): run `cargo build --package redis-durable --features \
                 other-version --target-dir target/other-version`, or name the file in \
                 DURABLE_TEST_OTHER_VERSION",
                path.display()
            )
        })
    })
}

/// The version of the server's binary, by `--version`.
pub(crate) fn server_version() -> Version {
    static VERSION: OnceLock<Version> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let binary = server_binary();
        let output = Command::new(binary)
            .arg("--version")
            .output()
            .unwrap_or_else(|error| panic!("{} --version does not run: {error}", binary.display()));
        let text = String::from_utf8_lossy(&output.stdout);
        Version::parse(&text)
            .unwrap_or_else(|| panic!("{} --version prints no version: {text:?}", binary.display()))
    })
}

/// The library is in target/<profile>, as are the programs of the workspace. Test executables are
/// one level below, in `deps`, and examples in `examples`.
fn beside_the_test(file: &str, variable: &str) -> PathBuf {
    let test = env::current_exe()
        .unwrap_or_else(|error| panic!("the path of the running test is unknown: {error}"));
    // The upper directory first: `deps` also has a file of this name, an intermediate one of cargo.
    [2, 1]
        .iter()
        .filter_map(|&up| test.ancestors().nth(up))
        .map(|directory| directory.join(file))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!(
                "there is no {file} in the target directory of {}: run `cargo build` with the same \
                 profile first, or name the file in {variable}",
                test.display()
            )
        })
}

/// Warns if the module is older than its sources. Cargo does not rebuild a cdylib for the
/// integration tests of its own package. Only a warning: sources may change while an earlier state
/// is tested.
fn warn_if_stale(module: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let newest_source = ["src", "core/src"]
        .iter()
        .filter_map(|directory| newest_below(&workspace.join(directory)))
        .max();
    let built = module
        .metadata()
        .and_then(|metadata| metadata.modified())
        .ok();
    if let (Some(source), Some(built)) = (newest_source, built) {
        if source > built {
            eprintln!(
                "testkit: {} is older than its sources: run `cargo build`",
                module.display()
            );
        }
    }
}

fn newest_below(directory: &Path) -> Option<SystemTime> {
    std::fs::read_dir(directory)
        .ok()?
        .flatten()
        .filter_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => newest_below(&entry.path()),
            _ => entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .ok(),
        })
        .max()
}

/// Finds a program as the shell does: a name with a slash is a path, any other is searched on PATH.
fn on_path(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        // Not the target of a symbolic link: Debian's redis-server is a link to redis-check-rdb,
        // and behaves by the name under which it is called.
        return std::path::absolute(name).ok().filter(|path| path.is_file());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}
