//! A cursor over a reply in RESP2 or RESP3. It reads one value after another and never panics.

use atoi::FromRadix10SignedChecked;

/// A reply with an unknown format, and what was wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "the server's answer about the cluster cannot be read: {}",
            self.0
        )
    }
}

impl std::error::Error for Unreadable {}

/// How deep values may be nested: far deeper than any reply read here, far less than would exhaust
/// the stack.
const MAX_DEPTH: u8 = 16;

/// The remaining bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// Reads the head of an array. Returns the number of elements, which follow.
    pub fn array(&mut self) -> Result<usize, Unreadable> {
        if let Some(length) = self.short_head(b'*') {
            return usize::try_from(length).map_err(|_| TOO_LONG);
        }
        match self.head()? {
            (b'*' | b'~', length) => count(length),
            _ => Err(Unreadable("an array was expected")),
        }
    }

    /// Reads the head of a map. Returns the number of pairs, which follow. RESP2 writes a map of 3
    /// pairs as an array of 6 elements.
    pub fn map(&mut self) -> Result<usize, Unreadable> {
        match self.head()? {
            (b'%', length) => count(length),
            (b'*', length) => match count(length)? {
                elements if elements % 2 == 0 => Ok(elements / 2),
                _ => Err(Unreadable("a map has a key without a value")),
            },
            _ => Err(Unreadable("a map was expected")),
        }
    }

    /// Reads an integer.
    pub fn integer(&mut self) -> Result<i64, Unreadable> {
        if let Some(number) = self.short_head(b':') {
            return i64::try_from(number).map_err(|_| TOO_LONG);
        }
        match self.head()? {
            (b':', digits) => number(digits),
            _ => Err(Unreadable("an integer was expected")),
        }
    }

    /// Reads a number, written as an integer or as a string.
    pub fn number(&mut self) -> Result<i64, Unreadable> {
        match self.0.first() {
            Some(b':') => self.integer(),
            _ => number(self.string()?),
        }
    }

    /// Reads a string: a bulk or simple one, or a verbatim one without its format.
    pub fn string(&mut self) -> Result<&'a [u8], Unreadable> {
        if let Some(length) = self.short_head(b'$') {
            return self.bulk(usize::try_from(length).map_err(|_| TOO_LONG)?);
        }
        match self.head()? {
            (b'$', length) => self.bulk(count(length)?),
            (b'=', length) => self
                .bulk(count(length)?)?
                .get(4..)
                .ok_or(Unreadable("a verbatim string has no format")),
            (b'+', text) => Ok(text),
            _ => Err(Unreadable("a string was expected")),
        }
    }

    /// Skips one value of any kind.
    pub fn skip(&mut self) -> Result<(), Unreadable> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Result<(), Unreadable> {
        let depth = depth
            .checked_sub(1)
            .ok_or(Unreadable("it is nested too deeply"))?;
        let (kind, rest) = self.head()?;
        let values = match kind {
            b'$' | b'=' | b'!' if rest != b"-1" => return self.bulk(count(rest)?).map(drop),
            b'*' | b'~' | b'>' if rest != b"-1" => count(rest)?,
            b'%' => count(rest)?
                .checked_mul(2)
                .ok_or(Unreadable("a length is too large"))?,
            b'$' | b'*' | b':' | b'+' | b'-' | b'_' | b'#' | b',' | b'(' => 0,
            _ => return Err(Unreadable("a value is of no known kind")),
        };
        // Each value takes bytes, so a wrong length ends at the end of the reply and not in a long
        // loop.
        (0..values).try_for_each(|_| self.skip_within(depth))
    }

    /// Reads a line of this kind that has a [small number](small_number), in one pass. Nearly all
    /// lines are such. `None`, and nothing is read, if the line is another one.
    fn short_head(&mut self, kind: u8) -> Option<u64> {
        // Most lengths have one digit.
        if let [first, digit @ b'0'..=b'9', b'\r', b'\n', rest @ ..] = self.0 {
            if *first == kind {
                self.0 = rest;
                return Some(u64::from(digit.wrapping_sub(b'0')));
            }
        }
        let (first, line) = self.0.split_first()?;
        if *first != kind {
            return None;
        }
        let (number, rest) = small_number(line)?;
        self.0 = rest.strip_prefix(b"\r\n")?;
        Some(number)
    }

    /// Reads a line. Returns its first byte, which is the kind of the value, and the rest.
    fn head(&mut self) -> Result<(u8, &'a [u8]), Unreadable> {
        let end = self
            .0
            .iter()
            .position(|&byte| byte == b'\r')
            .ok_or(CUT_OFF)?;
        let (line, rest) = self.0.split_at_checked(end).ok_or(CUT_OFF)?;
        self.0 = rest.strip_prefix(b"\r\n").ok_or(CUT_OFF)?;
        line.split_first()
            .map(|(&kind, rest)| (kind, rest))
            .ok_or(Unreadable("a value is of no known kind"))
    }

    /// Reads so many bytes and a line end.
    fn bulk(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CUT_OFF)?;
        self.0 = rest.strip_prefix(b"\r\n").ok_or(CUT_OFF)?;
        Ok(bytes)
    }
}

const TOO_LONG: Unreadable = Unreadable("a number is too great");
const CUT_OFF: Unreadable = Unreadable("it is cut off");

fn count(digits: &[u8]) -> Result<usize, Unreadable> {
    number(digits)
}

/// Reads a decimal number.
pub(crate) fn number<T>(digits: &[u8]) -> Result<T, Unreadable>
where
    T: FromRadix10SignedChecked + TryFrom<u64>,
{
    if let Some((small, [])) = small_number(digits) {
        if let Ok(small) = T::try_from(small) {
            return Ok(small);
        }
    }
    match T::from_radix_10_signed_checked(digits) {
        (Some(number), used) if used == digits.len() && used > 0 => Ok(number),
        _ => Err(Unreadable("a number was expected")),
    }
}

/// A number without a sign from the first digits, at most 18, which fit into 64 bits; and the bytes
/// after them. `None` if there are no digits. Nearly all numbers are such, and each look at the
/// replicas reads some ten of them.
fn small_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = bytes;
    for _ in 0..18 {
        let Some((digit @ b'0'..=b'9', behind)) = rest.split_first() else {
            break;
        };
        number = number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit.wrapping_sub(b'0')));
        rest = behind;
    }
    (rest.len() < bytes.len()).then_some((number, rest))
}
