//! Commands that run a script, whose errors can be any text. Pure.

use durable_core::options;
use redis::Arg;

use super::{is_one_of, once, Command};

/// Commands whose errors can be the text of a script.
const SCRIPTS: &str = " EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO ";

impl Command {
    /// Whether it runs a script, by itself or inside `DURABLE.CALL` or `DURABLE.ONCE`.
    pub(crate) fn is_script(&self) -> bool {
        is_one_of(SCRIPTS, &self.name)
            || self
                .inner_name()
                .is_some_and(|name| is_one_of(SCRIPTS, &name))
    }

    /// The command inside `DURABLE.CALL` or `DURABLE.ONCE`, in upper case. `None` if there is none,
    /// or if an option before it is wrong.
    fn inner_name(&self) -> Option<String> {
        let before_options = match self.name.as_str() {
            "DURABLE.CALL" => 1,
            once::NAME => 2,
            _ => return None,
        };
        let words = self.cmd.args_iter().map(|word| match word {
            Arg::Simple(word) => word,
            // A cursor, which is neither an option nor a command.
            _ => b"",
        });
        let mut words = words.skip(before_options);
        let (_, taken) = options::leading(words.clone()).ok()?;
        let name = words.nth(taken)?;
        Some(String::from_utf8_lossy(name).to_ascii_uppercase())
    }

    /// Whether `TRYAGAIN` and similar errors may be the text of a script, so that it must not be
    /// executed again for them.
    pub(crate) fn has_errors_of_its_own(&self) -> bool {
        self.is_script() && !self.repeatable && !self.is_once()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_errors_of_its_own_unless_the_caller_declares_it_repeatable() {
        for name in [
            "EVAL",
            "evalsha",
            "EVAL_RO",
            "EVALSHA_RO",
            "FCALL",
            "FCALL_RO",
        ] {
            assert!(Command::new(name).has_errors_of_its_own(), "{name}");
            let repeatable = Command::new(name).repeatable();
            assert!(!repeatable.has_errors_of_its_own(), "{name}");
        }
        assert!(!Command::set("k", "v").has_errors_of_its_own());
        let call = Command::new("durable.call").arg(&["REPLICAS", "2", "eval", "return 1"]);
        assert!(call.is_script() && call.has_errors_of_its_own());
        let once = Command::new("EVAL").arg("return 1").once("id");
        assert!(once.is_script() && !once.has_errors_of_its_own());
        for other in [
            Command::new("DURABLE.CALL").arg("SET").key("eval"),
            Command::new("DURABLE.CALL").arg(&["REPLICAS", "x", "EVAL"]),
            Command::new("DURABLE.CALL"),
            Command::new("INCR").key("k").once("EVAL"),
        ] {
            assert!(!other.is_script(), "{other:?}");
        }
    }
}
