//! `DURABLE.FAILOVER STATUS|START|ACCEPT-LOSS`
//!
//! | subcommand | does |
//! |---|---|
//! | STATUS | tells who belongs to the group, who may vote, whose acknowledgements count, and why nobody could be promoted |
//! | START | on a primary: forms the group of it and its replicas; replies OK when all have agreed |
//! | ACCEPT-LOSS | on a primary without a term: opens it without votes. Acknowledged writes may be lost |

use super::{acts, founding, psync, state, status};
use crate::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx};

type Subcommand = (&'static [u8], fn(&Ctx));

const SUBCOMMANDS: [Subcommand; 3] = [
    (b"STATUS", status::reply),
    (b"START", founding::start),
    (b"ACCEPT-LOSS", accept_loss),
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
        if let Some((_, run)) = SUBCOMMANDS.iter().find(|(name, _)| is(name)) {
            if args.len() != 2 {
                return ctx.reply_wrong_arity();
            }
            run(ctx);
        } else {
            let word = String::from_utf8_lossy(word).into_owned();
            ctx.reply_error_text(&format!(
                "ERR unknown subcommand '{word}', accepted are STATUS, START and ACCEPT-LOSS; \
                 nothing was changed"
            ));
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![docs::string(c"subcommand")]
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
