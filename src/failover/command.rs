//! `DURABLE.FAILOVER STATUS|START|REPLACE old new|ACCEPT-LOSS`
//!
//! | subcommand | does |
//! |---|---|
//! | STATUS | tells who belongs to the group, who may vote, whose acknowledgements count, and why nobody could be promoted |
//! | START | on a primary: forms the group of it and its replicas; replies OK when all have agreed |
//! | REPLACE | on a primary with a term: exchanges a member for another replica; replies OK when that is a member |
//! | ACCEPT-LOSS | on a primary without a term: opens it without votes. Acknowledged writes may be lost |

use super::{acts, founding, psync, replace, state, status};
use crate::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx};

/// Its name, the number of words with the command's own, and what it does.
type Subcommand = (&'static [u8], usize, fn(&Ctx, &Args<'_>));

const SUBCOMMANDS: [Subcommand; 4] = [
    (b"STATUS", 2, |ctx, _| status::reply(ctx)),
    (b"START", 2, |ctx, _| founding::start(ctx)),
    (b"REPLACE", 4, replace::replace),
    (b"ACCEPT-LOSS", 2, |ctx, _| accept_loss(ctx)),
];

/// The command, for the table in `commands.rs`.
pub struct DurableFailover;

impl Command for DurableFailover {
    fn run(ctx: &Ctx, args: Args<'_>) {
        let word = args.get(1).unwrap_or_default();
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if psync::NOT_SERVED.iter().any(|name| is(name)) {
            return ctx.reply_error(psync::REFUSAL);
        }
        if let Some((_, words, run)) = SUBCOMMANDS.iter().find(|(name, ..)| is(name)) {
            if args.len() != *words {
                return ctx.reply_wrong_arity();
            }
            run(ctx, &args);
        } else {
            let word = String::from_utf8_lossy(word).into_owned();
            ctx.reply_error_text(&format!(
                "ERR unknown subcommand '{word}', accepted are STATUS, START, REPLACE and \
                 ACCEPT-LOSS; nothing was changed"
            ));
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![
        docs::string(c"subcommand"),
        docs::optional(docs::string(c"old-id")),
        docs::optional(docs::string(c"new-id")),
    ]
}

fn accept_loss(ctx: &Ctx) {
    let outcome = state::with(|state| match &mut state.shard {
        Some(shard) => shard.accept_loss(),
        None => Err("this server belongs to no group"),
    });
    match outcome {
        Ok(todo) => {
            ctx.log_warning("failover: DURABLE.FAILOVER ACCEPT-LOSS was called");
            acts::carry_out(ctx, todo);
            ctx.reply_simple(c"OK");
        }
        Err(why) => ctx.reply_error_text(&format!(
            "ERR ACCEPT-LOSS opens a primary without a term, and {why}; nothing was changed"
        )),
    }
}
