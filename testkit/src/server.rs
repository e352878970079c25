//! One server process in a directory of its own.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::panicking;
use std::time::Duration;

use redis::{Connection, FromRedisValue};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::builder::ServerBuilder;
use crate::environment::server_binary;
use crate::eventually::{eventually, eventually_some};
use crate::port::ReservedPort;
use crate::process::{ended_with_the_parent, Process};
use crate::raw::RawConn;
use crate::version::Version;

/// Only a broken server takes so long to answer a command that does not block.
const RESPONSE_LIMIT: Duration = Duration::from_secs(20);
const LOG_FILE: &str = "server.log";
const LOG_TAIL_LINES: usize = 40;

/// A running server. Dropping it kills the process, and prints the end of the log if the test
/// failed.
pub struct Server {
    name: String,
    wrapper: Vec<String>,
    directory: TempDir,
    port: ReservedPort,
    bus: Option<ReservedPort>,
    version: Version,
    process: Mutex<Arc<Process>>,
}

impl Server {
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn start(
        name: String,
        wrapper: Vec<String>,
        directory: TempDir,
        port: ReservedPort,
        bus: Option<ReservedPort>,
        version: Version,
    ) -> Result<Server, String> {
        let process = Mutex::new(Arc::new(spawn(&wrapper, directory.path())));
        let server = Server {
            name,
            wrapper,
            directory,
            port,
            bus,
            version,
            process,
        };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port of the cluster bus, in cluster mode.
    pub fn bus_port(&self) -> Option<u16> {
        self.bus.as_ref().map(ReservedPort::number)
    }

    /// `127.0.0.1:<port>`, or another loopback address that the builder set.
    pub fn addr(&self) -> String {
        format!("{}:{}", self.port.host(), self.port())
    }

    /// Its directory: redis.conf, server.log, and the data files.
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// A new RESP2 connection.
    #[track_caller]
    pub fn conn(&self) -> Connection {
        self.connect("resp2")
    }

    /// A new RESP3 connection.
    #[track_caller]
    pub fn conn3(&self) -> Connection {
        self.connect("resp3")
    }

    /// A new connection that shows protocol bytes.
    #[track_caller]
    pub fn raw(&self) -> RawConn {
        RawConn::open(&self.addr(), Some(self.log_path()))
    }

    /// Runs one command on a new connection. Panics when the reply is an error.
    #[track_caller]
    pub fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let result = run_on(&mut self.conn(), command);
        result.unwrap_or_else(|error| panic!("{command:?} on {}: {error}", self.name))
    }

