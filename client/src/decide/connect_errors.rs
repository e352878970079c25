//! Which errors of connecting are final. Pure.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};

/// Whether another attempt to connect would fail in the same way.
pub(crate) fn is_permanent(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::RESP3NotSupported
            | ErrorKind::Client
    ) || is_refused_by_tls(error)
}

/// Whether the two sides cannot agree on TLS: the certificate is not trusted, the server speaks no
/// TLS, or it requires a certificate of the client. A handshake that was cut off is not such a
/// case.
fn is_refused_by_tls(error: &RedisError) -> bool {
    let cause = error.source();
    let cause =
        cause.and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    // rustls reports faults in the peer's messages with this kind. No other error of a socket has
    // it.
    io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_tls_is_permanent_and_a_handshake_cut_off_is_not() {
        let io = |kind: io::ErrorKind| RedisError::from(io::Error::new(kind, "x"));
        assert!(is_permanent(&io(io::ErrorKind::InvalidData)));
        for kind in [
            io::ErrorKind::TimedOut,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
        ] {
            assert!(!is_permanent(&io(kind)), "{kind:?}");
        }
        let wrong = RedisError::from((ErrorKind::AuthenticationFailed, "wrong password"));
        assert!(is_permanent(&wrong));
    }
}
