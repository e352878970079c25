//! `make install`: what it puts where, and that a server which has the library loaded goes on.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use testkit::{module_path, Server};

/// Runs make with these variables and targets, and with nothing of a make that runs this test.
fn make(arguments: &[String]) -> Output {
    let mut make = Command::new("make");
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MODULEDIR"] {
        make.env_remove(variable);
    }
    make.arg("-C")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("make to run")
}

/// Into a root of its own, as packages do.
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
    let root = tempfile::tempdir().expect("a directory");
    let output = make_in(root.path(), module_path(), "install");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let library = root.path().join(PLACE).join("libredis_durable.so");
    assert!(said.contains(&library.display().to_string()), "{said}");
    let line = "loadmodule /opt/durable/lib/redis-durable/libredis_durable.so\n";
    assert!(said.contains(line), "{said}");
    let mode = fs::metadata(&library).expect("it").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);

    let server = Server::builder()
        .module(false)
        .config("loadmodule", &library.display().to_string())
        .start();
    // What is mapped of a file that shrinks is gone, so that any overwriting in place would show.
    let other = root.path().join("other");
    fs::write(&other, "another build").expect("a file");
    let output = make_in(root.path(), &other, "install");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(&library).expect("it"), b"another build");
    let left = fs::read_dir(root.path().join(PLACE)).expect("the directory");
    assert_eq!(left.count(), 1, "no temporary file is left");
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
    let root = tempfile::tempdir().expect("a directory");
    let output = make_in(root.path(), &root.path().join("missing.so"), "install");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("make build"), "{said}");
    assert_eq!(fs::read_dir(root.path()).expect("it").count(), 0);
}
