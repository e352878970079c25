//! The value of a record: which command was executed, and the reply that its caller got.
//!
//! | bytes | content |
//! |---|---|
//! | 0 | the version of this layout, 1 |
//! | 1 | `2` or `3`: the protocol version of the reply. `l`: the reply is not kept |
//! | 2..18 | the [`Digest`] of the command |
//! | 18.. | the reply as it was sent, or the length of one not kept (8 bytes, little-endian) |

use std::fmt;

use smallvec::SmallVec;

use super::reply::Reply;
use super::Digest;

/// A larger reply is not kept.
pub const LARGEST_REPLY: usize = 64 * 1024;

const VERSION: u8 = 1;
const TOO_LARGE: u8 = b'l';

/// The value of a record. One with a small reply needs no memory of its own.
pub type Value = SmallVec<[u8; 64]>;

/// The protocol version of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2.
    Resp2,
    /// RESP3.
    Resp3,
}

/// Encodes a record. `reply` is the whole reply in the protocol. It is not kept if it is too large,
/// or cannot be read.
pub fn encode(digest: Digest, protocol: Protocol, reply: &[u8]) -> Value {
    let mut value = Value::with_capacity(reply.len().min(LARGEST_REPLY).saturating_add(32));
    // A script can make replies that break the protocol.
    let is_kept = reply.len() <= LARGEST_REPLY && Reply::parse(reply).is_some();
    value.push(VERSION);
    value.push(match (is_kept, protocol) {
        (true, Protocol::Resp2) => b'2',
        (true, Protocol::Resp3) => b'3',
        (false, _) => TOO_LARGE,
    });
    value.extend_from_slice(&digest.0);
    if is_kept {
        value.extend_from_slice(reply);
    } else {
        let length = u64::try_from(reply.len()).unwrap_or(u64::MAX);
        value.extend_from_slice(&length.to_le_bytes());
    }
    value
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded<'a> {
    /// The reply.
    Reply(Reply<'a>),
    /// The reply was not kept. It had this many bytes.
    TooLarge(u64),
}

/// Why a record gives no reply. Nothing is executed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It is of another command, or of other arguments.
    OtherCommand,
    /// A later version of the module wrote it.
    LaterVersion(u8),
    /// It was tampered with, or is no record.
    Unreadable,
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCommand => f.write_str("this id was used for another command"),
            Self::LaterVersion(version) => write!(
                f,
                "the record of this id has version {version}, and this module reads version {VERSION}"
            ),
            Self::Unreadable => f.write_str("the record of this id cannot be read"),
        }?;
        f.write_str("; nothing was executed")
    }
}

/// Reads the record of a command that is sent again. Never panics, whatever the bytes are.
///
/// # Errors
/// Why it gives no reply.
pub fn decode(value: &[u8], digest: Digest) -> Result<Recorded<'_>, NoReply> {
    let (&version, rest) = value.split_first().ok_or(NoReply::Unreadable)?;
    if version > VERSION {
        return Err(NoReply::LaterVersion(version));
    }
    let (&kind, rest) = rest.split_first().ok_or(NoReply::Unreadable)?;
    let (own, reply) = rest.split_first_chunk().ok_or(NoReply::Unreadable)?;
    if version != VERSION {
        return Err(NoReply::Unreadable);
    }
    if Digest(*own) != digest {
        return Err(NoReply::OtherCommand);
    }
    match kind {
        b'2' | b'3' if reply.len() <= LARGEST_REPLY => {
            let reply = Reply::parse(reply).ok_or(NoReply::Unreadable)?;
            Ok(Recorded::Reply(reply))
        }
        TOO_LARGE => {
            let length: [u8; 8] = reply.try_into().map_err(|_| NoReply::Unreadable)?;
            Ok(Recorded::TooLarge(u64::from_le_bytes(length)))
        }
        _ => Err(NoReply::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(key: &[u8]) -> Digest {
        Digest::of(b"incr", [key].into_iter())
    }

    #[test]
    fn a_reply_that_breaks_the_protocol_is_not_kept() {
        let value = encode(digest(b"k"), Protocol::Resp3, b"(12\n34\r\n");
        assert_eq!(decode(&value, digest(b"k")), Ok(Recorded::TooLarge(8)));
    }

    #[test]
    fn a_record_gives_the_reply_to_the_same_command_only() {
        for (protocol, reply) in [
            (Protocol::Resp2, &b"$-1\r\n"[..]),
            (Protocol::Resp3, b"_\r\n"),
        ] {
            let value = encode(digest(b"k"), protocol, reply);
            assert_eq!(value.len(), 18 + reply.len());
            let recorded = decode(&value, digest(b"k")).expect("a reply");
            assert_eq!(
                recorded,
                Recorded::Reply(Reply::parse(reply).expect("a reply"))
            );
            assert_eq!(decode(&value, digest(b"j")), Err(NoReply::OtherCommand));
        }
    }

    #[test]
    fn of_a_large_reply_the_length_is_kept() {
        let reply = |length: usize| {
            [
                format!("${length}\r\n").into_bytes(),
                vec![b'x'; length],
                b"\r\n".to_vec(),
            ]
            .concat()
        };
        let largest = reply(LARGEST_REPLY - 10);
        assert_eq!(largest.len(), LARGEST_REPLY);
        let value = encode(digest(b"k"), Protocol::Resp2, &largest);
        assert!(matches!(
            decode(&value, digest(b"k")),
            Ok(Recorded::Reply(_))
        ));
        let larger = reply(LARGEST_REPLY - 9);
        let value = encode(digest(b"k"), Protocol::Resp2, &larger);
        assert_eq!(value.len(), 26);
        assert_eq!(
            decode(&value, digest(b"k")),
            Ok(Recorded::TooLarge(LARGEST_REPLY as u64 + 1))
        );
    }

    #[test]
    fn a_record_that_was_tampered_with_or_is_of_a_later_version_gives_no_reply() {
        let good = encode(digest(b"k"), Protocol::Resp2, b":7\r\n");
        for cut in 0..good.len() {
            let result = decode(&good[..cut], digest(b"k"));
            assert_eq!(result, Err(NoReply::Unreadable), "{cut} bytes");
        }
        let mut later = good.clone();
        later[0] = 2;
        assert_eq!(decode(&later, digest(b"k")), Err(NoReply::LaterVersion(2)));
        assert_eq!(
            decode(&later[..1], digest(b"k")),
            Err(NoReply::LaterVersion(2))
        );
        for (place, byte) in [(0, 0), (1, b'4'), (18, b'?')] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(decode(&bad, digest(b"k")), Err(NoReply::Unreadable));
        }
        let longer = [&good[..], b"x"].concat();
        assert_eq!(decode(&longer, digest(b"k")), Err(NoReply::Unreadable));
        assert_eq!(
            decode(b"hello", digest(b"k")),
            Err(NoReply::LaterVersion(b'h'))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&value, digest(b"k"));
            let mut record = encode(digest(b"k"), Protocol::Resp3, &value);
            if let Ok(Recorded::Reply(reply)) = decode(&record, digest(b"k")) {
                prop_assert!(reply.pieces().count() > 0);
            }
            record.truncate(20);
            let _ = decode(&record, digest(b"k"));
        }
    }
}
