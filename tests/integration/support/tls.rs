//! TLS connections to servers. They show the bytes of the protocol, and check the certificate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use testkit::{reply_length, Tls};

use crate::support::slots::Talk;

/// Only a broken server takes so long.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// Connects to the TLS port of the server with this number, and checks its certificate.
#[track_caller]
pub fn connect(tls: &Tls, number: usize) -> TlsConn {
    let mut roots = RootCertStore::empty();
    roots
        .add(tls.certificate().der().clone())
        .expect("cannot trust the certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider lacks the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(("127.0.0.1", tls.port(number)))
        .unwrap_or_else(|error| panic!("cannot connect to the TLS port: {error}"));
    socket
        .set_read_timeout(Some(READ_LIMIT))
        .expect("cannot set the read timeout");
    let name = ServerName::try_from("localhost").expect("not a server name");
    let session = ClientConnection::new(Arc::new(client), name)
        .unwrap_or_else(|error| panic!("cannot start a TLS session: {error}"));
    TlsConn {
        stream: StreamOwned::new(session, socket),
        buffer: Vec::new(),
    }
}

/// A TLS connection that shows the bytes of the protocol.
pub struct TlsConn {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

impl Talk for TlsConn {
    fn put(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .unwrap_or_else(|error| panic!("cannot send over TLS: {error}"));
    }

    fn take(&mut self) -> Vec<u8> {
        loop {
            let length = reply_length(&self.buffer)
                .unwrap_or_else(|reason| panic!("not a reply over TLS: {reason}"));
            if let Some(length) = length {
                return self.buffer.drain(..length).collect();
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the server closed the TLS connection before the end of a reply"),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) => panic!("cannot read a reply over TLS: {error}"),
            }
        }
    }
}
