//! The server's module API as the rest of the module uses it: the only place, with the callbacks
//! registered from `lib.rs`, where raw pointers and `unsafe` are met.
//!
//! Two rules hold everywhere. Every callback that the server calls goes through [`guard`], so that
//! no panic unwinds into the server. And the module's own state is never borrowed across a call
//! into the server, because the server may call back from within it.

#[macro_use]
pub mod api;
pub mod args;
pub mod blocked;
pub mod call;
pub mod client;
pub mod cluster;
pub mod command;
pub mod context;
pub mod filter;
pub mod guard;
pub mod keys;
pub mod main_thread;
pub mod server_info;
pub mod string;
pub mod timer;
pub mod unblock;

pub use args::Args;
pub use blocked::Blocked;
pub use call::{CallReply, Memory, Reply};
pub use client::ClientInfo;
pub use context::Ctx;
pub use server_info::ServerInfo;
pub use string::OwnString;
