//! Finds the keys of an inner command.
//!
//! The key specifications in the registry show where the keys are. `RM_GetCommandKeysWithFlags` is
//! called only if the server's own code is needed, or if the command was not looked up yet. It is
//! avoided because it leaks memory for each command with many keys, and because any client can
//! cause the call: access control comes later.

use durable_core::callable::is_own_command;
use durable_core::key_specs::Keys;
use durable_core::options;

use super::registry;
use crate::ffi::{keys, Args, Ctx, IncomingCommand};
use crate::{config, event_loop};

/// Reports the keys of a DURABLE.CALL or DURABLE.ONCE to the server. `before` is the number of
/// words between its name and the options.
///
/// An inner command of the module itself is refused later, so no keys are reported for it.
/// Otherwise a long `DURABLE.CALL DURABLE.CALL …` would recurse until the stack overflows.
pub fn report(ctx: &Ctx, args: Args<'_>, before: usize) {
    if let Some((inner, taken)) = inner_command(args.skip(1), before) {
        for (position, flags) in of_inner(inner) {
            let place = position.saturating_add(taken).saturating_add(1);
            ctx.report_key(args, place, flags);
        }
        if registry::needs_turns() {
            event_loop::hear(ctx);
        }
    }
}

/// Turns `COMMAND GETKEYS DURABLE.CALL [options] SET k v` into `COMMAND GETKEYS SET k v`, for two
/// reasons: not every server calls DURABLE.CALL for its keys, and DURABLE.CALL cannot always report
/// exactly what is done to a key.
pub fn replace_by_inner_command(command: &mut IncomingCommand, before: usize) {
    const NAME: usize = 2;
    let words = command.words();
    let after_name = words.args().skip(NAME.saturating_add(1));
    let taken = inner_command(after_name, before).map(|(_, taken)| taken);
    drop(words);
    if let Some(taken) = taken {
        for _ in 0..=taken {
            command.delete_word(NAME);
        }
    }
}

/// The inner command in the words after DURABLE.CALL or DURABLE.ONCE, and the number of words
/// before it. `before` of these come before the options. `None` if there is no inner command, or
/// one of the module's own.
pub fn inner_command(words: Args<'_>, before: usize) -> Option<(Args<'_>, usize)> {
    let (_, options) = options::leading(words.skip(before).iter()).ok()?;
    let taken = before.saturating_add(options);
    let inner = words.skip(taken);
    let is_foreign = inner.get(0).is_some_and(|name| !is_own_command(name));
    is_foreign.then_some((inner, taken))
}

/// The keys of an inner command: the place of each, and the server's flags for what is done to it.
/// Empty for a command that will be refused.
pub fn of_inner(inner: Args<'_>) -> Keys {
    enum Found {
        Keys(Keys),
        ServersOwnCode,
    }
    let name = inner.get(0).unwrap_or_default();
    let found = registry::with_command(inner, |command| {
        if !config::read(|config| command.may_run(&config.call_allow, name)) {
            return Found::Keys(Keys::new());
        }
        let specs = command.keys.as_ref();
        let keys = specs.and_then(|specs| specs.find(inner.len(), |index| inner.get(index)));
        keys.map_or(Found::ServersOwnCode, Found::Keys)
    });
    match found {
        Some(Found::Keys(keys)) => keys,
        Some(Found::ServersOwnCode) => keys::of(inner).into(),
        // A name with a null byte or `|` is refused later, and not looked up here: the server may
        // find another command by it.
        None if name.iter().any(|byte| matches!(byte, 0 | b'|')) => Keys::new(),
        None => {
            let keys = keys::of(inner);
            if !keys.is_empty() {
                registry::look_up_soon(name);
            }
            keys.into()
        }
    }
}
