//! A replica without a server: it goes through the handshake and the full sync as a real one does, and
//! then acknowledges exactly what the test tells it to, true or not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::eventually::eventually;
use crate::framing::{encode_command, reply_length};
use crate::port::ReservedPort;
use crate::server::Server;

/// Only a primary that does not answer takes this long to begin a full sync.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

pub struct FakeReplica {
    stream: TcpStream,
    listening_port: u16,
    /// Keeps the announced port from being given to somebody else.
    _reserved: Option<ReservedPort>,
    received: Arc<Mutex<Received>>,
}

struct Received {
    /// The offset at which the full sync left off; the stream counts on from there.
    start: u64,
    stream: Vec<u8>,
    connected: bool,
}

/// Describes a fake replica. Made by [`FakeReplica::builder`].
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
    /// A fake replica with a listening port of its own, which has acknowledged nothing yet.
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

    /// The port it announced, 0 when it announced none.
    pub fn listening_port(&self) -> u16 {
        self.listening_port
    }

    /// The offset up to which it has really read the stream.
    pub fn offset(&self) -> u64 {
        let received = self.received();
        received.start + received.stream.len() as u64
    }

    /// Waits until it has really read the stream up to `offset`.
    #[track_caller]
    pub fn wait_for_offset(&self, offset: u64) {
        eventually(&format!("the fake replica to read up to {offset}"), || {
            self.offset() >= offset
        });
    }

    /// Reports `offset` as acknowledged, whether it is true or not. The primary ignores an offset
    /// below one that it has been told before.
    #[track_caller]
    pub fn ack(&mut self, offset: u64) {
        self.send(&["REPLCONF", "ACK", &offset.to_string()]);
    }

    /// As `ack`, and reports `fsynced` as written to disk (Redis 7.2 and later, Valkey).
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

    /// Acknowledges what it has really read, and returns that offset.
    #[track_caller]
    pub fn ack_what_was_read(&mut self) -> u64 {
        let offset = self.offset();
        self.ack(offset);
        offset
    }

    /// Sends any command on the replication link. The primary answers none of them.
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

    /// The whole commands in the stream since the full sync, each with its arguments: what the
    /// primary sends its replicas, SELECT, PING and REPLCONF GETACK among it.
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
        // Ends the reading thread as well.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl FakeReplicaBuilder {
    /// Announces this port instead of a free one; two replicas may be given the same.
    pub fn listening_port(mut self, port: u16) -> Self {
        self.announce = Announce::Port(port);
        self
    }

    /// Announces no port, as `redis-cli --replica` and change-capture tools do.
    pub fn without_listening_port(mut self) -> Self {
        self.announce = Announce::Nothing;
        self
    }

    /// Whether it takes a full sync without a length in front (it does unless told otherwise).
    /// A primary with diskless replication sends the other kind to those that do not.
    pub fn eof_capable(mut self, capable: bool) -> Self {
        self.eof_capable = capable;
        self
    }

    /// Connects, goes through the full sync, and returns when the primary counts it as online.
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
            Err(error) => panic!("a socket cannot be cloned: {error}"),
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
        eventually("the primary to count the fake replica as online", || {
            same() > before
        });
        // After a full sync without a file the primary holds the stream back until the first word
        // from the replica. 0 acknowledges nothing.
        replica.ack(0);
        replica
    }

    /// Returns where the stream begins: the reader right behind the full sync, and its offset.
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
        // From here on silence is as good as anything.
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

/// The next line that says anything: empty ones are the primary's sign of life while it prepares.
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

/// Reads past the data set: `$<length>` and so many bytes when it comes from a file, or
/// `$EOF:<40 characters>` and everything until those characters come again.
fn swallow_snapshot(reader: &mut BufReader<TcpStream>) -> Result<(), String> {
    let header = line(reader)?;
    if let Some(mark) = header.strip_prefix("$EOF:") {
        let mark = mark.as_bytes();
        let last = *mark.last().ok_or("an end mark without characters")?;
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

/// Reads for ever, so that the primary's output buffer stays empty.
fn read_on(mut reader: BufReader<TcpStream>, received: &Mutex<Received>) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut chunk) {
        lock(received).stream.extend_from_slice(&chunk[..count]);
    }
    lock(received).connected = false;
}

/// The arguments of one command, which the stream holds as an array of bulk strings.
fn arguments(command: &[u8]) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = command;
    // Skips the array's header, then takes each bulk string by its length.
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
