//! Finds rules for this module's commands in `ACL LIST`.
//!
//! Such rules forbid unloading the module: from Redis 7.2 on the server applies all rules again
//! after an unload, and aborts at a command that no longer exists.

use crate::callable::is_own_command;

/// True if a line of `ACL LIST` has a rule for one of this module's commands, inside a selector
/// too: `+durable.set`, `-durable.call|one-key`, `(~k +slothint)`. A rule for a category
/// (`+@durable`) does not count.
pub fn has_rule_for_own_command(line: &[u8]) -> bool {
    line.split(|byte| matches!(byte, b' ' | b'(' | b')'))
        .filter_map(|rule| match rule {
            [b'+' | b'-', name @ ..] => Some(name),
            _ => None,
        })
        .any(is_own_command)
}

#[cfg(test)]
mod tests {
    use super::has_rule_for_own_command;

    #[test]
    fn a_rule_for_a_command_of_ours_is_found() {
        for line in [
            "user app on nopass sanitize-payload ~* resetchannels -@all +durable.set",
            "user app on nopass ~* &* +@all -DURABLE.SET",
            "user app off -@all +durable.call|one-key +get",
            "user app off -@all (~a resetchannels -@all +slothint)",
            "user app off -@all (+slothint.watch ~a)",
        ] {
            assert!(has_rule_for_own_command(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn categories_keys_and_other_commands_are_not_found() {
        for line in [
            "",
            "user default on nopass sanitize-payload ~* &* +@all",
            "user app on ~durable.set &durable.set -@all +@durable +get",
            "user durable.set on #0123 ~* -@all +set +durable",
        ] {
            assert!(!has_rule_for_own_command(line.as_bytes()), "{line}");
        }
    }
}
