//! A recorded reply, in pieces that a module can send.
//!
//! A module cannot send the bytes of a reply as they are. It sends one value after another, and the
//! server writes each in the protocol version of the client. Over the same version that gives the
//! same bytes. Over the other one it converts: a map becomes a flat array, a double a bulk string.
//!
//! Example: `*2\r\n+OK\r\n$-1\r\n` is `Array(2)`, `Simple("OK")`, `Null`.

/// One value of a reply. The elements of an array, a set or a map follow it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// A simple string. It has no null byte and no line end.
    Simple(&'a [u8]),
    /// An error, its code first. It has no null byte and no line end.
    Error(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(&'a [u8]),
    /// A verbatim string with its format of three bytes.
    Verbatim(&'a [u8], &'a [u8]),
    /// Null, or the null bulk string of RESP2.
    Null,
    /// The null array of RESP2.
    NullArray,
    /// A double.
    Double(f64),
    /// A boolean.
    Bool(bool),
    /// A big number.
    BigNumber(&'a [u8]),
    /// An array of this many elements.
    Array(usize),
    /// A set of this many elements.
    Set(usize),
    /// A map of this many pairs.
    Map(usize),
}

/// One whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a>(&'a [u8]);

impl<'a> Reply<'a> {
    /// Reads one whole reply in RESP2 or RESP3. `None` if it is anything else, has more bytes, or
    /// has a type that no data command replies with (attributes, pushes, streamed values).
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        // The number of values that have to follow.
        let mut missing = 1_usize;
        while missing > 0 {
            let piece = next(&mut rest)?;
            missing = missing.checked_sub(1)?.checked_add(piece.elements()?)?;
        }
        rest.is_empty().then_some(Self(bytes))
    }

    /// Its values, in the order in which they have to be sent.
    pub fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || next(&mut rest))
    }
}

impl Piece<'_> {
    /// How many values belong to it and follow.
    fn elements(self) -> Option<usize> {
        match self {
            Self::Array(len) | Self::Set(len) => Some(len),
            Self::Map(pairs) => pairs.checked_mul(2),
            _ => Some(0),
        }
    }
}

/// Reads one value, and leaves what follows in `rest`.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Piece<'a>> {
    let (&kind, after) = rest.split_first()?;
    let end = after.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, after) = after.split_at_checked(end)?;
    *rest = after.get(2..)?;
    let text = || (!line.contains(&0) && !line.contains(&b'\n')).then_some(line);
    Some(match kind {
        b'+' => Piece::Simple(text()?),
        b'-' => Piece::Error(text()?),
        b':' => Piece::Integer(number(line)?),
        // A script can put a null byte into it, and it is sent with its length.
        b'(' if !line.contains(&b'\n') => Piece::BigNumber(line),
        b',' => Piece::Double(std::str::from_utf8(line).ok()?.parse().ok()?),
        b'#' => Piece::Bool(match line {
            b"t" => true,
            b"f" => false,
            _ => return None,
        }),
        b'_' if line.is_empty() => Piece::Null,
        b'$' if line == b"-1" => Piece::Null,
        b'*' if line == b"-1" => Piece::NullArray,
        b'$' => Piece::Bulk(bulk(rest, line)?),
        b'=' => {
            let (format, string) = bulk(rest, line)?.split_at_checked(4)?;
            Piece::Verbatim(format.strip_suffix(b":")?, string)
        }
        b'*' => Piece::Array(count(line)?),
        b'~' => Piece::Set(count(line)?),
        b'%' => Piece::Map(count(line)?),
        _ => return None,
    })
}

/// Reads the bytes of a bulk string and the line end behind them.
fn bulk<'a>(rest: &mut &'a [u8], length: &[u8]) -> Option<&'a [u8]> {
    let (string, after) = rest.split_at_checked(count(length)?)?;
    *rest = after.strip_prefix(b"\r\n")?;
    Some(string)
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn count(digits: &[u8]) -> Option<usize> {
    usize::try_from(number(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use super::Piece::*;
    use super::*;
    use proptest::prelude::*;

    fn pieces(bytes: &[u8]) -> Option<Vec<Piece<'_>>> {
        Reply::parse(bytes).map(|reply| reply.pieces().collect())
    }

    #[test]
    fn every_type_of_both_versions_is_read() {
        let cases: [(&[u8], Piece<'_>); 16] = [
            (b"+OK\r\n", Simple(b"OK")),
            (b"-ERR no\r\n", Error(b"ERR no")),
            (b":-7\r\n", Integer(-7)),
            (b"$3\r\na\r\n\r\n", Bulk(b"a\r\n")),
            (b"$0\r\n\r\n", Bulk(b"")),
            (b"$-1\r\n", Null),
            (b"*-1\r\n", NullArray),
            (b"*0\r\n", Array(0)),
            (b"_\r\n", Null),
            (b",1.5\r\n", Double(1.5)),
            (b",-inf\r\n", Double(f64::NEG_INFINITY)),
            (b"#t\r\n", Bool(true)),
            (
                b"(12345678901234567890\r\n",
                BigNumber(b"12345678901234567890"),
            ),
            (b"=6\r\ntxt:hi\r\n", Verbatim(b"txt", b"hi")),
            (b"~0\r\n", Set(0)),
            (b"%0\r\n", Map(0)),
        ];
        for (bytes, piece) in cases {
            assert_eq!(pieces(bytes), Some(vec![piece]), "{bytes:?}");
        }
    }

    #[test]
    fn elements_follow_their_container() {
        let bytes = b"*2\r\n%1\r\n$1\r\na\r\n:1\r\n*1\r\n+x\r\n";
        let expected = vec![
            Array(2),
            Map(1),
            Bulk(b"a"),
            Integer(1),
            Array(1),
            Simple(b"x"),
        ];
        assert_eq!(pieces(bytes), Some(expected));
    }

    #[test]
    fn what_is_no_whole_reply_is_refused() {
        let cases: [&[u8]; 16] = [
            b"",
            b"OK",
            b"+OK",
            b"+OK\r\n+OK\r\n",
            b"*2\r\n:1\r\n",
            b"%1\r\n:1\r\n",
            b"$3\r\nab\r\n",
            b"$-2\r\n",
            b"*-2\r\n",
            b"*9223372036854775807\r\n",
            b"%9223372036854775807\r\n",
            b"=3\r\ntxt\r\n",
            b"|1\r\n+a\r\n+b\r\n:1\r\n",
            b">1\r\n+a\r\n",
            b"+a\0b\r\n",
            b"#x\r\n",
        ];
        for bytes in cases {
            assert_eq!(pieces(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"+-:$*,#_=~%(0123\r\n"[..])], 0..80)
        ) {
            if let Some(pieces) = pieces(&bytes) {
                prop_assert!(!pieces.is_empty() && pieces.len() <= bytes.len());
            }
        }
    }
}
