//! One server on a host of its own: start, kill, freeze, wipe.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use nix::mount::{umount2, MntFlags};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use redis::{Client, Connection, FromRedisValue};

use crate::host::Host;
use crate::interrupt;
use crate::member::Size;
use crate::sandbox::{mount_tmpfs, DATA};

pub const PORT: u16 = 6379;
/// The size of a node's disk.
const DISK: &str = "192m";
/// For commands of the lab itself. Only a frozen node takes longer, or a very busy machine.
const PATIENCE: Duration = Duration::from_secs(8);
/// A node that does not answer within this time counts as silent.
pub const SILENCE: Duration = Duration::from_millis(1500);

/// A server's binary and the module that it loads.
#[derive(Clone, Debug)]
pub struct Programs {
    pub server: PathBuf,
    pub module: PathBuf,
    /// The mistake that a build of the module with the feature `mistakes` is to make.
    pub mistake: Option<String>,
    /// The shard that is written to is a failover group of this size.
    pub group: Option<Size>,
}

pub struct Node {
    /// One letter in schedules and in the report: `P`.
    pub name: String,
    pub host: Arc<Host>,
    /// Its number in the network.
    pub number: usize,
    directory: PathBuf,
    programs: Programs,
    arguments: Vec<String>,
    settings: Vec<String>,
    process: Mutex<Option<Child>>,
    /// A fault may end it.
    may_end: AtomicBool,
    /// It has ended although nobody ended it.
    ended_by_itself: AtomicBool,
    /// Something of its data was removed since [`has_all_data`](Self::has_all_data) was set.
    lacks_data: AtomicBool,
}

