//! `host:port`, as users write it and as servers report it.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address {
            host: host.into(),
            port,
        }
    }

    /// The target of a redirection that `asked` sent. The host is empty where a cluster does not
    /// know its nodes' addresses: then it is the host that was asked.
    pub fn redirected(target: &str, asked: &Address) -> Option<Address> {
        let (host, port) = target.rsplit_once(':')?;
        let host = if host.is_empty() { &asked.host } else { host };
        Some(Address::new(host, port.parse().ok()?))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let wrong = || format!("{text:?} is not an address: write host:port or [IPv6]:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        // Without brackets it is unclear where an IPv6 address ends.
        let host = match bare {
            Some(inside) => inside,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() => Ok(Address::new(host, port)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_ip_addresses_are_read_and_shown_alike() {
        for text in ["redis.example:6379", "10.0.0.7:7001", "[fd00::7]:7001"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_accepted() {
        for text in [
            "redis",
            "redis:",
            ":6379",
            "redis:0",
            "redis:70000",
            "fd00::7:6379",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.ends_with("write host:port or [IPv6]:port"), "{error}");
        }
    }

    #[test]
    fn a_redirection_without_a_host_stays_on_the_host_that_was_asked() {
        let asked = Address::new("10.0.0.7", 7001);
        let to = |target| Address::redirected(target, &asked).map(|address| address.to_string());
        assert_eq!(to(":7002").as_deref(), Some("10.0.0.7:7002"));
        assert_eq!(to("fd00::8:7003").as_deref(), Some("[fd00::8]:7003"));
        assert_eq!(to("nowhere"), None);
    }
}
