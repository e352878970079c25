//! Opens the connection: address, password, TLS, limits.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use redis::{Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo};
use redis::{IntoConnectionInfo, ProtocolVersion, RedisResult, TlsCertificates};

use crate::options::Options;

/// A server that is up accepts a connection in far less.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// A server that runs no slow command answers in far less.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How to reach the server.
pub struct Door {
    client: Client,
    address: String,
}

impl Door {
    /// Reads files and the password, but does not connect yet.
    pub fn new(options: &Options) -> Result<Door> {
        let info = login(place(options)?, options)?;
        let address = shown(info.addr());
        let client = if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            rustls::crypto::ring::default_provider()
                .install_default()
                .map_err(|_| anyhow!("another provider of cryptography is installed"))?;
            Client::build_with_tls(info, certificates(options)?)
        } else {
            Client::open(info)
        };
        Ok(Door {
            client: client.map_err(|error| anyhow!("{error}"))?,
            address,
        })
    }

    /// `host:port`, or the path of a socket. Never the password.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn open(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(CONNECT_LIMIT)?;
        connection.set_read_timeout(Some(ANSWER_LIMIT))?;
        connection.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(connection)
    }
}

fn place(options: &Options) -> Result<ConnectionInfo> {
    let address = if let Some(url) = &options.url {
        let info = url.as_str().into_connection_info();
        // The error names what is wrong, and not the URL, which may contain the password.
        let info = info.map_err(|error| anyhow!("--url is not accepted: {error}"))?;
        return match (options.insecure, info.addr().clone()) {
            (true, ConnectionAddr::TcpTls { host, port, .. }) => {
                Ok(info.set_addr(tls(host, port, true)))
            }
            _ => Ok(info),
        };
    } else if let Some(socket) = &options.socket {
        ConnectionAddr::Unix(socket.clone())
    } else if options.tls {
        tls(options.host.clone(), options.port, options.insecure)
    } else {
        ConnectionAddr::Tcp(options.host.clone(), options.port)
    };
    address
        .into_connection_info()
        .map_err(|error| anyhow!("{error}"))
}

fn tls(host: String, port: u16, insecure: bool) -> ConnectionAddr {
    ConnectionAddr::TcpTls {
        host,
        port,
        insecure,
        tls_params: None,
    }
}

fn login(info: ConnectionInfo, options: &Options) -> Result<ConnectionInfo> {
    // CLIENT SETINFO is an error on servers before 7.2, and needs a permission.
    let mut settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if let Some(user) = &options.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = password(options)? {
        settings = settings.set_password(password);
    }
    Ok(info.set_redis_settings(settings))
}

fn password(options: &Options) -> Result<Option<String>> {
    if let Some(password) = &options.password {
        return Ok(Some(password.clone()));
    }
    if options.askpass {
        let asked = rpassword::prompt_password("Please input password: ");
        return asked.map(Some).context("cannot ask for the password");
    }
    Ok(env::var("REDISCLI_AUTH")
        .ok()
        .filter(|text| !text.is_empty()))
}

fn certificates(options: &Options) -> Result<TlsCertificates> {
    let read =
        |file: &PathBuf| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let client_tls = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig {
            client_cert: read(cert)?,
            client_key: read(key)?,
        }),
        _ => None,
    };
    Ok(TlsCertificates {
        client_tls,
        root_cert: options.cacert.as_ref().map(read).transpose()?,
    })
}

fn shown(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        other => other.to_string(),
    }
}
