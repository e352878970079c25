//! Servers that listen for TLS connections beside plain ones, and connections to them. The certificate is made
//! for each test, and checked.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use testkit::{reply_length, ReservedPort, ServerBuilder};

use crate::slothint_view::Talk;

/// Only a broken server takes this long.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// A certificate, and a TLS port for each of some servers.
pub struct Tls {
    files: TempDir,
    ports: Vec<ReservedPort>,
    client: Arc<ClientConfig>,
}

impl Tls {
    pub fn for_servers(count: usize) -> Tls {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_string()])
            .expect("a certificate can be made");
        let files = tempfile::tempdir().expect("a directory for the certificate");
        let write = |name: &str, text: String| {
            fs::write(files.path().join(name), text).expect("a file for the certificate");
        };
        write("certificate.pem", certified.cert.pem());
        write("key.pem", certified.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots
            .add(certified.cert.der().clone())
            .expect("the certificate can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Tls {
            files,
            ports: (0..count).map(|_| ReservedPort::any()).collect(),
            client: Arc::new(client),
        }
    }

    pub fn port(&self, number: usize) -> u16 {
        self.ports[number].number()
    }

    /// Makes the server listen on its TLS port too.
    pub fn configure(&self, number: usize, builder: ServerBuilder) -> ServerBuilder {
        let path = |name: &str| format!("\"{}\"", self.files.path().join(name).display());
        builder
            .config("tls-port", &self.port(number).to_string())
            .config("tls-cert-file", &path("certificate.pem"))
            .config("tls-key-file", &path("key.pem"))
            .config("tls-ca-cert-file", &path("certificate.pem"))
            .config("tls-auth-clients", "no")
    }

    #[track_caller]
    pub fn connect(&self, number: usize) -> TlsConn {
        let socket = TcpStream::connect(("127.0.0.1", self.port(number)))
            .unwrap_or_else(|error| panic!("cannot connect to the TLS port: {error}"));
        socket
            .set_read_timeout(Some(READ_LIMIT))
            .expect("a socket takes a timeout");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(&self.client), name)
            .unwrap_or_else(|error| panic!("no TLS session: {error}"));
        TlsConn {
            stream: StreamOwned::new(session, socket),
            buffer: Vec::new(),
        }
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
                .unwrap_or_else(|reason| panic!("no reply over TLS: {reason}"));
            if let Some(length) = length {
                return self.buffer.drain(..length).collect();
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the server closed the TLS connection where a reply was awaited"),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) => panic!("awaited a reply over TLS: {error}"),
            }
        }
    }
}
