//! Servers that listen for TLS and plain connections. Each test makes its own certificate.

use std::fs;

use rcgen::{generate_simple_self_signed, Certificate};
use tempfile::TempDir;

use crate::{ReservedPort, ServerBuilder};

/// A self-signed certificate for `localhost` and 127.0.0.1, and a TLS port for each server.
pub struct Tls {
    certificate: Certificate,
    files: TempDir,
    ports: Vec<ReservedPort>,
}

impl Tls {
    pub fn for_servers(count: usize) -> Tls {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let certified = generate_simple_self_signed(names).expect("cannot make a certificate");
        let files = tempfile::tempdir().expect("cannot create a directory for the certificate");
        let write = |name: &str, text: String| {
            fs::write(files.path().join(name), text).expect("cannot write the certificate");
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

    /// The certificate that clients have to trust.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Makes the server also listen on its TLS port.
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
