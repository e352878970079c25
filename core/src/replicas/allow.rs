//! `durable.replica-allow`: an allowlist of links, as glob patterns of `host:port`.
//!
//! Change-capture tools connect as replicas do, and some announce a port. They hold no copy that
//! could be promoted, so they must not count in the place of a lost replica.

/// The parsed setting. Without a pattern it allows every link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaAllow {
    text: Vec<u8>,
    patterns: Vec<Vec<u8>>,
    /// Only these hosts and ports may count; `None` for no such restriction.
    confirmed: Option<Vec<(Vec<u8>, u16)>>,
}

impl ReplicaAllow {
    /// The accepted values, for error messages.
    pub const ACCEPTED: &'static str = "glob patterns of host:port, separated by spaces, \
         such as 10.0.0.*:6379, without quotes and backslashes";

    /// Reads patterns separated by spaces. Returns `None` if
    /// - a pattern can match no link: it has no colon, or unbalanced brackets;
    /// - a pattern begins with `!`, which would match all other links;
    /// - a byte cannot be kept in redis.conf: a quote, a backslash, or outside printable ASCII.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // Valkey 8.1 writes the value into redis.conf unescaped, and cannot read it back.
        let can_be_kept = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"'\\".contains(byte);
        if !text.iter().all(can_be_kept) {
            return None;
        }
        let words = text.split(|&byte| byte == b' ');
        let patterns: Vec<_> = words
            .filter(|word| !word.is_empty())
            .map(|word| without_brackets(&word.to_ascii_lowercase()))
            .collect();
        let is_usable = |pattern: &Vec<u8>| {
            let count = |wanted| pattern.iter().filter(|&&byte| byte == wanted).count();
            pattern.contains(&b':')
                && !pattern.starts_with(b"!")
                && count(b'[') == count(b']')
                && count(b'{') == count(b'}')
        };
        patterns.iter().all(is_usable).then_some(Self {
            text: text.to_vec(),
            patterns,
            confirmed: None,
        })
    }

    /// The setting as the user wrote it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The same patterns, and only these addresses may count: those of the members of a failover
    /// group that have confirmed their data. `None` ends the restriction.
    #[must_use]
    pub fn restricted_to(self, confirmed: Option<Vec<(Vec<u8>, u16)>>) -> Self {
        Self { confirmed, ..self }
    }

    /// True if a link that shows this address may count.
    pub(crate) fn allows(&self, host: &[u8], port: u16) -> bool {
        let is_confirmed = match &self.confirmed {
            None => true,
            Some(confirmed) => confirmed
                .iter()
                .any(|(one, number)| *number == port && one.eq_ignore_ascii_case(host)),
        };
        is_confirmed && self.matches(host, port)
    }

    /// True if a pattern matches this address, or there is none. Host names match in any case.
    pub(crate) fn matches(&self, host: &[u8], port: u16) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let mut address = host.to_ascii_lowercase();
        address.extend_from_slice(format!(":{port}").as_bytes());
        let matches = |pattern: &Vec<u8>| fast_glob::glob_match(pattern, &address);
        self.patterns.iter().any(matches)
    }
}

/// Removes the brackets of an IPv6 address: users write `[fd00::3]:6379`, servers show
/// `fd00::3:6379`.
fn without_brackets(pattern: &[u8]) -> Vec<u8> {
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
    fn a_pattern_that_matches_nothing_or_cannot_be_kept_is_refused() {
        for text in [
            "!a:1", "[a:1", "{a,b:1", "10.0.0.3", "*", "a:1 b", "a:\"1\"", "a\\:1", "a:1\nb:2",
            "\u{e9}:1",
        ] {
            assert_eq!(ReplicaAllow::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_text_of_the_setting_is_kept_unchanged() {
        assert_eq!(allow(" A:1   b:* ").text(), b" A:1   b:* ");
    }
}
