//! A connection to one server: a socket, optionally with TLS, and the parser of the redis crate.
//!
//! The redis crate's own connection gives access neither to its socket nor to what it has buffered.
//! Both are needed here. The socket is needed for one deadline over all reads of a reply. The
//! buffer is needed to check, before a command is sent, that nothing is left of earlier replies.

use std::io::{self, Read, Write};

#[cfg(feature = "tls")]
use redis::{ErrorKind, RedisError};
use redis::{Parser, RedisResult, Value};

use crate::decide::deadline::Deadline;
use crate::decide::links::LinkCheck;
use crate::drive::socket::Socket;

/// A check reads at most this many bytes: push messages of RESP3 may have arrived meanwhile.
const MAX_CHECKED_BYTES: usize = 64 * 1024;
/// A reply that no server sends. A check parses it after everything that has arrived: if it comes
/// out unchanged, nothing was left before it.
const SENTINEL: &[u8] = b"+nothing is left before this\r\n";
const SENTINEL_TEXT: &str = "nothing is left before this";

pub(crate) struct Connection {
    stream: Stream,
    parser: Parser,
}

enum Stream {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Socket>>),
}

impl Connection {
    pub(crate) fn plain(socket: Socket) -> Connection {
        Connection {
            stream: Stream::Plain(socket),
            parser: Parser::new(),
        }
    }

    /// Does the TLS handshake, by `deadline`.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(
        mut socket: Socket,
        host: &str,
        config: std::sync::Arc<rustls::ClientConfig>,
        deadline: Deadline,
    ) -> RedisResult<Connection> {
        let invalid = |error: &dyn std::fmt::Display| {
            let what = "TLS cannot be begun with these settings";
            RedisError::from((ErrorKind::InvalidClientConfig, what, error.to_string()))
        };
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| invalid(&error))?;
        let mut session =
            rustls::ClientConnection::new(config, name).map_err(|error| invalid(&error))?;
        socket.begin(deadline, usize::MAX);
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let stream = Box::new(rustls::StreamOwned::new(session, socket));
        Ok(Connection {
            stream: Stream::Tls(stream),
            parser: Parser::new(),
        })
    }

    /// Sends all of this by `deadline`.
    pub(crate) fn send(&mut self, bytes: &[u8], deadline: Deadline) -> RedisResult<()> {
        self.stream.socket().begin(deadline, usize::MAX);
        self.stream.write_all(bytes)?;
        // TLS may have encrypted bytes that it has not sent yet.
        self.stream.flush()?;
        Ok(())
    }

    /// The next reply, read to its end by `deadline`. Push messages of RESP3, which come at any
    /// time, are skipped.
    pub(crate) fn receive(&mut self, deadline: Deadline) -> RedisResult<Value> {
        self.receive_at_most(usize::MAX, deadline)
    }

    /// The same. A reply of more than so many bytes is an error.
    pub(crate) fn receive_at_most(
        &mut self,
        bytes: usize,
        deadline: Deadline,
    ) -> RedisResult<Value> {
        self.stream.socket().begin(deadline, bytes);
        loop {
            match self.parser.parse_value(&mut self.stream)? {
                Value::Push { .. } => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Whether a command can be sent: the server has not closed the connection, and has sent
    /// nothing that would be taken for the reply. No reply may be outstanding. Does not wait.
    pub(crate) fn check(&mut self) -> LinkCheck {
        // What TLS has decrypted shows only when it is read.
        let is_quiet = match &self.stream {
            Stream::Plain(socket) => socket.is_quiet(),
            #[cfg(feature = "tls")]
            Stream::Tls(_) => false,
        };
        if is_quiet {
            return self.check_buffered(false);
        }
        let socket = self.stream.socket();
        socket.begin(Deadline::NEVER, MAX_CHECKED_BYTES);
        if socket.set_waiting(false).is_err() {
            return LinkCheck::Closed;
        }
        let check = self.check_buffered(true);
        match self.stream.socket().set_waiting(true) {
            Ok(()) => check,
            Err(_) => LinkCheck::Closed,
        }
    }

    /// Parses what is buffered and then, if `reads`, what the socket has. The socket must not wait.
    fn check_buffered(&mut self, reads: bool) -> LinkCheck {
        let mut left = WhatIsLeft {
            stream: reads.then_some(&mut self.stream),
            sentinel: SENTINEL,
            is_closed: false,
        };
        let found = loop {
            match self.parser.parse_value(&mut left) {
                Ok(Value::Push { .. }) => {}
                found => break found,
            }
        };
        match found {
            _ if left.is_closed => LinkCheck::Closed,
            Ok(Value::SimpleString(text)) if text == SENTINEL_TEXT => LinkCheck::Clean,
            // Also if the sentinel has become the end of a reply that had begun.
            _ => LinkCheck::Surplus,
        }
    }
}

/// What has arrived already, and the sentinel behind it.
struct WhatIsLeft<'s> {
    stream: Option<&'s mut Stream>,
    sentinel: &'s [u8],
    is_closed: bool,
}

impl Read for WhatIsLeft<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let nothing = || Err(io::ErrorKind::WouldBlock.into());
        let read = self.stream.as_mut().map(|stream| stream.read(buffer));
        match read.unwrap_or_else(nothing) {
            Ok(0) => {
                self.is_closed = true;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match self.sentinel.read(buffer)? {
                    0 => Err(error),
                    read => Ok(read),
                }
            }
            Err(error) => {
                self.is_closed = true;
                Err(error)
            }
            read => read,
        }
    }
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Stream::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
