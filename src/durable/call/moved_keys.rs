//! Moves keys to fixed places, on servers that would call DURABLE.CALL and DURABLE.ONCE for their
//! keys on I/O threads and crash (`Fact::AsksForKeysOnThreadsInClusters`; see `ffi/keys.rs`).
//!
//! There the command filter, which runs on the main thread, moves the keys to places that the
//! server knows from the registration. `DURABLE.CALL SET k v` becomes `DURABLE.CALL one-key k "1
//! SET" v`, and `DURABLE.CALL DBSIZE` becomes `DURABLE.CALL no-key DBSIZE`. `DURABLE.ONCE id SET k
//! v` becomes `DURABLE.ONCE one-key k "2 id" SET v`. The handler of the subcommand restores the
//! words and executes them. The server then handles the keys as for the plain command: it replies
//! MOVED, ASK, CROSSSLOT, TRYAGAIN and CLUSTERDOWN, also on replicas, in scripts and when a
//! transaction is queued.
//!
//! At most two keys are moved, because the number of fixed places is fixed. They represent all keys
//! (`core/src/key_places.rs`). Keys are moved and not copied, because a filter may lengthen a
//! command by one word only: Valkey 9.1 writes more words past the end of a script's command
//! (`VM_CommandFilterArgInsert`, borrowed arguments).

use std::ffi::{c_int, CStr};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::key_places::KeyPlaces;

use super::keys::{inner_command, of_inner};
use super::{registry, Outer};
use crate::ffi::args::Restored;
use crate::ffi::spec::{DeclaredKeys, Spec};
use crate::ffi::{Args, Command, Ctx, Handler, IncomingCommand, OwnString};
use crate::{docs, event_loop};

/// The subcommands by which DURABLE.CALL is executed. The index is the number of moved keys, which
/// follow the subcommand. After them come the other words that the client sent.
const SUBCOMMANDS: [&CStr; 3] = [c"no-key", c"one-key", c"two-keys"];

/// The place of the first key in `DURABLE.CALL one-key k …`.
const FIRST_PLACE: c_int = 2;

/// True if keys are moved on this server.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Registers `O` and its subcommands, and begins to move keys.
///
/// # Errors
/// Which command the server does not accept.
pub fn create<O: Outer>(ctx: &Ctx, spec: &Spec) -> Result<(), String> {
    let handlers = [
        Handler::of::<MovedCall<O, 0>>(),
        Handler::of::<MovedCall<O, 1>>(),
        Handler::of::<MovedCall<O, 2>>(),
    ];
    let subcommands: Vec<(Spec, Handler)> = (0..)
        .zip(SUBCOMMANDS)
        .zip(handlers)
        .map(|((keys, name), handler)| (subcommand(spec, name, keys), handler))
        .collect();
    ctx.create_container(spec, &subcommands)?;
    IS_ON.store(true, Ordering::Relaxed);
    Ok(())
}

/// Stops moving keys.
pub fn unload() {
    IS_ON.store(false, Ordering::Relaxed);
}

/// The subcommand with this number of moved keys.
fn subcommand(container: &Spec, name: &CStr, keys: c_int) -> Spec {
    let first = FIRST_PLACE;
    let last = first.saturating_add(keys).saturating_sub(1);
    let has_keys = keys > 0;
    Spec {
        name: name.into(),
        legacy_keys: if has_keys {
            (first, last, 1)
        } else {
            (0, 0, 0)
        },
        keys: has_keys
            .then(|| DeclaredKeys::places(first, last))
            .into_iter()
            .collect(),
        // Both names, the keys, and at least one more word.
        arity: last.saturating_add(2).saturating_neg(),
        summary:
            c"What a DURABLE.CALL is executed as, once some of its keys are moved to the front."
                .into(),
        args: vec![docs::any_number(docs::string(c"word"))],
        ..container.clone()
    }
}

/// The subcommand of `O` with this number of moved keys behind its name.
struct MovedCall<O, const KEYS: usize>(PhantomData<O>);

impl<O: Outer, const KEYS: usize> Command for MovedCall<O, KEYS> {
    fn run(ctx: &Ctx, args: Args<'_>) {
        match words_as_sent(args.skip(2), KEYS, O::BEFORE_OPTIONS) {
            // The filter cannot have put these words together.
            None => ctx.reply_error_text(&format!(
                "ERR {} takes a command and not a subcommand of its own, which only the server's \
                 cluster redirection uses; nothing was executed",
                O::NAME
            )),
            // With fewer than two keys the server has checked all of them.
            Some(sent) if KEYS < 2 => O::execute(ctx, sent.args(), |_| None),
            Some(sent) => O::execute(ctx, sent.args(), try_again_error),
        }
    }
}

