//! The program that copies the library, with a file in the library's place.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

/// A directory where the program can be linked to.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cannot create a directory")
}

/// Runs the program from a directory, with a library beside it that has this content. The program
/// is linked: a copy cannot be run while another thread of this test starts a process, because that
/// one inherits the open file for a moment.
fn copy_library(beside: &Path, content: Option<&str>, arguments: &[&Path]) -> Output {
    let program = beside.join("copy-library");
    if !program.exists() {
        fs::hard_link(env!("CARGO_BIN_EXE_copy-library"), &program)
            .expect("cannot link the program");
    }
    if let Some(content) = content {
        fs::write(beside.join("libredis_durable.so"), content).expect("cannot write a file");
    }
    Command::new(&program)
        .args(arguments)
        .output()
        .expect("cannot run the program")
}

#[test]
fn a_new_copy_replaces_the_old_one_by_rename_and_is_executable() {
    let image = directory();
    let volume = directory();
    let place = volume.path().join("libredis_durable.so");
    let mut inodes = Vec::new();
    for content in ["one build", "another build"] {
        // A file that stays open keeps its inode from being used again.
        let before = fs::File::open(&place).ok();
        let output = copy_library(image.path(), Some(content), &[volume.path()]);
        assert!(output.status.success(), "{output:?}");
        let copied = fs::metadata(&place).expect("the library was not copied");
        assert_eq!(copied.permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_to_string(&place).expect("cannot read"), content);
        inodes.push(copied.ino());
        drop(before);
    }
    assert_ne!(inodes[0], inodes[1], "the old file was overwritten");
    let left = fs::read_dir(volume.path()).expect("cannot list the directory");
    assert_eq!(left.count(), 1, "a temporary file is left");
}

#[test]
fn what_fails_is_named() {
    let image = directory();
    let missing = image.path().join("no-such-directory");
    let failures = [
        (
            Some("a build"),
            vec![missing.as_path()],
            "no-such-directory",
        ),
        (None, vec![image.path()], "cannot read"),
        (Some("a build"), vec![], "usage: copy-library DIRECTORY"),
    ];
    for (content, arguments, said) in failures {
        let beside = directory();
        let output = copy_library(beside.path(), content, &arguments);
        assert!(!output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains(said), "{errors}");
    }
}
