//! Reads redirections: `MOVED 3999 10.0.0.7:6381`. Pure.

use durable_core::slot::SLOTS;

use crate::decide::host::{known_host, MAX_HOST_BYTES};

/// A slot, and the node that `MOVED` or `ASK` names for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The slot, in `0..16384`.
    pub slot: u16,
    /// The host; `None` stands for the host that the client is connected to.
    pub host: Option<String>,
    /// The port, not 0.
    pub port: u16,
}

impl Redirect {
    /// Reads what follows the word `MOVED` or `ASK`: `3999 10.0.0.7:6381`.
    ///
    /// Servers write IPv6 addresses without brackets, so the port follows the last colon. A node
    /// without a host name (`?:6381`) and an unknown endpoint (`:6381`) have no host of their own.
    /// Returns `None` if the text names no slot, or no port that can be dialled.
    pub fn parse(text: &str) -> Option<Redirect> {
        let mut words = text.split_ascii_whitespace();
        let slot = words.next()?.parse().ok().filter(|&slot| slot < SLOTS)?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let host = Some(host).filter(|host| host.len() <= MAX_HOST_BYTES)?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        Some(Redirect {
            slot,
            host: known_host(host).map(str::to_owned),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<(u16, Option<String>, u16)> {
        Redirect::parse(text).map(|found| (found.slot, found.host, found.port))
    }

    #[test]
    fn a_host_and_a_port_are_read() {
        let expected = Some((3999, Some("10.0.0.7".into()), 6381));
        assert_eq!(parsed("3999 10.0.0.7:6381"), expected);
        let expected = Some((0, Some("node-1.example".into()), 65535));
        assert_eq!(parsed("0 node-1.example:65535"), expected);
    }

    #[test]
    fn an_ipv6_address_without_brackets_ends_at_the_last_colon() {
        let expected = Some((16383, Some("fd00::3".into()), 6379));
        assert_eq!(parsed("16383 fd00::3:6379"), expected);
        assert_eq!(parsed("16383 [fd00::3]:6379"), expected);
    }

    #[test]
    fn a_missing_host_name_and_an_unknown_endpoint_are_the_host_of_the_connection() {
        assert_eq!(parsed("1 ?:6379"), Some((1, None, 6379)));
        assert_eq!(parsed("1 :6379"), Some((1, None, 6379)));
    }

    #[test]
    fn what_cannot_be_dialled_is_no_redirection() {
        for text in [
            "",
            "1",
            "1 host",
            "1 host:",
            "1 host:0",
            "1 host:65536",
            "16384 host:1",
            "-1 host:1",
            "x host:1",
            &format!("1 {}:1", "h".repeat(256)),
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = Redirect::parse(&text);
        }
    }
}
