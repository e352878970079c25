//! The token: a hash of a map's content. Equal maps have equal tokens on every node.
//!
//! Clients compare tokens of different nodes, whose builds and architectures may differ. So the
//! hash is SipHash-2-4 with a zero key, whose output is fixed by its paper, over a byte layout that
//! is fixed here. The standard library's hasher may change with any release, and hashes integers in
//! the machine's byte order.
//!
//! 53 of the 64 bits are kept, since JavaScript and Lua read integers as doubles. Among two million
//! maps the chance that two share a token is 1 in 4,500.

use super::{Address, OwnedRange, Owner};
use siphasher::sip::SipHasher24;

/// The largest token. Up to this number a double represents every integer.
const MAX: u64 = (1 << 53) - 1;

/// The token of a map, from 1 to [`MAX`]. It depends on every host, port, id, replica and range,
/// and on nothing else, so not on metadata.
pub(super) fn of(owners: &[Owner], ranges: &[OwnedRange]) -> i64 {
    let mut bytes = Vec::new();
    length(&mut bytes, owners.len());
    for owner in owners {
        address(&mut bytes, &owner.address);
        length(&mut bytes, owner.replicas.len());
        owner
            .replicas
            .iter()
            .for_each(|replica| address(&mut bytes, replica));
    }
    length(&mut bytes, ranges.len());
    for range in ranges {
        for number in [range.first, range.last, range.owner] {
            bytes.extend(number.to_le_bytes());
        }
    }
    positive(SipHasher24::new().hash(&bytes))
}

/// Reads a token that a client sends: digits, up to 2^63 - 1. A token of more than 53 bits may come
/// from a node with an earlier version of the module. 0 is accepted, but no map has this token.
pub fn parse(word: &[u8]) -> Option<i64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

/// The lower 53 bits, but never 0, which stands for "no token yet".
fn positive(hash: u64) -> i64 {
    i64::try_from(hash & MAX).unwrap_or(i64::MAX).max(1)
}

fn address(bytes: &mut Vec<u8>, address: &Address) {
    match &address.host {
        Some(host) => {
            bytes.push(1);
            text(bytes, host);
        }
        None => bytes.push(0),
    }
    bytes.extend(address.port.to_le_bytes());
    text(bytes, &address.id);
}

/// Writes the length first, so that different contents give different bytes.
fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    length(bytes, text.len());
    bytes.extend(text);
}

fn length(bytes: &mut Vec<u8>, length: usize) {
    // 64 bits on every architecture.
    bytes.extend(u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::Metadata;
    use super::*;
    use crate::topology::PreferredEndpoint;

    #[test]
    fn a_token_is_positive_and_exact_as_a_double() {
        assert_eq!(positive(0), 1);
        assert_eq!(positive(1 << 53), 1);
        let largest = positive(u64::MAX);
        assert_eq!(largest, 9_007_199_254_740_991);
        assert_eq!(largest as f64 as i64, largest);
        assert_ne!((largest - 1) as f64, largest as f64);
        assert_eq!(positive(7), 7);
    }

    #[test]
    fn a_token_is_read_from_digits() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"9223372036854775807"), Some(i64::MAX));
        for word in [
            &b""[..],
            b"-1",
            b"+1",
            b" 1",
            b"1x",
            b"9223372036854775808",
            b"\xff",
        ] {
            assert_eq!(parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn the_hash_is_the_one_of_its_paper() {
        // Appendix A of the SipHash paper: key 00..0f, message 00..0e.
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let message: [u8; 15] = std::array::from_fn(|at| at as u8);
        assert_eq!(
            SipHasher24::new_with_key(&key).hash(&message),
            0xa129_ca61_49be_45e5
        );
    }

    #[test]
    fn the_token_of_a_map_is_the_same_in_every_build() {
        let metadata = || Metadata::of(PreferredEndpoint::Unknown, b"ip", b"name");
        let replica = Address {
            host: None,
            port: 6380,
            id: (*b"bb").into(),
            metadata: metadata(),
        };
        let primary = Address {
            host: Some((*b"10.0.0.1").into()),
            port: 6379,
            id: (*b"aa").into(),
            metadata: metadata(),
        };
        let owners = [Owner {
            address: primary,
            replicas: vec![replica],
        }];
        let ranges = [OwnedRange {
            first: 0,
            last: 16_383,
            owner: 0,
        }];
        // Computed by another program from the layout above.
        assert_eq!(of(&owners, &ranges), 317_821_367_950_781);
    }
}
