//! Formats a RESP2 reply as redis-cli prints it on a terminal.

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
        Value::BulkString(bytes) => write_quoted(text, bytes)?,
        Value::Array(elements) if elements.is_empty() => text.push_str("(empty array)"),
        Value::Array(elements) => {
            // Numbers are padded to the width of the largest, so that the elements align.
            let width = elements.len().to_string().len();
            for (number, element) in (1..).zip(elements) {
                if number > 1 {
                    write!(text, "\n{:indent$}", "")?;
                }
                write!(text, "{number:width$}) ")?;
                write_value(text, element, indent + width + 2)?;
            }
        }
        other => bail!("RESP2 has no {other:?}"),
    }
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
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
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
    fn simple_replies_look_as_redis_cli_prints_them() {
        assert_shown(b"+OK\r\n", "OK");
        assert_shown(b"+PONG\r\n", "PONG");
        assert_shown(b":-2\r\n", "(integer) -2");
        assert_shown(b"$-1\r\n", "(nil)");
        assert_shown(b"*-1\r\n", "(nil)");
        assert_shown(b"$4\r\npaid\r\n", "\"paid\"");
        assert_shown(b"$0\r\n\r\n", "\"\"");
        assert_shown(b"*0\r\n", "(empty array)");
    }

    #[test]
    fn an_error_is_shown_word_for_word() {
        assert_shown(
            b"-UNACKED 1 of 2 replicas acknowledged\r\n",
            "(error) UNACKED 1 of 2 replicas acknowledged",
        );
        assert_shown(b"-ERR no\r\n", "(error) ERR no");
        assert_shown(
            b"-MOVED 866 127.0.0.1:7001\r\n",
            "(error) MOVED 866 127.0.0.1:7001",
        );
    }

    #[test]
    fn bytes_that_a_terminal_cannot_show_are_escaped() {
        assert_shown(
            b"$10\r\na\"\\\n\r\t\x07\x08\x00\xff\r\n",
            r#""a\"\\\n\r\t\a\b\x00\xff""#,
        );
    }

    #[test]
    fn nested_arrays_are_numbered_and_indented() {
        assert_shown(
            b"*3\r\n:7\r\n*1\r\n*2\r\n$1\r\na\r\n*0\r\n*2\r\n*2\r\n:1\r\n:0\r\n$-1\r\n",
            "1) (integer) 7\n\
             2) 1) 1) \"a\"\n\
             \x20     2) (empty array)\n\
             3) 1) 1) (integer) 1\n\
             \x20     2) (integer) 0\n\
             \x20  2) (nil)",
        );
    }

    #[test]
    fn ten_elements_make_the_numbers_two_wide() {
        let reply = [&b"*10\r\n"[..], &b":5\r\n".repeat(10)].concat();
        let text = shown(&reply).expect("a reply that can be shown");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 1) (integer) 5");
        assert_eq!(lines[9], "10) (integer) 5");
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert!(shown(b"hello\r\n").is_err());
    }
}
