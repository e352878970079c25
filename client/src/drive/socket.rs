//! A socket whose reads and writes all end by one deadline.
//!
//! A socket's own timeouts are for each read and each write, so that a server which sends a byte
//! now and then could hold a reader for ever. Here each one waits for what is left.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use redis::io::tcp::socket2::{Domain, SockAddr, SockRef, Type};
use redis::io::tcp::{socket2, TcpSettings};

use crate::decide::deadline::Deadline;

pub(crate) struct Socket {
    raw: Raw,
    deadline: Deadline,
    /// So many more bytes are read before the peer is taken for one that never ends.
    room: usize,
    waits: bool,
    /// The timeouts that the socket has now: setting them costs a system call.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// Hands a call on to whichever socket it is.
macro_rules! of_raw {
    ($raw:expr, $socket:ident => $call:expr) => {
        match $raw {
            Raw::Tcp($socket) => $call,
            #[cfg(unix)]
            Raw::Unix($socket) => $call,
        }
    };
}

impl Socket {
    /// Connects to the first address of the host that takes the connection. All of them share the
    /// deadline.
    pub(crate) fn tcp(
        host: &str,
        port: u16,
        settings: &TcpSettings,
        deadline: Deadline,
    ) -> io::Result<Socket> {
        let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        let mut to_try = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            // One that is silent leaves time for the others.
            let connected = match left(deadline)? {
                Some(left) => TcpStream::connect_timeout(&address, at_least(left / to_try)),
                None => TcpStream::connect(address),
            };
            to_try = to_try.saturating_sub(1).max(1);
            match connected {
                Ok(stream) => {
                    apply(settings, &stream)?;
                    return Ok(Socket::new(Raw::Tcp(stream), deadline));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    #[cfg(unix)]
    pub(crate) fn unix(path: &Path, deadline: Deadline) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(path)?;
        match left(deadline)? {
            Some(left) => socket.connect_timeout(&address, at_least(left))?,
            None => socket.connect(&address)?,
        }
        Ok(Socket::new(Raw::Unix(socket.into()), deadline))
    }

    #[cfg(not(unix))]
    pub(crate) fn unix(_path: &Path, _deadline: Deadline) -> io::Result<Socket> {
        let why = "this system has no Unix sockets";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn new(raw: Raw, deadline: Deadline) -> Socket {
        Socket {
            raw,
            deadline,
            room: usize::MAX,
            waits: true,
            read_timeout: None,
            write_timeout: None,
        }
    }

    /// What comes now ends by `deadline`, and is not longer than `room` bytes.
    pub(crate) fn begin(&mut self, deadline: Deadline, room: usize) {
        (self.deadline, self.room) = (deadline, room);
    }

    /// Whether reads wait for something to come; else they end with `WouldBlock`.
    pub(crate) fn set_waiting(&mut self, waits: bool) -> io::Result<()> {
        of_raw!(&self.raw, socket => socket.set_nonblocking(!waits))?;
        self.waits = waits;
        Ok(())
    }

    /// Whether nothing has come, and the peer is still there. One system call that does not wait.
    #[cfg(unix)]
    pub(crate) fn is_quiet(&self) -> bool {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let mut byte = [MaybeUninit::uninit()];
        let socket = of_raw!(&self.raw, socket => SockRef::from(socket));
        let peeked = socket.recv_with_flags(&mut byte, flags);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Not known here without more system calls.
    #[cfg(not(unix))]
    pub(crate) fn is_quiet(&self) -> bool {
        false
    }

    fn arm_read(&mut self) -> io::Result<()> {
        let wanted = left(self.deadline)?;
        if self.waits && !is_near(self.read_timeout, wanted) {
            of_raw!(&self.raw, socket => socket.set_read_timeout(wanted))?;
            self.read_timeout = wanted;
        }
        Ok(())
    }

    fn arm_write(&mut self) -> io::Result<()> {
        let wanted = left(self.deadline)?;
        if self.waits && !is_near(self.write_timeout, wanted) {
            of_raw!(&self.raw, socket => socket.set_write_timeout(wanted))?;
            self.write_timeout = wanted;
        }
        Ok(())
    }

    /// The system says `WouldBlock` for a timeout as well.
    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock if self.waits => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.arm_read()?;
        let fits = buffer.len().min(self.room);
        let Some(buffer) = buffer.get_mut(..fits).filter(|part| !part.is_empty()) else {
            return Err(io::Error::other("the reply does not end"));
        };
        let read = of_raw!(&mut self.raw, socket => socket.read(buffer));
        let read = self.told(read)?;
        self.room = self.room.saturating_sub(read);
        Ok(read)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm_write()?;
        let written = of_raw!(&mut self.raw, socket => socket.write(bytes));
        self.told(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left of the time; an error when nothing is.
fn left(deadline: Deadline) -> io::Result<Option<Duration>> {
    match deadline.left(Instant::now()) {
        Some(left) if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// The system takes zero for "no limit".
fn at_least(limit: Duration) -> Duration {
    limit.max(Duration::from_micros(1))
}

/// Whether the difference to the timeout that the socket has is not worth a system call. The
/// deadline itself is looked at before each wait, so that it is overrun once, by a sixteenth at
/// most.
fn is_near(has: Option<Duration>, wanted: Option<Duration>) -> bool {
    match (has, wanted) {
        (Some(has), Some(wanted)) => has.abs_diff(wanted) <= wanted / 16,
        (has, wanted) => has == wanted,
    }
}

/// As the redis crate applies them, but for `linger_time`, which it does not tell.
fn apply(settings: &TcpSettings, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(settings.nodelay())?;
    let socket = SockRef::from(stream);
    if let Some(keepalive) = settings.keepalive() {
        socket.set_tcp_keepalive(keepalive)?;
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    if let Some(limit) = settings.user_timeout() {
        socket.set_tcp_user_timeout(Some(limit))?;
    }
    Ok(())
}