/// Replaces the error of a call that has a key on another node. The server has found the two moved
/// keys on this node. So their slot is migrating, and another key of the call has already left.
fn try_again_error(error: &[u8]) -> Option<&'static CStr> {
    let is_elsewhere = error.starts_with(b"ERR Attempted to access a non local key");
    is_elsewhere.then_some(c"TRYAGAIN Multiple keys request during rehashing of slot")
}

/// Moves the keys of a DURABLE.CALL or DURABLE.ONCE to their places. Its name is the word at `at`:
/// the first one, or the fourth of `ACL DRYRUN user DURABLE.CALL …`. `before` is the number of
/// words between its name and the options.
pub fn move_to_front(command: &mut IncomingCommand, at: usize, before: usize) {
    if !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    let plan = plan(command, at, before);
    // Until a turn has looked a command up, each question for its keys leaks memory.
    if registry::needs_turns() {
        event_loop::hear_in_filter();
    }
    let Some(mut plan) = plan else {
        return;
    };
    let start = at.saturating_add(1);
    // The added word is inserted first, while the server still makes room for one. The keys then
    // only take the places of deleted words.
    let subcommand = SUBCOMMANDS.get(plan.keys.len()).unwrap_or(&SUBCOMMANDS[0]);
    command.insert_word(start, OwnString::new(subcommand.to_bytes()));
    let first = start.saturating_add(1);
    for (place, _) in plan.keys.iter().rev() {
        command.delete_word(first.saturating_add(*place));
    }
    if let Some(marked) = &plan.marked {
        command.replace_word(first, marked);
    }
    while let Some((_, key)) = plan.keys.pop() {
        command.insert_word(first, key);
    }
    // The server has to look the command up again, to find the subcommand. It does so when the name
    // becomes another string, even one with the same text. Valkey before 9.1 does so for no other
    // change.
    command.replace_word(at, &plan.name);
}

/// What [`move_to_front`] is about to do.
struct Plan {
    /// The command's name as the client spelt it.
    name: Vec<u8>,
    /// Places among the words after the name, ascending, and the keys there.
    keys: Vec<(usize, OwnString)>,
    /// The first of these words, with the places before it: `1 SET`. `None` without keys.
    marked: Option<Vec<u8>>,
}

/// `None` if the keys are in their places already. If the server postpones a command, the filter
/// sees it a second time, with its keys moved. A client can send this form, too. The handler
/// refuses it unless the filter would have moved the same keys.
fn plan(command: &IncomingCommand, at: usize, before: usize) -> Option<Plan> {
    let all = command.words();
    let args = all.args().skip(at);
    let (name, words) = (args.get(0)?.to_vec(), args.skip(1));
    let is_done = words.get(0).is_some_and(|word| {
        let is = |subcommand: &&CStr| word.eq_ignore_ascii_case(subcommand.to_bytes());
        SUBCOMMANDS.iter().any(is)
    });
    if is_done {
        return None;
    }
    let places = places_of(words, before);
    let moved = places.into_iter().flat_map(KeyPlaces::iter);
    let moved = moved.filter_map(|place| Some((place, OwnString::new(words.get(place)?))));
    Some(Plan {
        name,
        keys: moved.collect(),
        marked: places.and_then(|places| Some(places.prefix(words.get(0)?))),
    })
}

/// The words as the client sent them, from those after the name of the subcommand.
///
/// `None` unless the filter would have moved exactly these keys. A server stores a key under the
/// slot of the keys in the declared places (`getKeySlot` in `db.c`). With a wrong key there, the
/// inner command's key would be stored where no client finds it.
fn words_as_sent(words: Args<'_>, keys: usize, before: usize) -> Option<Restored<'_>> {
    let (keys, others) = (words.take(keys), words.skip(keys));
    let (places, sent) = if keys.len() == 0 {
        (None, Restored::unmoved(others))
    } else {
        let (places, first) = others.get(0).and_then(KeyPlaces::parse)?;
        (
            Some(places),
            Restored::new(places, keys, first, others.skip(1))?,
        )
    };
    (places_of(sent.args(), before) == places).then_some(sent)
}

/// The places of the keys to be moved, among the words after the name.
fn places_of(words: Args<'_>, before: usize) -> Option<KeyPlaces> {
    let (inner, taken) = inner_command(words, before)?;
    let keys = of_inner(inner)
        .into_iter()
        .filter_map(|(position, _)| Some((taken.saturating_add(position), inner.get(position)?)));
    KeyPlaces::choose(keys)
}
