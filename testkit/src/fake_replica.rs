//! A replica without a server. It does the handshake and the full sync like a real one. Then it
//! acknowledges exactly the offsets that the test gives it, true or not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::eventually::eventually;
use crate::framing::{encode_command, reply_length};
use crate::port::ReservedPort;
use crate::server::Server;

/// Only a broken primary takes so long to begin a full sync.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

pub struct FakeReplica {
    stream: TcpStream,
    listening_port: u16,
    /// Reserves the announced port.
    _reserved: Option<ReservedPort>,
    received: Arc<Mutex<Received>>,
}

struct Received {
    /// The offset at the end of the full sync, where `stream` begins.
    start: u64,
    stream: Vec<u8>,
    connected: bool,
}

/// The description of a fake replica. [`FakeReplica::builder`] makes one.
pub struct FakeReplicaBuilder {
    announce: Announce,
    eof_capable: bool,
}

enum Announce {
    AnyFree,
    Port(u16),
    Nothing,
}

impl FakeReplica {
    /// Starts a fake replica that announces a free port and has acknowledged offset 0.
    #[track_caller]
    pub fn start(primary: &Server) -> FakeReplica {
        FakeReplica::builder().start(primary)
    }

    pub fn builder() -> FakeReplicaBuilder {
        FakeReplicaBuilder {
            announce: Announce::AnyFree,
            eof_capable: true,
        }
    }

    /// The port that it announced, or 0.
    pub fn listening_port(&self) -> u16 {
        self.listening_port
    }

    /// The offset up to which it has read the stream.
    pub fn offset(&self) -> u64 {
        let received = self.received();
        received.start + received.stream.len() as u64
    }

    /// Waits until it has read the stream up to `offset`.
    #[track_caller]
    pub fn wait_for_offset(&self, offset: u64) {
        eventually(&format!("the fake replica to read up to {offset}"), || {
            self.offset() >= offset
        });
    }

    /// Reports `offset` as acknowledged, true or not. The primary ignores an offset below an
    /// earlier one.
    #[track_caller]
    pub fn ack(&mut self, offset: u64) {
        self.send(&["REPLCONF", "ACK", &offset.to_string()]);
    }

    /// Like `ack`, and reports `fsynced` as written to disk (see
    /// [`crate::differences::REPORTS_FSYNCS`]).
    #[track_caller]
    pub fn ack_fsynced(&mut self, offset: u64, fsynced: u64) {
        self.send(&[
            "REPLCONF",
            "ACK",
            &offset.to_string(),
            "FACK",
            &fsynced.to_string(),
        ]);
    }

    /// Acknowledges what it has read, and returns that offset.
    #[track_caller]
    pub fn ack_what_was_read(&mut self) -> u64 {
        let offset = self.offset();
        self.ack(offset);
        offset
    }

    /// Sends a command on the replication link. The primary does not answer it.
    #[track_caller]
    pub fn send(&mut self, command: &[&str]) {
        if let Err(error) = self.stream.write_all(&encode_command(command)) {
            panic!("the fake replica cannot send {command:?}: {error}");
        }
    }

    /// The stream since the full sync, byte for byte.
    pub fn stream(&self) -> Vec<u8> {
        self.received().stream.clone()
    }

    /// The complete commands in the stream since the full sync, each with its arguments. SELECT,
    /// PING and REPLCONF GETACK are among them.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let stream = self.stream();
        let mut rest = &stream[..];
        let mut commands = Vec::new();
        while let Ok(Some(length)) = reply_length(rest) {
            commands.push(arguments(&rest[..length]));
            rest = &rest[length..];
        }
        commands
    }

    /// Whether the primary still holds the link.
    pub fn is_connected(&self) -> bool {
        self.received().connected
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        lock(&self.received)
    }
}

