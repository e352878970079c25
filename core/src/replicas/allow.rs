//! `durable.replica-allow`: which links may count, as glob patterns of `host:port`.
//!
//! Change-capture tools connect as replicas do, and some announce a port. They hold no copy that
//! could be promoted, and must not stand in for a replica that is lost.

/// The setting: no pattern allows every link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaAllow {
    text: Vec<u8>,
    patterns: Vec<Vec<u8>>,
}

impl ReplicaAllow {
    /// What the setting takes, for error messages.
    pub const ACCEPTED: &'static str = "glob patterns of host:port, separated by spaces, \
         such as 10.0.0.*:6379, without quotes and backslashes";

    /// Reads patterns that are separated by spaces. `None` for a pattern that could match no link
    /// because it has no colon or unbalanced brackets, for one that begins with `!` and would match
    /// all others, and for bytes that redis.conf cannot keep.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // Valkey 8.1 writes what it is given into redis.conf as it is, and cannot read it again.
        let fits = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"'\\".contains(byte);
        if !text.iter().all(fits) {
            return None;
        }
        let words = text.split(|&byte| byte == b' ');
        let patterns: Vec<_> = words
            .filter(|word| !word.is_empty())
            .map(|word| bare(&word.to_ascii_lowercase()))
            .collect();
        let usable = |pattern: &Vec<u8>| {
            let count = |wanted| pattern.iter().filter(|&&byte| byte == wanted).count();
            pattern.contains(&b':')
                && !pattern.starts_with(b"!")
                && count(b'[') == count(b']')
                && count(b'{') == count(b'}')
        };
        patterns.iter().all(usable).then_some(Self {
            text: text.to_vec(),
            patterns,
        })
    }

    /// The setting as it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// True if a link that shows this address may count. Host names match in any case.
    pub fn allows(&self, host: &[u8], port: u16) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let mut address = host.to_ascii_lowercase();
        address.extend_from_slice(format!(":{port}").as_bytes());
        let matches = |pattern: &Vec<u8>| fast_glob::glob_match(pattern, &address);
        self.patterns.iter().any(matches)
    }
}

/// Takes the brackets off an IPv6 address: servers show `fd00::3:6379` where people write
/// `[fd00::3]:6379`.
fn bare(pattern: &[u8]) -> Vec<u8> {
    let address = || {
        let inside = pattern.strip_prefix(b"[")?;
        let (host, port) = inside.split_at(inside.iter().position(|&byte| byte == b']')?);
        let port = port.strip_prefix(b"]")?;
        (host.contains(&b':') && port.starts_with(b":")).then(|| [host, port].concat())
    };
    address().unwrap_or_else(|| pattern.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> ReplicaAllow {
        ReplicaAllow::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn no_pattern_allows_every_link() {
        for text in ["", "   "] {
            assert!(allow(text).allows(b"10.0.0.1", 6379));
        }
    }

    #[test]
    fn a_link_counts_if_one_pattern_matches_its_host_and_port() {
        let allow = allow("10.0.0.*:6379  replica-?.Example:63[78]9 fd00::*:6379 [fd01::7]:6380");
        for (host, port, allowed) in [
            ("10.0.0.3", 6379, true),
            ("10.0.0.3", 10007, false),
            ("10.0.1.3", 6379, false),
            ("REPLICA-1.example", 6389, true),
            ("replica-12.example", 6389, false),
            ("fd00::3", 6379, true),
            ("fd01::7", 6380, true),
            ("d", 6380, false),
        ] {
            assert_eq!(
                allow.allows(host.as_bytes(), port),
                allowed,
                "{host}:{port}"
            );
        }
    }

    #[test]
    fn a_pattern_that_could_match_nothing_or_not_be_kept_is_refused() {
        for text in [
            "!a:1", "[a:1", "{a,b:1", "10.0.0.3", "*", "a:1 b", "a:\"1\"", "a\\:1", "a:1\nb:2",
            "\u{e9}:1",
        ] {
            assert_eq!(ReplicaAllow::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_setting_is_shown_as_it_was_written() {
        assert_eq!(allow(" A:1   b:* ").text(), b" A:1   b:* ");
    }
}
