//! Which commands may run inside a durable one, decided from what the server itself says of them.
//!
//! A module that calls the wrong command kills its server: scripts do when their caller leaves,
//! WAIT does on 7.0, and a command of another module does if it blocks without asking. A list of
//! the forbidden ones would forget one; so the rule goes by the properties of the allowed.

/// What the server says of a command.
#[derive(Clone, Copy, Debug)]
pub struct Properties<'a> {
    /// The name that the server gave it, whatever it was renamed to, in lower case; `name|subcommand` for
    /// a subcommand.
    pub name: &'a str,
    /// Its flags, as `COMMAND INFO` spells them.
    pub flags: &'a [String],
    /// Its ACL categories, without the `@`.
    pub categories: &'a [String],
}

/// The rule's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It reads or writes data and may run.
    Data,
    /// It reads or writes data and belongs to another module: it may run if the setting names it.
    OtherModules,
    /// It runs a script or manages scripts.
    Script,
    /// It is neither a read nor a write of data, or an administrator's, or one of this module's.
    NotData,
}

impl Verdict {
    /// Whether a command of this name may run. `setting` is `durable.call-allow`.
    pub fn may_run(self, setting: &[u8], name: &[u8]) -> bool {
        match self {
            Self::Data => true,
            Self::OtherModules => is_allowed(setting, name),
            Self::Script | Self::NotData => false,
        }
    }
}

/// A write by its flags that talks to another server and waits for it, and a read by its flags that
/// draws a picture. No property tells them from others.
const NOT_DATA: [&str; 2] = ["migrate", "lolwut"];

/// Judges a command.
pub fn judge(command: Properties<'_>) -> Verdict {
    let flag = |name: &str| command.flags.iter().any(|flag| flag == name);
    let category = |name: &str| command.categories.iter().any(|c| c == name);
    // Scripts first: some of them are flagged as reads or writes.
    if category("scripting") {
        return Verdict::Script;
    }
    let data = (flag("write") || flag("readonly")) && !flag("admin") && !flag("pubsub");
    if !data || is_ours(command.name.as_bytes()) || NOT_DATA.contains(&command.name) {
        Verdict::NotData
    } else if flag("module") {
        Verdict::OtherModules
    } else {
        Verdict::Data
    }
}

/// True for a name of this module's own commands, in any case.
pub fn is_ours(name: &[u8]) -> bool {
    [b"durable.".as_slice(), b"slothint"].iter().any(|prefix| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

/// True if `durable.call-allow` names this command: names in any case, separated by spaces.
fn is_allowed(setting: &[u8], name: &[u8]) -> bool {
    setting
        .split(u8::is_ascii_whitespace)
        .any(|allowed| !allowed.is_empty() && allowed.eq_ignore_ascii_case(name))
}

/// How many bytes of a word the server shows in an error, and about how many of all arguments together.
const SHOWN: usize = 128;

/// The error for a command that the server does not know, in the server's words (`server.c`,
/// `commandCheckExistence`). It is put together here and not asked for, so that a name which means one thing to
/// the table of commands and another to its lookup is never called. Where there are no arguments, older servers tell
/// that they begin with nothing, and later ones do not: `tells_of_none`.
pub fn unknown_command<'a>(
    name: &[u8],
    args: impl Iterator<Item = &'a [u8]>,
    tells_of_none: bool,
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
    if tells_of_none || !shown.is_empty() {
        text.extend(b", with args beginning with: ");
        text.extend(shown);
    }
    one_line(text)
}

/// As [`unknown_command`], for a command that has subcommands and not this one.
pub fn unknown_subcommand(name: &[u8], subcommand: &[u8]) -> Vec<u8> {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend(start(subcommand, SHOWN));
    text.extend(b"'. Try ");
    text.extend(start(&name.to_ascii_uppercase(), usize::MAX));
    text.extend(b" HELP.");
    one_line(text)
}

/// What C prints of a word: up to its first null byte.
fn start(word: &[u8], limit: usize) -> Vec<u8> {
    let bytes = word.iter().copied().take_while(|&byte| byte != 0);
    bytes.take(limit).collect()
}

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
    fn unknown_names_are_told_in_the_servers_words() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let args = [&b"a\r\nb"[..], b"", b"c\0d"];
        assert_eq!(
            text(unknown_command(b"no\0such", args.into_iter(), false)),
            "ERR unknown command 'no', with args beginning with: 'a  b' '' 'c' "
        );
        let alone = |tells_of_none| text(unknown_command(b"no", [].into_iter(), tells_of_none));
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

    fn verdict(name: &str, flags: &str, categories: &str) -> Verdict {
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        judge(Properties {
            name,
            flags: &words(flags),
            categories: &words(categories),
        })
    }

    #[test]
    fn reads_and_writes_of_data_may_run() {
        assert_eq!(
            verdict("get", "readonly fast", "read string fast"),
            Verdict::Data
        );
        assert_eq!(
            verdict("blpop", "write noscript blocking", "write list"),
            Verdict::Data
        );
        assert_eq!(
            verdict("flushall", "write", "keyspace write dangerous"),
            Verdict::Data
        );
        assert_eq!(
            verdict("xinfo|stream", "readonly", "read stream"),
            Verdict::Data
        );
    }

    #[test]
    fn scripts_are_refused_whatever_else_they_are() {
        assert_eq!(
            verdict("eval", "noscript stale", "slow scripting"),
            Verdict::Script
        );
        assert_eq!(
            verdict("fcall_ro", "readonly noscript", "scripting"),
            Verdict::Script
        );
        assert_eq!(
            verdict("function|flush", "write noscript", "write scripting"),
            Verdict::Script
        );
    }

    #[test]
    fn what_is_no_data_command_is_refused() {
        assert_eq!(
            verdict("wait", "noscript", "slow connection"),
            Verdict::NotData
        );
        assert_eq!(
            verdict("multi", "noscript loading stale fast", "transaction"),
            Verdict::NotData
        );
        assert_eq!(
            verdict("publish", "pubsub loading stale fast", "pubsub"),
            Verdict::NotData
        );
        assert_eq!(
            verdict("pfdebug", "write denyoom admin", "write"),
            Verdict::NotData
        );
        assert_eq!(
            verdict("migrate", "write movablekeys", "keyspace write"),
            Verdict::NotData
        );
    }

    #[test]
    fn our_own_commands_are_refused_and_other_modules_need_a_word() {
        assert_eq!(
            verdict("durable.set", "write denyoom module", "write"),
            Verdict::NotData
        );
        assert_eq!(
            verdict("slothint.map", "readonly module", ""),
            Verdict::NotData
        );
        assert_eq!(
            verdict("json.set", "write denyoom module", ""),
            Verdict::OtherModules
        );
        assert_eq!(verdict("x.y", "module", ""), Verdict::NotData);
    }

    #[test]
    fn the_setting_names_whole_commands_in_any_case() {
        assert!(is_allowed(b"JSON.SET  json.get", b"json.set"));
        assert!(!is_allowed(b"json.set", b"json.se"));
        assert!(!is_allowed(b"json.set", b""));
        assert!(!is_allowed(b"", b""));
    }

    #[test]
    fn our_own_names_are_known_in_any_case() {
        assert!(is_ours(b"Durable.CALL") && is_ours(b"SLOTHINT"));
        assert!(!is_ours(b"durabl") && !is_ours(b""));
    }
}