    /// Runs one command on a new connection.
    #[track_caller]
    pub fn try_run<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        run_on(&mut self.conn(), command)
    }

    /// Makes this server a replica of `primary`, until its next restart.
    #[track_caller]
    pub fn replica_of(&self, primary: &Server) {
        let port = primary.port().to_string();
        self.run::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    }

    /// Makes this server a primary.
    #[track_caller]
    pub fn promote(&self) {
        self.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Stops the process (SIGSTOP). It keeps its connections and answers nothing. Returns when all
    /// of its threads have stopped.
    pub fn pause(&self) {
        self.process().signal(Signal::STOP);
        // kill() returns before the signal arrives, and each thread stops on its own.
        eventually("all threads of the paused server to stop", || {
            self.process().is_stopped()
        });
    }

    /// Continues a paused process (SIGCONT).
    pub fn resume(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Kills the process, like a crash or `kill -9`. Its files stay.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Ends the process in order (SIGTERM), and waits until it has ended.
    pub fn shutdown(&self) {
        let process = self.process().clone();
        process.signal(Signal::TERM);
        process.signal(Signal::CONT);
        process.wait();
    }

    /// Ends the process in order if it runs, and starts it again with the same port, directory and
    /// configuration file.
    #[track_caller]
    pub fn restart(&self) {
        if self.is_alive() {
            self.shutdown();
        }
        *self.process() = Arc::new(spawn(&self.wrapper, self.dir()));
        if let Err(log) = self.wait_until_it_answers() {
            panic!(
                "{} ended instead of starting again; its log:\n{log}",
                self.name
            );
        }
    }

    /// Makes the server load this library from its next start on.
    #[track_caller]
    pub fn load_at_next_start(&self, library: &Path) {
        let path = self.dir().join("redis.conf");
        let text = fs::read_to_string(&path).expect("a server's configuration");
        let changed = text.lines().map(|line| {
            let mut words = line.splitn(3, '"');
            match (words.next(), words.next(), words.next()) {
                (Some("loadmodule "), Some(_), Some(arguments)) => {
                    format!("loadmodule \"{}\"{arguments}\n", library.display())
                }
                _ => format!("{line}\n"),
            }
        });
        fs::write(&path, changed.collect::<String>()).expect("a server's configuration");
    }

    /// Whether the process exists, running or paused.
    pub fn is_alive(&self) -> bool {
        self.process().is_alive()
    }

    /// Everything that the server logged and printed, over all its starts.
    pub fn log(&self) -> String {
        read_log(&self.log_path())
    }

    /// Waits until the log contains this text.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log of {}", self.name), || {
            self.log().contains(text)
        });
    }

    #[track_caller]
    fn connect(&self, protocol: &str) -> Connection {
        let connect = || -> redis::RedisResult<Connection> {
            let client =
                redis::Client::open(format!("redis://{}/?protocol={protocol}", self.addr()))?;
            let connection = client.get_connection_with_timeout(RESPONSE_LIMIT)?;
            connection.set_read_timeout(Some(RESPONSE_LIMIT))?;
            Ok(connection)
        };
        match connect() {
            Ok(connection) => connection,
            Err(error) => panic!(
                "cannot connect to {} at {}: {error}",
                self.name,
                self.addr()
            ),
        }
    }

    fn wait_until_it_answers(&self) -> Result<(), String> {
        let what = format!(
            "{} to answer; its log so far is in {}",
            self.name,
            self.log_path().display()
        );
        eventually_some(&what, || {
            if !self.is_alive() {
                return Some(Err(self.log()));
            }
            // The port is reserved, so no other server answers here. A connection alone shows
            // nothing: a server listens before it loads its module, and ends if it refuses it.
            let reply = first_answer(&self.addr()).ok()?;
            (!reply.is_empty() && !reply.starts_with(b"-LOADING")).then_some(Ok(()))
        })
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join(LOG_FILE)
    }

    fn process(&self) -> MutexGuard<'_, Arc<Process>> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process().kill();
        if panicking() {
            eprintln!(
                "--- {} at {}{}",
                self.name,
                self.addr(),
                log_tail(&self.log_path())
            );
        }
    }
}

fn run_on<T: FromRedisValue>(
    connection: &mut Connection,
    command: &[&str],
) -> redis::RedisResult<T> {
    let (name, arguments) = command.split_first().expect("a command has a name");
    redis::cmd(name).arg(arguments).query(connection)
}

/// The reply to PING. An error other than -LOADING also shows that the server is up.
fn first_answer(address: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(RESPONSE_LIMIT))?;
    stream.write_all(b"PING\r\n")?;
    let mut reply = vec![0; 64];
    let length = stream.read(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

/// Starts the process. What the process prints also goes into the server's log, because a panic in
/// the module is printed.
fn spawn(wrapper: &[String], directory: &Path) -> Process {
    let binary = server_binary();
    let start = || -> std::io::Result<Process> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join(LOG_FILE))?;
        let mut command = match wrapper.split_first() {
            Some((program, words)) => {
                let mut command = ended_with_the_parent(Path::new(program));
                command.args(words).arg(binary);
                command
            }
            None => ended_with_the_parent(binary),
        };
        command
            .arg(directory.join("redis.conf"))
            .current_dir(directory)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Process::start(command)
    };
    start().unwrap_or_else(|error| {
        panic!("cannot start {} through setpriv: {error}", binary.display())
    })
}

fn read_log(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The last lines of a log, for the end of a message.
pub(crate) fn log_tail(path: &Path) -> String {
    let log = read_log(path);
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    format!("\nthe end of the server's log:\n{}\n", tail.join("\n"))
}
