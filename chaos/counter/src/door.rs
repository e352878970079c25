//! Opens connections: password, TLS, limits.

use std::env;
use std::fs;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use redis::{RedisConnectionInfo, RedisError, RedisResult, TlsCertificates};

use crate::address::Address;
use crate::failure::words;
use crate::options::Options;

/// A server that is up accepts a connection in far less.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How to connect to the servers. Sentinels have a door of their own, with their own password.
#[derive(Clone)]
pub struct Door {
    login: RedisConnectionInfo,
    tls: bool,
    authority: Option<Vec<u8>>,
    patience: Duration,
}

impl Door {
    /// The door to the servers, and the door to the Sentinels.
    pub fn both(options: &Options) -> Result<(Door, Door)> {
        let read = |file: &std::path::PathBuf| {
            fs::read(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let authority = options.tls_ca.as_ref().map(read).transpose()?;
        if options.tls {
            rustls::crypto::ring::default_provider()
                .install_default()
                .map_err(|_| anyhow!("another provider of cryptography is installed"))?;
        }
        let secret = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let password = secret("PASSWORD");
        let door = |user: Option<&String>, password: Option<String>| {
            // CLIENT SETINFO is an error on servers before 7.2, and needs a permission.
            let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
            if let Some(user) = user {
                login = login.set_username(user);
            }
            if let Some(password) = password {
                login = login.set_password(password);
            }
            Door {
                login,
                tls: options.tls,
                authority: authority.clone(),
                patience: Duration::from_secs(options.patience.into()),
            }
        };
        let sentinels = door(None, secret("SENTINEL_PASSWORD").or(password.clone()));
        Ok((door(options.user.as_ref(), password), sentinels))
    }

    pub fn tls(&self) -> bool {
        self.tls
    }

    /// A connection, or why there is none.
    pub fn open(&self, address: &Address) -> Result<Connection, String> {
        self.connect(address)
            .map_err(|error| words(&error, CONNECT_LIMIT))
    }

    /// An error of a command on a connection.
    pub fn words(&self, error: &RedisError) -> String {
        words(error, self.patience)
    }

    fn connect(&self, address: &Address) -> RedisResult<Connection> {
        let (host, port) = (address.host.clone(), address.port);
        let client = if self.tls {
            let place = ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            };
            Client::build_with_tls(
                self.info(place)?,
                TlsCertificates {
                    client_tls: None,
                    root_cert: self.authority.clone(),
                },
            )?
        } else {
            Client::open(self.info(ConnectionAddr::Tcp(host, port))?)?
        };
        let connection = client.get_connection_with_timeout(CONNECT_LIMIT)?;
        connection.set_read_timeout(Some(self.patience))?;
        connection.set_write_timeout(Some(self.patience))?;
        Ok(connection)
    }

    fn info(&self, place: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        let info = place.into_connection_info()?;
        Ok(info.set_redis_settings(self.login.clone()))
    }
}
