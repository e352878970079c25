//! A connection that shows the bytes of the protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use socket2::SockRef;

use crate::framing::{encode_command, Framing};
use crate::patience::Patience;
use crate::server::log_tail;

/// Only a broken server takes so long to answer. On a busy machine [`Patience`] extends the limit
/// of a read. To check that there is no reply, tests use [`RawConn::is_readable_now`].
const READ_LIMIT: Duration = Duration::from_secs(20);

pub struct RawConn {
    stream: TcpStream,
    /// Bytes that were read and not yet returned.
    buffer: Vec<u8>,
    /// The server's log. A failed read prints its end.
    log: Option<PathBuf>,
}

impl RawConn {
    /// Connects to any address, such as that of a [`crate::Cut`]. [`crate::Server::raw`] connects
    /// to a server.
    pub fn connect(address: &str) -> RawConn {
        RawConn::open(address, None)
    }

    pub(crate) fn open(address: &str, log: Option<PathBuf>) -> RawConn {
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(READ_LIMIT)))
            .and_then(|()| stream.set_write_timeout(Some(READ_LIMIT)));
        prepared.unwrap_or_else(|error| panic!("cannot prepare the socket to {address}: {error}"));
        RawConn {
            stream,
            buffer: Vec::new(),
            log,
        }
    }

    /// Sends one command without reading its reply.
    pub fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) {
        self.send_bytes(&encode_command(command));
    }

    /// Sends raw bytes: pipelines, inline commands, half a command.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            panic!("cannot send {}: {error}{}", shown(bytes), self.log_tail());
        }
    }

    /// The exact bytes of one complete reply, RESP2 or RESP3. A push message is a reply of its own.
    /// An attribute comes with the reply after it.
    #[track_caller]
    pub fn read_reply_bytes(&mut self) -> Vec<u8> {
        let mut framing = Framing::default();
        loop {
            match framing.reply_length(&self.buffer) {
                Ok(Some(length)) => return self.buffer.drain(..length).collect(),
                Ok(None) => {}
                Err(reason) => {
                    panic!(
                        "not a reply: {reason}; read: {}{}",
                        shown(&self.buffer),
                        self.log_tail()
                    )
                }
            }
            if self.fill("a whole reply") == 0 {
                panic!(
                    "the server closed the connection before the end of a reply; read so far: {}{}",
                    shown(&self.buffer),
                    self.log_tail()
                );
            }
        }
    }

    /// Sends one command and returns the exact bytes of the reply.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, command: &[A]) -> Vec<u8> {
        self.send(command);
        self.read_reply_bytes()
    }

    /// Like [`RawConn::call`], as text. Bytes that are not UTF-8 become replacement characters.
    #[track_caller]
    pub fn call_text(&mut self, command: &[&str]) -> String {
        String::from_utf8_lossy(&self.call(command)).into_owned()
    }

    /// Reads exactly `count` bytes.
    #[track_caller]
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            if self.fill("more bytes") == 0 {
                panic!(
                    "the connection ended after {} of {count} bytes: {}{}",
                    self.buffer.len(),
                    shown(&self.buffer),
                    self.log_tail()
                );
            }
        }
        self.buffer.drain(..count).collect()
    }

    /// Reads until the server closes the connection, and returns what it sent before.
    #[track_caller]
    pub fn read_until_closed(&mut self) -> Vec<u8> {
        while self.fill("the end of the connection") > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether a read would return at once, with data or because the connection has ended.
    ///
    /// To show that the server holds a reply back, first make sure that it has executed the command
    /// (by a later reply on another connection, or by a counter in INFO), then call this.
    pub fn is_readable_now(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return true;
        }
        self.has_news()
    }

    fn has_news(&self) -> bool {
        let mut look = [PollFd::new(&self.stream, PollFlags::IN)];
        // A timeout of zero: the call does not block.
        poll(&mut look, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Ends the connection by a reset. Unlike an ordinary close it leaves no port behind in
    /// TIME_WAIT, so a test can open and end more connections than there are ports.
    pub fn reset(self) {
        let prepared = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        prepared.unwrap_or_else(|error| panic!("cannot prepare the socket for its reset: {error}"));
    }

    /// Switches to RESP3 and reads the reply.
    pub fn hello3(&mut self) {
        let reply = self.call(&["HELLO", "3"]);
        assert!(
            reply.starts_with(b"%"),
            "HELLO 3 was answered {}",
            shown(&reply)
        );
    }

    /// The client id of this connection, for CLIENT UNBLOCK and CLIENT KILL.
    pub fn client_id(&mut self) -> u64 {
        let reply = self.call_text(&["CLIENT", "ID"]);
        let number = reply
            .trim_end()
            .strip_prefix(':')
            .and_then(|digits| digits.parse().ok());
        number.unwrap_or_else(|| panic!("CLIENT ID was answered {reply:?}"))
    }

    /// The address of this end, `addr` in CLIENT LIST.
    pub fn local_addr(&self) -> String {
        let address = self.stream.local_addr();
        address
            .unwrap_or_else(|error| panic!("a connected socket has no address: {error}"))
            .to_string()
    }

    /// Reads at least one byte, and returns how many. 0 means that the connection has ended.
    #[track_caller]
    fn fill(&mut self, expected: &str) -> usize {
        let mut chunk = [0; 64 * 1024];
        let mut patience = Patience::of(READ_LIMIT);
        loop {
            match self.stream.read(&mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A killed server resets its connections. That is an end like any other.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return 0,
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        && self.has_news_after_all(&mut patience) => {}
                Err(error) => panic!(
                    "expected {expected}, but the read failed: {error}; read so far: {}{}",
                    shown(&self.buffer),
                    self.log_tail()
                ),
            }
        }
    }

    /// Whether something arrives before `patience` ends. The socket's own read limit has passed.
    fn has_news_after_all(&self, patience: &mut Patience) -> bool {
        while !self.has_news() {
            if patience.is_at_its_end() {
                return false;
            }
        }
        true
    }

    fn log_tail(&self) -> String {
        self.log.as_deref().map(log_tail).unwrap_or_default()
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
