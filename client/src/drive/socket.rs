//! A socket whose reads and writes all end by one deadline.
//!
//! The timeouts of the system are for a single read or write: a server that sends a byte now and
//! then could hold up a reader for ever. Here each read and write gets what is left of the
//! deadline.

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
    /// So many more bytes may be read until the reply counts as one without an end.
    bytes_left: usize,
    waits: bool,
    /// The timeouts that the socket has now. Setting one costs a system call.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// Calls the socket of whichever kind.
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
    /// Connects to the first address of the host that accepts the connection. The addresses share
    /// the deadline.
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
            // An address that does not answer leaves time for the others.
            let connected = match left(deadline)? {
                Some(left) => TcpStream::connect_timeout(&address, not_zero(left / to_try)),
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
            Some(left) => socket.connect_timeout(&address, not_zero(left))?,
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
            bytes_left: usize::MAX,
            waits: true,
            read_timeout: None,
            write_timeout: None,
        }
    }

    /// All reads and writes from now on end by `deadline`. At most `max_bytes` are read.
    pub(crate) fn begin(&mut self, deadline: Deadline, max_bytes: usize) {
        (self.deadline, self.bytes_left) = (deadline, max_bytes);
    }

    /// Whether reads wait for bytes. If not, they end with `WouldBlock`.
    pub(crate) fn set_waiting(&mut self, waits: bool) -> io::Result<()> {
        of_raw!(&self.raw, socket => socket.set_nonblocking(!waits))?;
        self.waits = waits;
        Ok(())
    }

    /// Whether nothing has arrived and the peer is still there. One system call, which does not
    /// wait.
    #[cfg(unix)]
    pub(crate) fn is_quiet(&self) -> bool {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let mut byte = [MaybeUninit::uninit()];
        let socket = of_raw!(&self.raw, socket => SockRef::from(socket));
        let peeked = socket.recv_with_flags(&mut byte, flags);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Not known on this system without more system calls.
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

    /// The system reports a timeout as `WouldBlock` as well.
    fn name_timeout<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock if self.waits => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.arm_read()?;
        let fits = buffer.len().min(self.bytes_left);
        let Some(buffer) = buffer.get_mut(..fits).filter(|part| !part.is_empty()) else {
            return Err(io::Error::other("the reply does not end"));
        };
        let read = of_raw!(&mut self.raw, socket => socket.read(buffer));
        let read = self.name_timeout(read)?;
        self.bytes_left = self.bytes_left.saturating_sub(read);
        Ok(read)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm_write()?;
        let written = of_raw!(&mut self.raw, socket => socket.write(bytes));
        self.name_timeout(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left of the time; an error if nothing is.
fn left(deadline: Deadline) -> io::Result<Option<Duration>> {
    match deadline.left(Instant::now()) {
        Some(left) if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// A limit of zero would be an error.
fn not_zero(limit: Duration) -> Duration {
    limit.max(Duration::from_micros(1))
}

/// Whether the timeout of the socket is so near the wanted one that setting it is not worth a
/// system call. The deadline is checked before each wait, so it is exceeded once at most, by a
/// sixteenth of what was left.
fn is_near(has: Option<Duration>, wanted: Option<Duration>) -> bool {
    match (has, wanted) {
        (Some(has), Some(wanted)) => has.abs_diff(wanted) <= wanted / 16,
        (has, wanted) => has == wanted,
    }
}

/// Applies the settings as the redis crate does, except `linger_time`, which it does not publish.
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
