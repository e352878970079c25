//! `make install`: the files that it installs. A server with the library loaded survives a new
//! install.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use testkit::{module_path, Server};

/// Runs make with these variables and targets. If another make runs this test, the variables of
/// that make are removed from the environment.
fn make(arguments: &[String]) -> Output {
    let mut make = Command::new("make");
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MODULEDIR"] {
        make.env_remove(variable);
    }
    make.arg("-C")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("cannot run make")
}

/// Installs into a directory of its own, as packages do.
fn make_in(root: &Path, library: &Path, target: &str) -> Output {
    make(&[
        target.into(),
        format!("LIBRARY={}", library.display()),
        format!("DESTDIR={}", root.display()),
        "PREFIX=/opt/durable".into(),
    ])
}

const PLACE: &str = "opt/durable/lib/redis-durable";

#[test]
fn a_server_that_has_the_library_loaded_survives_its_replacement() {
    let root = tempfile::tempdir().expect("cannot create a directory");
    let output = make_in(root.path(), module_path(), "install");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let library = root.path().join(PLACE).join("libredis_durable.so");
    assert!(said.contains(&library.display().to_string()), "{said}");
    let line = "loadmodule /opt/durable/lib/redis-durable/libredis_durable.so\n";
    assert!(said.contains(line), "{said}");
    let mode = fs::metadata(&library)
        .expect("the library is not installed")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);

    let server = Server::builder()
        .module(false)
        .config("loadmodule", &library.display().to_string())
        .start();
    // If a mapped file shrinks, the process crashes. So the test detects overwriting in place.
    let other = root.path().join("other");
    fs::write(&other, "another build").expect("cannot write a file");
    let output = make_in(root.path(), &other, "install");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::read(&library).expect("the library is not installed"),
        b"another build"
    );
    let left = fs::read_dir(root.path().join(PLACE)).expect("cannot list the directory");
    assert_eq!(left.count(), 1, "a temporary file is left");
    for command in [
        &["DURABLE.SET", "k", "v", "REPLICAS", "0"][..],
        &["DURABLE.CALL", "REPLICAS", "0", "APPEND", "k", "w"],
        &["DURABLE.HELP"],
        &["INFO", "durable"],
    ] {
        server
            .try_run::<testkit::redis::Value>(command)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    }
    assert!(server.is_alive());

    let output = make_in(root.path(), &other, "uninstall");
    assert!(output.status.success(), "{output:?}");
    assert!(!root.path().join(PLACE).exists());
    assert_eq!(server.run::<String>(&["GET", "k"]), "vw");
}

#[test]
fn nothing_is_installed_that_was_not_built() {
    let root = tempfile::tempdir().expect("cannot create a directory");
    let output = make_in(root.path(), &root.path().join("missing.so"), "install");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("make build"), "{said}");
    assert_eq!(
        fs::read_dir(root.path())
            .expect("cannot list the directory")
            .count(),
        0
    );
}
