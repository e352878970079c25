//! The program in the image of `docker/library.Dockerfile`. It copies the library that is beside
//! it into a directory, for init containers: the image has no shell and no `cp`.
//!
//! ```text
//! copy-library /modules      makes /modules/libredis_durable.so
//! ```

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{Error, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const LIBRARY: &str = "libredis_durable.so";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [directory] = arguments.as_slice() else {
        eprintln!("usage: copy-library DIRECTORY; nothing was copied");
        return ExitCode::from(2);
    };
    match beside_this_program().and_then(|library| copy(&library, Path::new(directory))) {
        Ok(copied) => {
            println!("copied {}", copied.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let directory = Path::new(directory).display();
            eprintln!("{LIBRARY} was not copied to {directory}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn beside_this_program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(LIBRARY))
}

/// Copies the library into the directory. The copy gets its name by rename, so a server that has
/// loaded an earlier copy from there keeps that one. Servers load only executable libraries.
fn copy(library: &Path, directory: &Path) -> Result<PathBuf> {
    let name = library.display();
    let mut source = File::open(library)
        .map_err(|error| Error::new(error.kind(), format!("cannot read {name}: {error}")))?;
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    std::io::copy(&mut source, &mut new)?;
    new.as_file()
        .set_permissions(Permissions::from_mode(0o755))?;
    let place = directory.join(LIBRARY);
    new.persist(&place)?;
    Ok(place)
}
