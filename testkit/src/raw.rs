//! A connection that shows the bytes of the protocol as they travel.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};

use crate::framing::{encode_command, Framing};
use crate::patience::Patience;
use crate::server::log_tail;

/// Only a broken server takes this long; a reply that is to stay away is no reason to wait for it.
/// Where the machine has much other work, [`Patience`] goes on.
const READ_LIMIT: Duration = Duration::from_secs(20);

pub struct RawConn {
    stream: TcpStream,
    /// What was read and not yet handed out.
    buffer: Vec<u8>,
    /// The server's log, whose end goes into the message when something awaited does not come.
    log: Option<PathBuf>,
}

impl RawConn {
    /// Connects to any address, such as that of a [`crate::Cut`]. For servers: [`crate::Server::raw`].
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

    /// Sends one command and does not wait for its reply.
    pub fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) {
        self.send_bytes(&encode_command(command));
    }

    /// Sends bytes as they are: pipelines, inline commands, half a command.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            panic!("cannot send {}: {error}{}", shown(bytes), self.log_tail());
        }
    }

    /// The exact bytes of one whole reply, RESP2 or RESP3. A push message is a reply of its own; an
    /// attribute comes together with the reply it belongs to.
    #[track_caller]
    pub fn read_reply_bytes(&mut self) -> Vec<u8> {
        let mut framing = Framing::default();
        loop {
            match framing.reply_length(&self.buffer) {
                Ok(Some(length)) => return self.buffer.drain(..length).collect(),
                Ok(None) => {}
                Err(reason) => {
                    panic!(
                        "no reply: {reason}, in {}{}",
                        shown(&self.buffer),
                        self.log_tail()
                    )
                }
            }
            if self.fill("a whole reply") == 0 {
                panic!(
                    "the server closed the connection where a reply was awaited; read so far: {}{}",
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

    /// As [`RawConn::call`], as text: bytes that are not UTF-8 become replacement characters.
    #[track_caller]
    pub fn call_text(&mut self, command: &[&str]) -> String {
        String::from_utf8_lossy(&self.call(command)).into_owned()
    }

    /// Exactly `count` bytes, whatever they mean.
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

    /// Reads until the server closes the connection and returns what came before that.
    #[track_caller]
    pub fn read_until_closed(&mut self) -> Vec<u8> {
        while self.fill("the end of the connection") > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether a read would return at once: because of data, or because the connection has ended.
    ///
    /// To show that a reply is held back, first make sure that the server has dealt with the command
    /// (by a later reply on another connection, or by a counter in INFO), then ask this.
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

    /// Switches to RESP3 and swallows the reply.
    pub fn hello3(&mut self) {
        let reply = self.call(&["HELLO", "3"]);
        assert!(
            reply.starts_with(b"%"),
            "HELLO 3 was answered {}",
            shown(&reply)
        );
    }

    /// The server's id of this connection, as CLIENT UNBLOCK and CLIENT KILL take it.
    pub fn client_id(&mut self) -> u64 {
        let reply = self.call_text(&["CLIENT", "ID"]);
        let number = reply
            .trim_end()
            .strip_prefix(':')
            .and_then(|digits| digits.parse().ok());
        number.unwrap_or_else(|| panic!("CLIENT ID was answered {reply:?}"))
    }

    /// The address of this end, as CLIENT LIST shows it in `addr`.
    pub fn local_addr(&self) -> String {
        let address = self.stream.local_addr();
        address
            .unwrap_or_else(|error| panic!("a connected socket has an address: {error}"))
            .to_string()
    }

    /// Reads what there is, at least one byte; 0 when the connection has ended.
    #[track_caller]
    fn fill(&mut self, awaited: &str) -> usize {
        let mut chunk = [0; 64 * 1024];
        let mut patience = Patience::of(READ_LIMIT);
        loop {
            match self.stream.read(&mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A server that is killed resets its connections, which is an end like any other.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return 0,
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        && self.has_news_after_all(&mut patience) => {}
                Err(error) => panic!(
                    "awaited {awaited}, and the read ended with: {error}; read so far: {}{}",
                    shown(&self.buffer),
                    self.log_tail()
                ),
            }
        }
    }

    /// Whether something comes before the patience ends that outlasts the socket's own limit.
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
