//! What the rules of an access control list name.

use crate::callable::is_ours;

/// True if a line of `ACL LIST` has a rule for one of this module's commands, also inside a selector: `+durable.set`,
/// `-durable.call|one-key`, `(~k +slothint)`. Rules for a category (`+@durable`) name none.
pub fn names_ours(line: &[u8]) -> bool {
    line.split(|byte| matches!(byte, b' ' | b'(' | b')'))
        .filter_map(|rule| match rule {
            [b'+' | b'-', name @ ..] => Some(name),
            _ => None,
        })
        .any(is_ours)
}

#[cfg(test)]
mod tests {
    use super::names_ours;

    #[test]
    fn a_rule_for_a_command_of_ours_is_found() {
        for line in [
            "user app on nopass sanitize-payload ~* resetchannels -@all +durable.set",
            "user app on nopass ~* &* +@all -DURABLE.SET",
            "user app off -@all +durable.call|one-key +get",
            "user app off -@all (~a resetchannels -@all +slothint)",
            "user app off -@all (+slothint.watch ~a)",
        ] {
            assert!(names_ours(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn categories_keys_and_other_commands_are_not_taken_for_one() {
        for line in [
            "",
            "user default on nopass sanitize-payload ~* &* +@all",
            "user app on ~durable.set &durable.set -@all +@durable +get",
            "user durable.set on #0123 ~* -@all +set +durable",
        ] {
            assert!(!names_ours(line.as_bytes()), "{line}");
        }
    }
}
