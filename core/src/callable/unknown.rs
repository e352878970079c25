//! The errors for unknown commands and subcommands, worded as the server words them.
//!
//! Source: `commandCheckExistence` in the server's `server.c`. The error is written here, and not
//! obtained by calling the command: the server's lookup may find a name, such as one with a null
//! byte, that `COMMAND INFO` does not find. That command would be executed without a check.

/// The server cuts a name or an argument after 128 bytes, and adds arguments until 128 bytes of
/// them are shown.
const SHOWN: usize = 128;

/// The error for an unknown command. `lists_no_args` is true for older servers: they append
/// `, with args beginning with: ` even to a command without arguments. Later servers do not.
pub fn unknown_command<'a>(
    name: &[u8],
    args: impl Iterator<Item = &'a [u8]>,
    lists_no_args: bool,
) -> Vec<u8> {
    let mut shown = Vec::new();
    for arg in args {
        if shown.len() >= SHOWN {
            break;
        }
        let room = SHOWN.saturating_sub(shown.len());
        shown.push(b'\'');
        shown.extend(start(arg, room));
        shown.extend(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend(start(name, SHOWN));
    text.push(b'\'');
    if lists_no_args || !shown.is_empty() {
        text.extend(b", with args beginning with: ");
        text.extend(shown);
    }
    one_line(text)
}

/// The error for an unknown subcommand of the command `name`.
pub fn unknown_subcommand(name: &[u8], subcommand: &[u8]) -> Vec<u8> {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend(start(subcommand, SHOWN));
    text.extend(b"'. Try ");
    text.extend(start(&name.to_ascii_uppercase(), usize::MAX));
    text.extend(b" HELP.");
    one_line(text)
}

/// The part of a word that C prints: up to its first null byte, at most `limit` bytes.
fn start(word: &[u8], limit: usize) -> Vec<u8> {
    let bytes = word.iter().copied().take_while(|&byte| byte != 0);
    bytes.take(limit).collect()
}

/// Replaces line ends by spaces.
fn one_line(mut text: Vec<u8>) -> Vec<u8> {
    for byte in &mut text {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_get_the_errors_of_the_server() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let args = [&b"a\r\nb"[..], b"", b"c\0d"];
        assert_eq!(
            text(unknown_command(b"no\0such", args.into_iter(), false)),
            "ERR unknown command 'no', with args beginning with: 'a  b' '' 'c' "
        );
        let alone = |lists_no_args| text(unknown_command(b"no", [].into_iter(), lists_no_args));
        assert_eq!(
            alone(true),
            "ERR unknown command 'no', with args beginning with: "
        );
        assert_eq!(alone(false), "ERR unknown command 'no'");
        assert_eq!(
            text(unknown_subcommand(b"config", b"GET\0")),
            "ERR unknown subcommand 'GET'. Try CONFIG HELP."
        );
    }

    #[test]
    fn long_words_are_cut_where_the_server_cuts_them() {
        let long = [b'x'; 1000];
        let words = vec![&long[..100]; 5];
        let error = unknown_command(&long, words.into_iter(), true);
        // Two arguments: 103 bytes, then 25 of the second, which makes them long enough.
        let expected = format!(
            "ERR unknown command '{}', with args beginning with: '{}' '{}' ",
            "x".repeat(128),
            "x".repeat(100),
            "x".repeat(25)
        );
        assert_eq!(error, expected.into_bytes());
    }
}
