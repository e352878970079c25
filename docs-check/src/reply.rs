//! Formats a reply as redis-cli prints it on a terminal, in RESP2 and RESP3.
//!
//! redis-cli itself is not used: its programs differ in small things, such as the way in which they
//! print a map, and a page has one text for all servers.

use std::fmt::Write as _;

use anyhow::{bail, Context, Result};
use testkit::redis::{self, Value};

/// The text of one complete reply, without a final newline.
pub fn shown(bytes: &[u8]) -> Result<String> {
    // Read from the raw bytes, because the client library changes the text of errors.
    if let Some(message) = bytes.strip_prefix(b"-") {
        let message = String::from_utf8_lossy(message);
        return Ok(format!("(error) {}", message.trim_end()));
    }
    let value = redis::parse_redis_value(bytes)
        .with_context(|| format!("not a reply: \"{}\"", bytes.escape_ascii()))?;
    let mut text = String::new();
    write_value(&mut text, &value, 0)?;
    Ok(text)
}

/// The first line of an element follows its number, so only the later ones are indented.
fn write_value(text: &mut String, value: &Value, indent: usize) -> Result<()> {
    match value {
        Value::Nil => text.push_str("(nil)"),
        Value::Okay => text.push_str("OK"),
        Value::SimpleString(status) => text.push_str(status),
        Value::Int(number) => write!(text, "(integer) {number}")?,
        Value::Double(number) => write!(text, "(double) {number}")?,
        Value::Boolean(value) => write!(text, "({value})")?,
        Value::BulkString(bytes) => write_quoted(text, bytes)?,
        Value::VerbatimString { text: words, .. } => text.push_str(words.trim_end()),
        Value::Array(elements) => write_elements(text, elements, ')', indent)?,
        Value::Set(elements) => write_elements(text, elements, '~', indent)?,
        Value::Push { kind, data } => {
            begin_element(text, 1, 1, '>', indent)?;
            write_quoted(text, kind.to_string().as_bytes())?;
            for (number, element) in (2..).zip(data) {
                begin_element(text, number, 1, '>', indent)?;
                write_value(text, element, indent + 3)?;
            }
        }
        Value::Map(pairs) if pairs.is_empty() => text.push_str("(empty hash)"),
        Value::Map(pairs) => {
            let width = pairs.len().to_string().len();
            for (number, (key, value)) in (1..).zip(pairs) {
                begin_element(text, number, width, '#', indent)?;
                write_value(text, key, indent + width + 2)?;
                text.push_str(" => ");
                write_value(text, value, indent + width + 2)?;
            }
        }
        Value::ServerError(error) => {
            write!(text, "(error) {}", error.code())?;
            if let Some(details) = error.details() {
                write!(text, " {details}")?;
            }
        }
        other => bail!("no way to print {other:?}"),
    }
    Ok(())
}

fn write_elements(text: &mut String, elements: &[Value], mark: char, indent: usize) -> Result<()> {
    if elements.is_empty() {
        text.push_str("(empty array)");
    }
    // Numbers are padded to the width of the largest, so that the elements align.
    let width = elements.len().to_string().len();
    for (number, element) in (1..).zip(elements) {
        begin_element(text, number, width, mark, indent)?;
        write_value(text, element, indent + width + 2)?;
    }
    Ok(())
}

fn begin_element(
    text: &mut String,
    number: usize,
    width: usize,
    mark: char,
    indent: usize,
) -> Result<()> {
    if number > 1 {
        write!(text, "\n{:indent$}", "")?;
    }
    write!(text, "{number:width$}{mark} ")?;
    Ok(())
}

/// In quotes. Bytes that a terminal cannot show are escaped.
fn write_quoted(text: &mut String, bytes: &[u8]) -> Result<()> {
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(byte))?,
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => write!(text, "\\x{other:02x}")?,
        }
    }
    text.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[track_caller]
    fn assert_shown(reply: &[u8], expected: &str) {
        let text = shown(reply).expect("a reply that can be shown");
        assert_eq!(text, expected);
    }

    #[test]
    fn replies_of_resp2_look_as_redis_cli_prints_them() {
        assert_shown(b"+OK\r\n", "OK");
        assert_shown(b":-2\r\n", "(integer) -2");
        assert_shown(b"$-1\r\n", "(nil)");
        assert_shown(b"$5\r\na\"b\n\0\r\n", r#""a\"b\n\x00""#);
        assert_shown(b"*0\r\n", "(empty array)");
        assert_shown(b"-UNACKED 1 of 2\r\n", "(error) UNACKED 1 of 2");
        assert_shown(
            b"*2\r\n:7\r\n*2\r\n$1\r\na\r\n*-1\r\n",
            "1) (integer) 7\n2) 1) \"a\"\n   2) (nil)",
        );
    }

    #[test]
    fn replies_of_resp3_look_as_redis_cli_prints_them() {
        assert_shown(b"_\r\n", "(nil)");
        assert_shown(b",1.5\r\n", "(double) 1.5");
        assert_shown(b"#t\r\n", "(true)");
        assert_shown(
            b"*1\r\n%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n",
            "1) 1# \"a\" => (integer) 1\n   2# \"b\" => 1) (integer) 2",
        );
        assert_shown(
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
            "1> \"invalidate\"\n2> 1) \"k\"",
        );
        assert_shown(b"*1\r\n-ERR no\r\n", "1) (error) ERR no");
    }
}
