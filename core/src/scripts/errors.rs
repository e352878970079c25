//! Errors of scripts: which of them a script caused, and how the plain command would have said
//! them.

/// Whether the script had begun to run before this error. `executed_commands` is true if it has
/// executed a command.
///
/// A script that has executed no command has changed nothing, so the answer then decides only
/// whether the error is recorded. It is read from the text: errors by which servers refuse to begin
/// have a code or a beginning that is known. Everything else the script has said itself.
///
/// | error | commands | begun |
/// |---|---|---|
/// | `ERR something` | some | yes |
/// | `ERR user_script:1: … script: <sha>, on @user_script:1.` | none | yes |
/// | `OOM allow-oom flag is not set …` | none | no |
/// | `ERR Function not found` | none | no |
/// | `MYCODE of the script` | none | yes |
pub fn had_begun(error: &[u8], executed_commands: bool) -> bool {
    let is_own = |own: &&str| error.starts_with(own.as_bytes());
    executed_commands
        || contains(error, b" script: ")
        || !(SERVERS_CODES.iter().any(is_own) || SERVERS_ERRORS.iter().any(is_own))
}

/// Codes of errors by which a server refuses to run a script (`scriptPrepareForRun` in `script.c`,
/// `evalGenericCommand` in `eval.c`, `RM_Call` in `module.c`).
const SERVERS_CODES: [&str; 14] = [
    "NOSCRIPT ",
    "OOM ",
    "READONLY ",
    "MISCONF ",
    "NOREPLICAS ",
    "MASTERDOWN ",
    "NOPERM ",
    "NOAUTH ",
    "BUSY ",
    "LOADING ",
    "CLUSTERDOWN ",
    "TRYAGAIN ",
    "CROSSSLOT ",
    "MOVED ",
];

/// Beginnings of errors without a code of their own (`eval.c`, `script.c`, `functions.c`,
/// `module.c`).
const SERVERS_ERRORS: [&str; 14] = [
    "ERR Error compiling script",
    "ERR Number of keys can't be",
    "ERR Bad number of keys",
    "ERR value is not an integer or out of range",
    "ERR wrong number of arguments for ",
    "ERR unknown command ",
    "ERR Function not found",
    "ERR Unexpected ",
    "ERR Invalid ",
    "ERR Unknown lua shebang option",
    "ERR Could not find scripting engine",
    "ERR Can not ",
    "ERR Attempted to access a non local key",
    "ERR acl verification failed",
];

/// The error of the plain command, where a module's call is refused in other words: the script's
/// slot moved or the cluster failed after the script had arrived. Clients send a command again
/// after these errors, so they are only for a script that has executed no command. A script's own
/// error may quote the same words; it ends differently.
pub fn plain_error(error: &[u8], executed_commands: bool) -> Option<&'static str> {
    if executed_commands {
        return None;
    }
    if error == b"ERR Attempted to access a non local key in a cluster node" {
        // The client sends it again, and the server redirects it.
        return Some("TRYAGAIN Multiple keys request during rehashing of slot");
    }
    let begins = |beginning: &str| error.starts_with(beginning.as_bytes());
    let is_down = (begins("ERR Can not execute a command '")
        && error.ends_with(b"' while the cluster is down"))
        || (begins("ERR Can not execute a write command '")
            && error.ends_with(b"' while the cluster is down and readonly"));
    is_down.then_some("CLUSTERDOWN The cluster is down")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_after_a_command_is_the_scripts_own() {
        assert!(had_begun(b"OOM command not allowed", true));
    }

    #[test]
    fn without_commands_the_text_tells_who_said_it() {
        let servers: [&[u8]; 6] = [
            b"NOSCRIPT No matching script. Please use EVAL.",
            b"OOM allow-oom flag is not set on the script, can not run it",
            b"ERR Error compiling script (new function): user_script:1: x",
            b"ERR Function not found",
            b"ERR Can not execute a script with write flag using *_ro command.",
            b"ERR Unexpected flag in script shebang: x",
        ];
        for error in servers {
            let text = String::from_utf8_lossy(error);
            assert!(!had_begun(error, false), "{text}");
        }
        let own: [&[u8]; 4] = [
            b"ERR boom",
            b"MYCODE of the script",
            b"ERR user_script:1: x script: 1f, on @user_script:1.",
            b"",
        ];
        for error in own {
            let text = String::from_utf8_lossy(error);
            assert!(had_begun(error, false), "{text}");
        }
    }

    #[test]
    fn refusals_of_a_call_in_a_cluster_are_those_of_the_plain_command() {
        let moved = b"ERR Attempted to access a non local key in a cluster node";
        let down = b"ERR Can not execute a command 'eval' while the cluster is down";
        let readonly =
            b"ERR Can not execute a write command 'eval' while the cluster is down and readonly";
        let begins = |error: &[u8], beginning| {
            plain_error(error, false).is_some_and(|plain| plain.starts_with(beginning))
        };
        assert!(begins(moved, "TRYAGAIN "));
        assert!(begins(down, "CLUSTERDOWN ") && begins(readonly, "CLUSTERDOWN "));
        for error in [&moved[..], down, readonly] {
            assert_eq!(plain_error(error, true), None, "the script has executed");
        }
        let of_script = [moved, &b" script: 1f, on @user_script:1."[..]].concat();
        assert_eq!(plain_error(&of_script, false), None);
        assert_eq!(
            plain_error(
                b"ERR Can not execute a script with write flag using *_ro command.",
                false
            ),
            None
        );
    }
}
