//! How the server learns which words of DURABLE.CALL are keys.
//!
//! Elsewhere it asks, through the key-position interface. In a cluster of Valkey, or of Redis 8.2 and later, it would
//! ask on its I/O threads, and crash (see `ffi/keys.rs`). There the command filter, which runs on the main thread, moves
//! keys to where the server finds them by their places alone. What is executed is then not `DURABLE.CALL SET k v` but
//! `DURABLE.CALL one-key k "1 SET" v`, and `DURABLE.CALL no-key DBSIZE` where the inner command has no keys. All that
//! the server does with keys follows, in its own words: MOVED, ASK, CROSSSLOT, TRYAGAIN and CLUSTERDOWN, on replicas,
//! in scripts and when a transaction is queued, too.
//!
//! Two keys stand for all of them, since keys that are found by their places are a fixed number. Keys are moved and not
//! copied, since a filter may lengthen a command by no more than one word: more, inserted into a command of a script,
//! would be written past the end of its words by Valkey 9.1 (`VM_CommandFilterArgInsert`, borrowed arguments).

use std::ffi::{c_int, CStr};

use durable_core::callable::is_ours;
use durable_core::key_places::Places;
use durable_core::options;
use durable_core::servers::Fact;

use super::call::{learn, remembered};
use crate::ffi::args::Restored;
use crate::ffi::{keys, Args, Ctx, IncomingCommand, OwnString};
use crate::state;

/// How the server learns of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKeys {
    /// It asks.
    Asked,
    /// The command filter moves them to fixed places.
    Moved,
    /// It needs them for `COMMAND GETKEYS` alone: without a cluster, where Redis 8.4 asks on I/O threads all the same.
    Untold,
}

impl CallKeys {
    /// How it is on the running server.
    pub fn of(ctx: &Ctx) -> Self {
        let is_cluster = ctx.situation().is_cluster();
        let holds = |fact| state::with(|state| state.facts.has(fact)) == Some(true);
        if is_cluster && holds(Fact::AsksForKeysOnThreadsInClusters) {
            Self::Moved
        } else if holds(Fact::AsksForKeysOnThreadsAnywhere) {
            Self::Untold
        } else {
            Self::Asked
        }
    }
}

/// What DURABLE.CALL is executed as where its keys are moved: subcommands, by how many keys follow them. After these
/// comes what the client sent, without them.
pub const SUBCOMMANDS: [&CStr; 3] = [c"no-key", c"one-key", c"two-keys"];
/// The place of the first key in `DURABLE.CALL one-key k …`.
pub const FIRST_PLACE: c_int = 2;

/// Answers the server's question for the keys of a DURABLE.CALL.
///
/// The keys are the inner command's. One of our own is refused later; it is not asked for its keys here, or a long
/// enough DURABLE.CALL DURABLE.CALL … would ask itself until the stack is full.
pub fn report(ctx: &Ctx, args: Args<'_>) {
    if let Some((inner, taken)) = inner(args.skip(1)) {
        for (position, flags) in keys_of(inner) {
            ctx.report_key(
                args,
                position.saturating_add(taken).saturating_add(1),
                flags,
            );
        }
    }
}

/// Moves the keys of a command to their places. Its name is the word at `at`: the first of what a client sends, and
/// the fourth of `ACL DRYRUN user DURABLE.CALL …`.
pub fn move_to_front(command: &mut IncomingCommand, at: usize) {
    if state::with(|state| state.call_keys) != Some(CallKeys::Moved) {
        return;
    }
    let Some(mut plan) = plan(command, at) else {
        return;
    };
    let start = at.saturating_add(1);
    // First of all, while the server still makes room for a word.
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
    // Servers forget what they have found out about a command beforehand when its name is another string: Valkey
    // before 9.1 does so for no other change.
    command.replace_word(at, &plan.name);
}

/// What [`move_to_front`] is about to do.
struct Plan {
    /// As the client spelt it.
    name: Vec<u8>,
    /// Places among the words after the name, ascending, and the keys there.
    keys: Vec<(usize, OwnString)>,
    /// The first of these words, which remembers the places.
    marked: Option<Vec<u8>>,
}

/// None where the keys are in their places already: a command that had to wait before the server looked at it passes
/// the filter again. What a client has written by itself in this form, the handler refuses unless it is what the filter
/// would have made of it.
fn plan(command: &IncomingCommand, at: usize) -> Option<Plan> {
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
    let places = places_of(words);
    let moved = places.into_iter().flat_map(Places::iter);
    let moved = moved.filter_map(|place| Some((place, OwnString::new(words.get(place)?))));
    Some(Plan {
        name,
        keys: moved.collect(),
        marked: places.and_then(|places| Some(places.mark(words.get(0)?))),
    })
}

