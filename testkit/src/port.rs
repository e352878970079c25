//! Free ports from the kernel, reserved as long as a test needs them.
//!
//! Another process could take a released port before the server binds it, and while a killed server
//! is down. So a socket that never listens stays bound to the port. Linux then gives the port
//! neither to a bind for any free port nor to an outgoing connection. A server that sets
//! SO_REUSEADDR, as Redis and Valkey do, can still bind it.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Socket, Type};

/// A port of a loopback address, reserved until this is dropped.
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

    /// This port. Panics if it is not free.
    pub fn exactly(host: Ipv4Addr, port: u16) -> ReservedPort {
        ReservedPort::bind(host, port)
            .unwrap_or_else(|error| panic!("port {port} of {host} is not free: {error}"))
    }

    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// The loopback address of the port.
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
            .expect("the address of an IPv4 socket is not IPv4");
        Ok(ReservedPort {
            address,
            _socket: socket,
        })
    }
}
