//! The same seed for the server's hash tables at each start.
//!
//! The server hashes the names of its commands, and its keys, with a seed that it reads from
//! `/dev/urandom` (`getRandomBytes` in `util.c`). With some seeds two names that a write looks up
//! are in one place of their table. That costs up to 130 instructions for each write, so two starts
//! would differ by 1 %. Here the server finds a file of fixed bytes in the place of that device, in
//! a mount namespace of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Ways to get a mount namespace: as root, and as another user where the kernel allows it.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// Puts the file `$0` in the place of the device, and becomes the program that follows.
const REPLACE: &str = r#"mount --bind "$0" /dev/urandom && exec "$@""#;

/// The words that run another program with the fixed bytes. Writes these to a file in `directory`.
/// No words, and a note on standard error, where the system allows no namespaces.
pub fn wrapper(directory: &Path) -> Result<Vec<String>> {
    let file = directory.join("seed");
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(4096).collect();
    fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
    let file = file.to_string_lossy();
    for way in WAYS {
        let mut words = vec!["unshare"];
        words.extend_from_slice(way);
        words.extend(["sh", "-c", REPLACE, &file]);
        if runs(&words) {
            return Ok(words.into_iter().map(String::from).collect());
        }
    }
    eprintln!(
        "no mount namespaces for this user: each start has hash tables of another seed, and two \
         runs may differ by 1 %"
    );
    Ok(Vec::new())
}

fn runs(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else {
        return false;
    };
    let ended = Command::new(program)
        .args(rest)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    ended.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_the_same_bytes_each_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let words = wrapper(directory.path()).expect("a file of fixed bytes");
        let Some((program, rest)) = words.split_first() else {
            // The system allows no namespaces, which was said.
            return;
        };
        let output = Command::new(program)
            .args(rest)
            .args(["head", "-c", "4", "/dev/urandom"])
            .output();
        assert_eq!(output.expect("its output").stdout, [0, 1, 2, 3]);
    }
}
