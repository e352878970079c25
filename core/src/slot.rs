//! The hash slot of a key, as the Redis Cluster specification defines it.

mod checksum;

/// The number of hash slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of `key`, in `0..SLOTS`: CRC16 (XMODEM) of the key's hash tag, modulo [`SLOTS`].
/// Example: `foo` is in slot 12182.
pub fn of_key(key: &[u8]) -> u16 {
    checksum::of(hash_tag(key)) % SLOTS
}

/// The part of `key` that is hashed: the text between the first `{` and the first `}` after it. The
/// whole key if there is no such pair, or if the text is empty.
///
/// `{user1000}.following` gives `user1000`. `foo{}{bar}` gives the whole key, since only the first
/// `{` counts.
fn hash_tag(key: &[u8]) -> &[u8] {
    if has_brace(key) {
        tag(key).unwrap_or(key)
    } else {
        key
    }
}

/// Whether `key` has an opening brace. Most keys have none. The compiler compares the bytes of a
/// part at once; a search that stops at the first brace compares them one by one.
fn has_brace(key: &[u8]) -> bool {
    const PART: usize = 16;
    let Some(last) = key.last_chunk::<PART>() else {
        return key.contains(&b'{');
    };
    let is_in = |part: &[u8; PART]| {
        part.iter()
            .fold(false, |is_in, &byte| is_in | (byte == b'{'))
    };
    // The last part overlaps the one before.
    key.as_chunks::<PART>().0.iter().any(is_in) || is_in(last)
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let inside = key.get(open.checked_add(1)?..)?;
    let close = inside.iter().position(|&byte| byte == b'}')?;
    inside.get(..close).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_of_the_specification_is_computed() {
        assert_eq!(of_key(b"123456789"), 0x31C3);
    }

    #[test]
    fn slots_equal_those_of_cluster_keyslot() {
        // Answers of CLUSTER KEYSLOT on Redis 7.0.15.
        for (key, slot) in [
            (&b"foo"[..], 12_182),
            (b"bar", 5_061),
            (b"somekey", 11_058),
            (b"foo{hash_tag}", 2_515),
            (b"\x00\xff{\xfe}", 3_793),
        ] {
            assert_eq!(of_key(key), slot, "{key:?}");
        }
    }

    #[test]
    fn the_empty_key_is_in_slot_zero() {
        assert_eq!(of_key(b""), 0);
    }

    #[test]
    fn a_tag_is_hashed_alone() {
        assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
        assert_eq!(hash_tag(b"a{b}c{d}"), b"b");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"}{a}"), b"a");
    }

    #[test]
    fn without_a_tag_or_with_an_empty_one_the_whole_key_is_hashed() {
        for key in [&b"foo{}{bar}"[..], b"{", b"}", b"{}", b"}{", b"a{b", b"a}b"] {
            assert_eq!(hash_tag(key), key);
        }
    }

    /// CRC16 one bit at a time, with the polynomial written in the specification.
    fn crc_by_bit(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
                if crc & 0x8000 == 0 {
                    crc << 1
                } else {
                    (crc << 1) ^ 0x1021
                }
            })
        })
    }

    /// Keys with many braces.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..24)
    }

    /// Keys of any length with at most one pair of braces.
    fn long_key() -> impl Strategy<Value = Vec<u8>> {
        let text = || prop::collection::vec(b'a'..=b'z', 0..40);
        (text(), "[{]?", text(), "[}]?", text()).prop_map(|(before, open, inside, close, after)| {
            [&before, open.as_bytes(), &inside, close.as_bytes(), &after].concat()
        })
    }

    proptest! {
        #[test]
        fn every_key_has_the_slot_of_the_definition(key in key()) {
            prop_assert_eq!(of_key(&key), crc_by_bit(hash_tag(&key)) & 0x3FFF);
        }

        #[test]
        fn a_brace_is_found_anywhere_in_a_long_key(key in long_key()) {
            prop_assert_eq!(has_brace(&key), key.contains(&b'{'));
            prop_assert_eq!(of_key(&key), crc_by_bit(hash_tag(&key)) & 0x3FFF);
        }

        #[test]
        fn keys_of_one_tag_share_a_slot(before in "[^{]{0,5}", tag in "[^}]{1,9}", after in ".{0,9}") {
            let key = format!("{before}{{{tag}}}{after}");
            prop_assert_eq!(of_key(key.as_bytes()), of_key(tag.as_bytes()));
            prop_assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes());
        }
    }
}