impl Node {
    /// A node that is not started yet. `settings` are lines of its configuration file, and
    /// `arguments` words of its command line, as `--sentinel`.
    pub fn new(
        name: &str,
        host: Arc<Host>,
        number: usize,
        programs: &Programs,
        settings: &[String],
        arguments: &[&str],
    ) -> Result<Node> {
        let directory = Path::new(DATA).join(format!("node-{}", host.address));
        mount_tmpfs(&directory, DISK)?;
        let mut lines = vec![
            format!("port {PORT}"),
            "protected-mode no".to_owned(),
            format!("dir {}", directory.display()),
        ];
        lines.extend_from_slice(settings);
        let node = Node {
            name: name.to_owned(),
            host,
            number,
            directory,
            programs: programs.clone(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            settings: lines,
            process: Mutex::new(None),
            may_end: AtomicBool::new(false),
            ended_by_itself: AtomicBool::new(false),
            lacks_data: AtomicBool::new(false),
        };
        node.configure(true)?;
        Ok(node)
    }

    /// Writes the configuration file, with or without the module.
    pub fn configure(&self, with_module: bool) -> Result<()> {
        let wanted = |line: &&String| with_module || !line.starts_with("loadmodule ");
        let lines: Vec<&str> = self
            .settings
            .iter()
            .filter(wanted)
            .map(String::as_str)
            .collect();
        fs::write(self.directory.join("redis.conf"), lines.join("\n") + "\n")
            .context("writing redis.conf")
    }

    pub fn address(&self) -> Ipv4Addr {
        self.host.address
    }

    /// The library that it loads.
    pub fn module(&self) -> &Path {
        &self.programs.module
    }

    /// Starts the process, if it does not run.
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        if let Some(child) = process.as_mut() {
            if child.try_wait()?.is_none() {
                return Ok(());
            }
            if !self.may_end.load(Ordering::Relaxed) {
                self.ended_by_itself.store(true, Ordering::Relaxed);
            }
        }
        self.may_end.store(false, Ordering::Relaxed);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .context("opening a server's log")?;
        let mut command = Command::new(&self.programs.server);
        command
            .arg(self.directory.join("redis.conf"))
            .args(&self.arguments)
            .current_dir(&self.directory)
            // Ctrl-C in a terminal must not end the servers.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = self.host.inside(|| {
            command
                .spawn()
                .with_context(|| format!("starting {}", self.programs.server.display()))
        })?;
        *process = Some(child);
        Ok(())
    }

    /// `kill -9`. Its files stay.
    pub fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends the process in order (SIGTERM), or after some seconds by force.
    pub fn shut_down(&self) {
        self.signal(Signal::SIGTERM);
        let mut tries = 0;
        while self.is_running() && tries < 500 {
            std::thread::sleep(Duration::from_millis(10));
            tries += 1;
        }
        self.kill();
    }

    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The next fault may end it, as a full disk does.
    pub fn expect_an_end(&self) {
        self.may_end.store(true, Ordering::Relaxed);
    }

    /// Whether it has ever ended although neither the lab nor an expected fault ended it: a crash.
    pub fn has_crashed(&self) -> bool {
        let is_known = self.process().is_some();
        let has_ended = is_known && !self.is_running();
        self.ended_by_itself.load(Ordering::Relaxed)
            || (has_ended && !self.may_end.load(Ordering::Relaxed))
    }

    /// Whether the process exists, frozen or not.
    pub fn is_running(&self) -> bool {
        match self.process().as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Removes its data, but not what it knows of the cluster. Only for a node that has ended.
    pub fn wipe(&self) -> Result<()> {
        self.lacks_data.store(true, Ordering::Relaxed);
        let _ = fs::remove_file(self.directory.join("dump.rdb"));
        match fs::remove_dir_all(self.directory.join("appendonlydir")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("removing the append-only file")
            }
            _ => Ok(()),
        }
    }

    /// Removes what it knows of the cluster, with its id. Only for a node that has ended.
    pub fn forget_the_cluster(&self) -> Result<()> {
        for name in ["nodes.conf", "nodes.conf.durable"] {
            fs::remove_file(self.directory.join(name)).context("removing what a node knows")?;
        }
        Ok(())
    }

    /// Whether nobody has removed any of its data.
    pub fn has_its_data(&self) -> bool {
        !self.lacks_data.load(Ordering::Relaxed)
    }

    /// It has copied the primary's.
    pub fn has_all_data(&self) {
        self.lacks_data.store(false, Ordering::Relaxed);
    }

    /// The size of the append-only file that is being written, in bytes.
    pub fn written(&self) -> u64 {
        self.log_of_writes()
            .and_then(|path| fs::metadata(path).ok())
            .map_or(0, |metadata| metadata.len())
    }

    /// Cuts the end off the append-only file, as when a machine loses power before an fsync.
    pub fn forget_after(&self, length: u64) -> Result<()> {
        self.lacks_data.store(true, Ordering::Relaxed);
        if let Some(path) = self.log_of_writes() {
            let file = OpenOptions::new().write(true).open(path)?;
            if file.metadata()?.len() > length {
                file.set_len(length)
                    .context("cutting the append-only file")?;
            }
        }
        Ok(())
    }

    /// The newest incremental file of the append-only log.
    fn log_of_writes(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.directory.join("appendonlydir")).ok()?;
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
    }

    /// Fills its disk, until nothing can be written.
    pub fn fill_disk(&self) -> Result<()> {
        let mut file = File::create(self.directory.join("filler"))?;
        let zeros = vec![0; 1 << 20];
        // Ends with "no space left on device".
        while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
        Ok(())
    }

    pub fn empty_disk(&self) {
        let _ = fs::remove_file(self.directory.join("filler"));
    }

    /// Whether a line with this text was logged after the first `from` bytes of the log.
    pub fn has_logged(&self, text: &str, from: u64) -> bool {
        let Ok(mut file) = File::open(self.log_path()) else {
            return false;
        };
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(from))
            .and_then(|_| file.read_to_end(&mut bytes));
        read.is_ok() && String::from_utf8_lossy(&bytes).contains(text)
    }

    /// The size of its log, in bytes.
    pub fn log_length(&self) -> u64 {
        fs::metadata(self.log_path()).map_or(0, |metadata| metadata.len())
    }

    /// Everything that it logged and printed.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A connection of the lab itself.
    pub fn connect(&self) -> redis::RedisResult<Connection> {
        connect(self.address(), PATIENCE)
    }

    /// Runs one command on a new connection.
    pub fn run<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        self.run_within(words, PATIENCE)
    }

    /// As [`run`](Self::run), with another patience.
    pub fn run_within<T: FromRedisValue>(&self, words: &[&str], patience: Duration) -> Result<T> {
        let (name, arguments) = words.split_first().context("a command has a name")?;
        let mut connection = connect(self.address(), patience)?;
        let reply = redis::cmd(name).arg(arguments).query(&mut connection);
        reply.with_context(|| format!("{} on {}", words.join(" "), self.name))
    }

    /// One number of INFO. 0 if it does not answer.
    pub fn number(&self, section: &str, field: &str) -> u64 {
        let info: String = self
            .run_within(&["INFO", section], SILENCE)
            .unwrap_or_default();
        let mut lines = info.lines();
        let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Runs a command that may fail because of a fault.
    pub fn try_run(&self, words: &[&str]) -> bool {
        self.run::<redis::Value>(words).is_ok()
    }

    /// Waits until the server answers.
    pub fn wait_until_it_answers(&self) -> Result<()> {
        for _ in 0..1000 {
            interrupt::check()?;
            ensure!(
                self.is_running(),
                "{} ended instead of starting; its log:\n{}",
                self.name,
                self.log()
            );
            if self.try_run(&["PING"]) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!("{} does not answer; its log:\n{}", self.name, self.log())
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = self.process().as_ref() {
            if let Ok(id) = i32::try_from(child.id()) {
                let _ = kill(Pid::from_raw(id), signal);
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        // Its data are in memory.
        let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
    }
}

/// A connection that fails instead of waiting for longer than `patience`.
pub fn connect(address: Ipv4Addr, patience: Duration) -> redis::RedisResult<Connection> {
    let client = Client::open(format!("redis://{address}:{PORT}"))?;
    let connection = client.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    Ok(connection)
}