/// The error for words that no filter has put together.
pub const MALFORMED: &CStr =
    c"ERR DURABLE.CALL takes a command and not a subcommand of its own, which only the server's \
                               cluster redirection uses; nothing was executed";

/// The words as the client sent them, from those that follow the name of the subcommand for so many keys.
///
/// None unless the filter puts just these keys in front of these words. Servers store a key under the slot of the
/// keys that they were told of (`getKeySlot` in `db.c`): one told wrongly would be stored where nobody finds it.
pub fn words_as_sent(words: Args<'_>, keys: usize) -> Option<Restored<'_>> {
    let (keys, others) = (words.take(keys), words.skip(keys));
    let (places, sent) = if keys.len() == 0 {
        (None, Restored::unmoved(others))
    } else {
        let (places, first) = others.get(0).and_then(Places::read)?;
        (
            Some(places),
            Restored::new(places, keys, first, others.skip(1))?,
        )
    };
    (places_of(sent.args()) == places).then_some(sent)
}

/// The keys to be moved, by their places in what follows DURABLE.CALL.
fn places_of(words: Args<'_>) -> Option<Places> {
    let (inner, taken) = inner(words)?;
    let keys = keys_of(inner)
        .into_iter()
        .filter_map(|(position, _)| Some((taken.saturating_add(position), inner.get(position)?)));
    Places::of_stand_ins(keys)
}

/// The keys of an inner command: where each stands, and what is done to it. The server is asked only where its own code
/// is needed, or where the command was not looked up yet: it leaks memory for each answer with many keys, and anybody
/// can have it asked, since access control comes later. What is refused anyhow has no keys here.
fn keys_of(inner: Args<'_>) -> Vec<(usize, c_int)> {
    enum Found {
        Keys(Vec<(usize, c_int)>),
        TheServersMatter,
        NotLookedUp,
    }
    let name = inner.get(0).unwrap_or_default();
    let found = state::with(|state| {
        let Some(command) = remembered(&state.commands, inner) else {
            return Found::NotLookedUp;
        };
        if !command.may_run(&state.config.call_allow, name) {
            return Found::Keys(Vec::new());
        }
        let specs = command.keys.as_ref();
        let keys = specs.and_then(|specs| specs.find(inner.len(), |index| inner.get(index)));
        keys.map_or(Found::TheServersMatter, Found::Keys)
    });
    match found {
        Some(Found::Keys(keys)) => keys,
        // Refused as well, and never looked up: the server may take them for another command's name.
        Some(Found::NotLookedUp) if name.iter().any(|byte| matches!(byte, 0 | b'|')) => Vec::new(),
        Some(Found::NotLookedUp) => {
            let keys = keys::of(inner);
            if !keys.is_empty() {
                state::with(|state| state.to_be_learnt = Some(name.to_ascii_lowercase()));
            }
            keys
        }
        Some(Found::TheServersMatter) | None => keys::of(inner),
    }
}

/// A turn begins: looks up a command whose keys were asked for in the last one, before they are again. It exists, and
/// was renamed, since all others are looked up beforehand.
pub fn turn_begins(ctx: &Ctx) {
    if let Some(Some(name)) = state::with(|state| state.to_be_learnt.take()) {
        learn(ctx, &name);
    }
}

/// Turns `COMMAND GETKEYS DURABLE.CALL [options] SET k v` into the question about `SET k v`: not every server would ask
/// DURABLE.CALL itself, and none could be told exactly what is done to the keys.
pub fn ask_the_inner_command(command: &mut IncomingCommand) {
    const NAME: usize = 2;
    let taken = inner(command.words().args().skip(NAME.saturating_add(1))).map(|(_, taken)| taken);
    if let Some(taken) = taken {
        for _ in 0..=taken {
            command.delete_word(NAME);
        }
    }
}

/// The inner command in what follows DURABLE.CALL, and how many words of options are before it. None where there is
/// none, and for one of our own.
fn inner(words: Args<'_>) -> Option<(Args<'_>, usize)> {
    let (_, taken) = options::leading(words.iter()).ok()?;
    let inner = words.skip(taken);
    let is_foreign = inner.get(0).is_some_and(|name| !is_ours(name));
    is_foreign.then_some((inner, taken))
}