impl Drop for FakeReplica {
    fn drop(&mut self) {
        // Also ends the reading thread.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl FakeReplicaBuilder {
    /// Announces this port instead of a free one. Two replicas may announce the same port.
    pub fn listening_port(mut self, port: u16) -> Self {
        self.announce = Announce::Port(port);
        self
    }

    /// Announces no port, as `redis-cli --replica` and change-capture tools do.
    pub fn without_listening_port(mut self) -> Self {
        self.announce = Announce::Nothing;
        self
    }

    /// Whether it accepts a full sync that ends with a mark instead of beginning with a length.
    /// Default: yes. If not, the primary sends the length, even with diskless replication.
    pub fn eof_capable(mut self, capable: bool) -> Self {
        self.eof_capable = capable;
        self
    }

    /// Connects, does the full sync, and returns when the primary lists it as online.
    #[track_caller]
    pub fn start(self, primary: &Server) -> FakeReplica {
        let reserved = matches!(self.announce, Announce::AnyFree).then(ReservedPort::any);
        let listening_port = match (&self.announce, &reserved) {
            (Announce::Port(port), _) => *port,
            (_, Some(reserved)) => reserved.number(),
            _ => 0,
        };
        let same = || {
            primary
                .replica_links()
                .iter()
                .filter(|link| link.port == listening_port)
                .count()
        };
        let before = same();
        let (reader, offset) = match self.handshake(&primary.addr(), listening_port) {
            Ok(done) => done,
            Err(error) => panic!(
                "a fake replica cannot attach to {}: {error}",
                primary.name()
            ),
        };
        let stream = match reader.get_ref().try_clone() {
            Ok(stream) => stream,
            Err(error) => panic!("cannot clone the socket of a fake replica: {error}"),
        };
        let received = Received {
            start: offset,
            stream: Vec::new(),
            connected: true,
        };
        let received = Arc::new(Mutex::new(received));
        let filled = Arc::clone(&received);
        thread::spawn(move || read_on(reader, &filled));
        let mut replica = FakeReplica {
            stream,
            listening_port,
            _reserved: reserved,
            received,
        };
        eventually("the primary to list the fake replica as online", || {
            same() > before
        });
        // After a diskless full sync the primary sends no stream before the replica's first
        // REPLCONF ACK. The offset 0 acknowledges nothing.
        replica.ack(0);
        replica
    }

    /// Returns the reader at the first byte of the stream, and the offset there.
    fn handshake(&self, address: &str, port: u16) -> Result<(BufReader<TcpStream>, u64), String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream
            .set_read_timeout(Some(HANDSHAKE_LIMIT))
            .map_err(|error| error.to_string())?;
        let mut reader = BufReader::new(stream);
        if !matches!(self.announce, Announce::Nothing) {
            ask(
                &mut reader,
                &["REPLCONF", "listening-port", &port.to_string()],
                "+OK",
            )?;
        }
        if self.eof_capable {
            ask(
                &mut reader,
                &["REPLCONF", "capa", "eof", "capa", "psync2"],
                "+OK",
            )?;
        }
        let answer = ask(&mut reader, &["PSYNC", "?", "-1"], "+FULLRESYNC")?;
        let offset = answer.split(' ').nth(2).and_then(|word| word.parse().ok());
        let offset = offset.ok_or_else(|| format!("no offset in {answer:?}"))?;
        swallow_snapshot(&mut reader)?;
        // From here on the primary may be silent for any time.
        reader
            .get_ref()
            .set_read_timeout(None)
            .map_err(|error| error.to_string())?;
        Ok((reader, offset))
    }
}

fn ask(
    reader: &mut BufReader<TcpStream>,
    command: &[&str],
    expected: &str,
) -> Result<String, String> {
    let sent = reader.get_mut().write_all(&encode_command(command));
    sent.map_err(|error| format!("{command:?}: {error}"))?;
    let answer = line(reader)?;
    if answer.starts_with(expected) {
        Ok(answer)
    } else {
        Err(format!("{command:?} was answered {answer:?}"))
    }
}

/// The next line that is not empty. The primary sends empty ones as keep-alives before a full sync.
fn line(reader: &mut BufReader<TcpStream>) -> Result<String, String> {
    loop {
        let mut text = String::new();
        match reader.read_line(&mut text) {
            Ok(0) => return Err("the primary closed the connection".into()),
            Ok(_) if text.trim().is_empty() => {}
            Ok(_) => return Ok(text.trim().to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Reads past the snapshot. Either `$<length>` and so many bytes follow, or `$EOF:<40 characters>`
/// and bytes that end with those characters.
fn swallow_snapshot(reader: &mut BufReader<TcpStream>) -> Result<(), String> {
    let header = line(reader)?;
    if let Some(mark) = header.strip_prefix("$EOF:") {
        let mark = mark.as_bytes();
        let last = *mark.last().ok_or("an empty end mark")?;
        let mut snapshot = Vec::new();
        while !snapshot.ends_with(mark) {
            match reader.read_until(last, &mut snapshot) {
                Ok(0) => return Err("the full sync broke off".into()),
                Ok(_) => {}
                Err(error) => return Err(format!("the full sync: {error}")),
            }
        }
        return Ok(());
    }
    let length = header
        .strip_prefix('$')
        .and_then(|digits| digits.parse::<u64>().ok());
    let length = length.ok_or_else(|| format!("{header:?} where a full sync should begin"))?;
    match std::io::copy(&mut reader.take(length), &mut std::io::sink()) {
        Ok(copied) if copied == length => Ok(()),
        Ok(copied) => Err(format!(
            "the full sync broke off after {copied} of {length} bytes"
        )),
        Err(error) => Err(format!("the full sync: {error}")),
    }
}

/// Reads until the link ends, so that the primary's output buffer stays empty.
fn read_on(mut reader: BufReader<TcpStream>, received: &Mutex<Received>) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut chunk) {
        lock(received).stream.extend_from_slice(&chunk[..count]);
    }
    lock(received).connected = false;
}

/// The arguments of one command, encoded as an array of bulk strings.
fn arguments(command: &[u8]) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = command;
    // Skips the array's header, then reads each bulk string by its length.
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (header, behind) = (&rest[..end], &rest[end + 2..]);
        rest = behind;
        if let Some(digits) = header.strip_prefix(b"$") {
            let length = String::from_utf8_lossy(digits)
                .parse::<usize>()
                .unwrap_or(0);
            let (argument, behind) = rest.split_at(length.min(rest.len()));
            arguments.push(String::from_utf8_lossy(argument).into_owned());
            rest = behind.get(2..).unwrap_or_default();
        }
    }
    arguments
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
