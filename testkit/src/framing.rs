//! Finds the end of a reply: RESP2 and RESP3 framing, without its contents.

/// A command as clients send it: an array of bulk strings.
pub fn encode_command<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The length of the first complete reply in `bytes`, or `None` while it is incomplete. The error
/// is the reason why `bytes` is not a reply.
///
/// An attribute belongs to the reply after it. A push message is a reply of its own.
pub fn reply_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    Framing::default().reply_length(bytes)
}

/// The progress in a reply that arrives in pieces. Complete elements are not parsed again.
pub(crate) struct Framing {
    position: usize,
    /// How many elements are missing until the outermost reply is complete. `*2` adds 2.
    awaited: usize,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing {
            position: 0,
            awaited: 1,
        }
    }
}

impl Framing {
    /// Like [`reply_length`]. `bytes` begins with the bytes of the previous call.
    pub(crate) fn reply_length(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        while self.awaited > 0 {
            let Some(line_length) = bytes[self.position..]
                .windows(2)
                .position(|pair| pair == b"\r\n")
            else {
                return Ok(None);
            };
            let line = &bytes[self.position..self.position + line_length];
            let mut position = self.position + line_length + 2;
            let (kind, rest) = line
                .split_first()
                .ok_or("an empty line instead of a reply")?;
            let mut nested = 0;
            match kind {
                b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
                b'$' | b'=' | b'!' => {
                    if let Some(length) = count(rest)? {
                        position += length + 2;
                        if position > bytes.len() {
                            return Ok(None);
                        }
                        if &bytes[position - 2..position] != b"\r\n" {
                            return Err("a bulk string without CRLF at its end".into());
                        }
                    }
                }
                b'*' | b'~' | b'>' => nested = count(rest)?.unwrap_or(0),
                b'%' => nested = 2 * count(rest)?.unwrap_or(0),
                b'|' => nested = 2 * count(rest)?.unwrap_or(0) + 1,
                other => {
                    return Err(format!(
                        "{:?} is not the first byte of a reply",
                        char::from(*other)
                    ))
                }
            }
            self.position = position;
            self.awaited = self.awaited - 1 + nested;
        }
        Ok(Some(self.position))
    }
}

/// The count of an aggregate or bulk string. `None` is RESP2's null, -1.
fn count(digits: &[u8]) -> Result<Option<usize>, String> {
    let text = String::from_utf8_lossy(digits);
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| format!("the length {text} is negative")),
        Err(_) => Err(format!("{text:?} instead of a length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE_REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-5\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
        b"_\r\n",
        b",1.5\r\n",
        b"#t\r\n",
        b"(123456789012345678901234567890\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!5\r\nERR x\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
        b"~2\r\n+a\r\n+b\r\n",
        b"|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n",
        b">2\r\n+message\r\n+hi\r\n",
    ];

    #[test]
    fn every_kind_of_reply_is_framed_and_no_prefix_of_it_is() {
        for reply in WHOLE_REPLIES {
            let shown = String::from_utf8_lossy(reply);
            let followed = [reply, &b"+next\r\n"[..]].concat();
            assert_eq!(reply_length(&followed), Ok(Some(reply.len())), "{shown:?}");
            for cut in 0..reply.len() {
                assert_eq!(
                    reply_length(&reply[..cut]),
                    Ok(None),
                    "{shown:?} cut at {cut}"
                );
            }
            let mut framing = Framing::default();
            let mut pieces = (0..=reply.len()).map(|end| framing.reply_length(&reply[..end]));
            assert!(pieces
                .by_ref()
                .take(reply.len())
                .all(|found| found == Ok(None)));
            assert_eq!(pieces.next(), Some(Ok(Some(reply.len()))), "{shown:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for wrong in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"*x\r\n",
            b"$-2\r\n",
            b"$1\r\nab\r\n",
        ] {
            assert!(
                reply_length(wrong).is_err(),
                "{:?}",
                String::from_utf8_lossy(wrong)
            );
        }
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(
            encode_command(&[&b"GET"[..], b"a\r\n"]),
            b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n"
        );
    }
}
