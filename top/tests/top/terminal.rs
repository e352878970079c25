//! Runs the program on a terminal, and reads its screen.
//!
//! The terminal is a pseudo-terminal of the kernel. When this process ends, the kernel hangs it up,
//! and the program ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcsetwinsize, Winsize};
use testkit::{eventually, eventually_some, Server};

use crate::program::PROGRAM;

pub struct Terminal {
    program: Running,
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

/// Killed when it is dropped.
struct Running(Child);

impl Terminal {
    /// Runs the program for a server, on a screen of this size.
    pub fn start(server: &Server, (columns, rows): (u16, u16), colours: bool) -> Terminal {
        let (ours, program) = spawn(server, (columns, rows), colours);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (drawn, mut output) = (Arc::clone(&screen), ours.try_clone().expect("a copy"));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error means that the program has ended.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                drawn
                    .lock()
                    .expect("no reader panics")
                    .process(&bytes[..length]);
            }
        });
        Terminal {
            program,
            keys: ours,
            screen,
        }
    }

    pub fn press(&mut self, key: &str) {
        let written = self.keys.write_all(key.as_bytes());
        written.expect("the terminal takes keys");
    }

    /// Waits until the screen contains this text. Prints the screen if it never does.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait(&format!("{text:?} on the screen"), |screen| {
            screen.contains(text)
        });
    }

    /// Waits until this text has left the screen.
    #[track_caller]
    pub fn wait_without(&self, text: &str) {
        self.wait(&format!("{text:?} to leave the screen"), |screen| {
            !screen.is_empty() && !screen.contains(text)
        });
    }

    /// Whether any character has a colour.
    pub fn has_colours(&self) -> bool {
        let parser = self.screen.lock().expect("no reader panics");
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let coloured = |(row, column)| {
            let cell = screen.cell(row, column);
            cell.is_some_and(|cell| cell.fgcolor() != vt100::Color::Default)
        };
        cells.into_iter().any(coloured)
    }

    /// Waits until the program has ended, and the screen is the user's again.
    #[track_caller]
    pub fn wait_for_the_end(&mut self) -> ExitStatus {
        let status = eventually_some("the program to end", || {
            self.program.0.try_wait().expect("its state")
        });
        eventually("the terminal to be restored", || {
            let parser = self.screen.lock().expect("no reader panics");
            !parser.screen().alternate_screen() && !parser.screen().hide_cursor()
        });
        status
    }

    #[track_caller]
    fn wait(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let shown = || {
            let parser = self.screen.lock().expect("no reader panics");
            parser.screen().contents()
        };
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || condition(&shown()));
        }));
        if let Err(panic) = waited {
            eprintln!("the screen is:\n{}", shown());
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program on a new terminal, which goes away while it waits for keys.
#[track_caller]
pub fn wait_for_the_end_of_a_hung_up_program(server: &Server) {
    let (mut ours, mut program) = spawn(server, (80, 24), true);
    // It has to wait for keys already, so it gets one and shows what that does.
    ours.write_all(b"p").expect("the terminal takes keys");
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("PAUSED") {
        let mut bytes = [0; 4096];
        let length = ours.read(&mut bytes).expect("it shows something");
        shown.extend_from_slice(&bytes[..length]);
    }
    drop(ours);
    eventually("the program to end without its terminal", || {
        program.0.try_wait().expect("its state").is_some()
    });
}

/// Our end of a new terminal, and the program on the other one.
fn spawn(server: &Server, (columns, rows): (u16, u16), colours: bool) -> (File, Running) {
    let (ours, theirs) = pair(columns, rows).expect("the kernel gives a pseudo-terminal");
    let copy = || theirs.try_clone().expect("the terminal can be shared");
    // A session of its own, with this terminal. The signal of a terminal that goes away is not
    // ignored, as it is in tests that `nohup` runs.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", "setsid", "--ctty", PROGRAM])
        .args(["--interval", "0.1", "-p"])
        .arg(server.port().to_string())
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(copy())
        .stdout(copy())
        .stderr(copy());
    if !colours {
        command.env("NO_COLOR", "1");
    }
    let program = command.spawn().expect("setsid of util-linux runs");
    (ours, Running(program))
}

/// Both ends: ours, and the program's.
fn pair(columns: u16, rows: u16) -> std::io::Result<(File, File)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_string_lossy().as_ref())?;
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(theirs.as_fd(), size)?;
    Ok((File::from(ours), theirs))
}
