//! The server's module API as safe Rust. Only here are `unsafe`, raw pointers and `extern "C"`; the
//! crate denies `unsafe_code` everywhere else.
//!
//! The server calls the module through one function of each kind. Each is generic over a trait that
//! the rest of the module implements:
//!
//! | the server's callback | file | trait |
//! |---|---|---|
//! | `RedisModule_OnLoad`, `RedisModule_OnUnload` | [`entry`] | none, calls `load.rs` |
//! | a command | [`command`] | [`Command`] |
//! | the timeout and the disconnection of a blocked client | [`blocked`] | [`Waiting`] |
//! | a timer | [`timer`] | [`Timer`] |
//! | an event | [`events`] | [`ServerEvents`](events::ServerEvents) |
//! | a command filter | [`filter`] | [`CommandFilter`](filter::CommandFilter) |
//! | a setting is read or set | [`settings`] | [`Settings`](settings::Settings) |
//! | INFO is gathered | [`info`] | [`Info`](info::Info) |
//! | a wake-up of the event loop | [`wakeup`] | none, it does nothing |
//!
//! Two rules hold everywhere. Each of these functions goes through [`guard`], because a panic must
//! not unwind into the server. And the module's own state is never borrowed across a call into the
//! server, because the server may call back before the call returns.

#![warn(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

#[macro_use]
pub mod api;
pub mod args;
pub mod blocked;
pub mod call;
pub mod client;
pub mod cluster;
pub mod command;
pub mod context;
mod entry;
pub mod events;
pub mod filter;
mod guard;
pub mod info;
mod kept_reply;
pub mod keys;
pub mod main_thread;
pub mod ok_reply;
pub mod own_context;
pub mod permissions;
mod replies;
pub mod script;
pub mod server_info;
pub mod settings;
pub mod spec;
pub mod string;
pub mod string_key;
pub mod timer;
pub mod unblock;
pub mod wakeup;

pub use args::{Args, KeptWords};
pub use blocked::{Blocked, HandleId, Waiting};
pub use call::{CallReply, Memory, Reply};
pub use client::ClientInfo;
pub use command::{Command, Handler};
pub use context::{Ctx, Situation};
pub use filter::IncomingCommand;
pub use kept_reply::{KeptReply, ReplyKeeper};
pub use permissions::{Denied, User};
pub use server_info::ServerInfo;
pub use string::OwnString;
pub use string_key::StringValue;
pub use timer::{Timer, TimerId};

/// The server's monotonic clock, in microseconds.
pub fn monotonic_micros() -> u64 {
    // SAFETY: takes nothing.
    unsafe { api!(RedisModule_MonotonicMicroseconds)() }
}
