//! Replies that are made anew when they are sent, and need not be held meanwhile: `+OK`, an integer
//! and null.
//!
//! Most writes have such a reply. To hold a reply costs the server a context and a copy, which is
//! more than to make one of these. Until it is sent, such a reply is a number:
//!
//! | number | reply |
//! |---|---|
//! | 0 | none |
//! | 2 | `+OK` |
//! | 4 | null |
//! | odd | the integer `(number - 1) / 2` |

use crate::resp::number;

/// A reply that needs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonReply {
    /// `+OK`
    Ok,
    /// Null, in the client's protocol version.
    Null,
    /// An integer.
    Integer(i64),
}

const NONE: i64 = 0;
const OK: i64 = 2;
const NULL: i64 = 4;

impl CommonReply {
    /// The reply with this text in RESP2 or RESP3. `None` for any other reply, and for an integer
    /// whose number does not fit into 64 bits.
    pub fn of(protocol: &[u8]) -> Option<Self> {
        let reply = match protocol {
            b"+OK\r\n" => Self::Ok,
            b"$-1\r\n" | b"_\r\n" => Self::Null,
            [b':', digits @ .., b'\r', b'\n'] => Self::Integer(number(digits).ok()?),
            _ => return None,
        };
        (reply.number() != NONE).then_some(reply)
    }

    /// The reply as a number. 0 for an integer whose number does not fit into 64 bits.
    pub fn number(self) -> i64 {
        match self {
            Self::Ok => OK,
            Self::Null => NULL,
            Self::Integer(value) => {
                let number = value.checked_mul(2).and_then(|even| even.checked_add(1));
                number.unwrap_or(NONE)
            }
        }
    }

    /// The reply with this number.
    pub fn of_number(number: i64) -> Option<Self> {
        match number {
            OK => Some(Self::Ok),
            NULL => Some(Self::Null),
            // The shift keeps the sign, and drops the mark of an integer.
            odd if odd & 1 == 1 => Some(Self::Integer(odd >> 1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ok_null_and_integers_are_common() {
        assert_eq!(CommonReply::of(b"+OK\r\n"), Some(CommonReply::Ok));
        for null in [&b"$-1\r\n"[..], b"_\r\n"] {
            assert_eq!(CommonReply::of(null), Some(CommonReply::Null));
        }
        for number in [0, 1, -1, i64::MAX / 2, i64::MIN / 2] {
            let text = format!(":{number}\r\n");
            let expected = Some(CommonReply::Integer(number));
            assert_eq!(CommonReply::of(text.as_bytes()), expected);
        }
    }

    #[test]
    fn other_replies_are_not() {
        for text in [
            &b""[..],
            b"*-1\r\n",
            b"$2\r\nOK\r\n",
            b"-ERR no\r\n",
            b"*1\r\n:1\r\n",
            b":1\r\n:2\r\n",
            b":\r\n",
            b":9223372036854775807\r\n",
            b"#t\r\n",
        ] {
            assert_eq!(CommonReply::of(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn no_reply_has_the_number_of_none() {
        for number in [NONE, 1 << 40, -2, 6] {
            assert_eq!(CommonReply::of_number(number), None);
        }
    }

    proptest! {
        #[test]
        fn a_reply_comes_out_of_its_number_again(value: i64) {
            for reply in [CommonReply::Ok, CommonReply::Null, CommonReply::Integer(value)] {
                let found = CommonReply::of_number(reply.number());
                prop_assert_eq!(found, (reply.number() != NONE).then_some(reply));
            }
        }
    }
}
