//! Ports from the kernel, kept until they are no longer needed.
//!
//! A port that is looked up and released again can be taken by anyone before the server binds it,
//! and while a killed server is down. So the port stays bound by a socket of ours that never
//! listens: Linux then hands it to nobody who asks for any free port and to no outgoing connection,
//! but lets a server bind it that sets SO_REUSEADDR, as Redis and Valkey do.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Socket, Type};

/// A port of a loopback address that is ours while this lives.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddrV4,
    _socket: Socket,
}

impl ReservedPort {
    /// Any free port of 127.0.0.1.
    pub fn any() -> ReservedPort {
        ReservedPort::any_at(Ipv4Addr::LOCALHOST)
    }

    /// Any free port of another loopback address.
    pub fn any_at(host: Ipv4Addr) -> ReservedPort {
        ReservedPort::bind(host, 0)
            .unwrap_or_else(|error| panic!("no free port on {host}: {error}"))
    }

    /// This very port.
    pub fn exactly(host: Ipv4Addr, port: u16) -> ReservedPort {
        ReservedPort::bind(host, port)
            .unwrap_or_else(|error| panic!("port {port} of {host} is not free: {error}"))
    }

    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// The loopback address that it is a port of.
    pub fn host(&self) -> Ipv4Addr {
        *self.address.ip()
    }

    fn bind(host: Ipv4Addr, port: u16) -> std::io::Result<ReservedPort> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddrV4::new(host, port).into())?;
        let address = socket.local_addr()?;
        let address = address
            .as_socket_ipv4()
            .expect("an IPv4 socket has an IPv4 address");
        Ok(ReservedPort {
            address,
            _socket: socket,
        })
    }
}
