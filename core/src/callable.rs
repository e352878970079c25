//! Decides which commands DURABLE.CALL may run, from their flags and categories in `COMMAND INFO`.
//!
//! Some commands kill the server when a module calls them: a script whose caller leaves (so scripts
//! are not called inside the handler, see [`scripts`](crate::scripts)), WAIT on Redis 7.0, and a
//! command of another module that blocks unconditionally. The rule is an allowlist by flags; a
//! denylist would miss commands.
//!
//! | command | verdict | because |
//! |---|---|---|
//! | GET, SET, FLUSHALL, BLPOP | [`Verdict::Data`] | flag `readonly` or `write` |
//! | JSON.SET | [`Verdict::OtherModules`] | flags `write` and `module` |
//! | EVAL, FCALL_RO | [`Verdict::Script`] | by name |
//! | SCRIPT LOAD, FUNCTION FLUSH | [`Verdict::NotData`] | category `scripting` |
//! | WAIT, MULTI | [`Verdict::NotData`] | neither flag `readonly` nor `write` |
//! | PFDEBUG, PUBLISH | [`Verdict::NotData`] | flag `admin` or `pubsub` |
//! | MIGRATE, LOLWUT, DURABLE.SET | [`Verdict::NotData`] | by name |

mod unknown;

pub use unknown::{unknown_command, unknown_subcommand};

/// A command, as `COMMAND INFO` describes it.
#[derive(Clone, Copy, Debug)]
pub struct CommandInfo<'a> {
    /// Its original name, even if it was renamed, in lower case; `name|subcommand` for a
    /// subcommand.
    pub name: &'a str,
    /// Its flags, such as `write`.
    pub flags: &'a [String],
    /// Its ACL categories, without the `@`.
    pub categories: &'a [String],
}

/// Whether a command may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It reads or writes data and may run.
    Data,
    /// It reads or writes data and belongs to another module. It may run if `durable.call-allow`
    /// names it.
    OtherModules,
    /// It runs a script. It may run, but not inside the handler.
    Script,
    /// It neither reads nor writes data, or is for administrators, or manages scripts, or is one of
    /// this module's. It may not run.
    NotData,
}

impl Verdict {
    /// True if a command with this verdict may run. `setting` is `durable.call-allow`, `name` the
    /// name of the command.
    pub fn may_run(self, setting: &[u8], name: &[u8]) -> bool {
        match self {
            Self::Data | Self::Script => true,
            Self::OtherModules => is_allowed(setting, name),
            Self::NotData => false,
        }
    }
}

/// MIGRATE has the flag `write`, but waits for another server. LOLWUT has the flag `readonly`, but
/// draws a picture. No flag distinguishes them from commands that handle data.
const NOT_DATA: [&str; 2] = ["migrate", "lolwut"];

/// The commands that run a script. No flag distinguishes them from those that manage scripts.
const SCRIPTS: [&str; 6] = [
    "eval",
    "evalsha",
    "eval_ro",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
];

/// Applies the rule at the head of this module to a command.
pub fn judge(command: CommandInfo<'_>) -> Verdict {
    let flag = |name: &str| command.flags.iter().any(|flag| flag == name);
    let category = |name: &str| command.categories.iter().any(|c| c == name);
    // Checked before the flags: some of these commands have the flag of a read or a write, and
    // some have neither.
    if category("scripting") {
        let runs_script = SCRIPTS.contains(&command.name);
        return if runs_script {
            Verdict::Script
        } else {
            Verdict::NotData
        };
    }
    let data = (flag("write") || flag("readonly")) && !flag("admin") && !flag("pubsub");
    if !data || is_own_command(command.name.as_bytes()) || NOT_DATA.contains(&command.name) {
        Verdict::NotData
    } else if flag("module") {
        Verdict::OtherModules
    } else {
        Verdict::Data
    }
}

/// True for the names of this module's own commands, in any case: `DURABLE.…` and `SLOTHINT…`.
pub fn is_own_command(name: &[u8]) -> bool {
    [b"durable.".as_slice(), b"slothint"].iter().any(|prefix| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

/// True if `durable.call-allow` names this command. The setting has names in any case, separated by
/// spaces.
fn is_allowed(setting: &[u8], name: &[u8]) -> bool {
    setting
        .split(u8::is_ascii_whitespace)
        .any(|allowed| !allowed.is_empty() && allowed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
