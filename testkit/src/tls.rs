//! Servers that listen for TLS connections beside plain ones. Their certificate is made for each test.

use std::fs;

use rcgen::{generate_simple_self_signed, Certificate};
use tempfile::TempDir;

use crate::{ReservedPort, ServerBuilder};

/// A certificate for `localhost` and 127.0.0.1 that vouches for itself, and a TLS port for each of some servers.
pub struct Tls {
    certificate: Certificate,
    files: TempDir,
    ports: Vec<ReservedPort>,
}

impl Tls {
    pub fn for_servers(count: usize) -> Tls {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let certified = generate_simple_self_signed(names).expect("a certificate can be made");
        let files = tempfile::tempdir().expect("a directory for the certificate");
        let write = |name: &str, text: String| {
            fs::write(files.path().join(name), text).expect("a file for the certificate");
        };
        write("certificate.pem", certified.cert.pem());
        write("key.pem", certified.signing_key.serialize_pem());
        Tls {
            certificate: certified.cert,
            files,
            ports: (0..count).map(|_| ReservedPort::any()).collect(),
        }
    }

    /// The TLS port of a server, by its number.
    pub fn port(&self, number: usize) -> u16 {
        self.ports[number].number()
    }

    /// Whom clients have to trust.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
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
}
