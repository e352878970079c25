//! redis-durable: durable writes and slot hints for Redis and Valkey, as a loadable module.
//!
//! The server calls `ffi/entry.rs`, which calls [`load`]. From then on the server calls the
//! [commands], the handlers of its [events], and the command [filter]. It reads the
//! [settings](config) and the section [`durable`](info) of INFO.
//!
//! `durable/` has the DURABLE commands, `slothint/` the slot hints, and `ffi/` all unsafe code.
//! `ARCHITECTURE.md` follows one durable write and one slot hint through the files.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod ffi;

mod clock;
mod commands;
mod config;
mod docs;
mod durable;
mod event_loop;
mod events;
mod facts;
mod failover;
mod filter;
mod info;
mod load;
mod resets;
mod server_command;
mod slothint;
mod unload;
mod unserved;

use std::ffi::{c_int, CStr};

/// The module's name: the prefix of its settings and INFO fields, and the name of its ACL category.
const NAME: &CStr = c"durable";

/// The crate's version as MODULE LIST shows it: 10203 for version 1.2.3. A version that has no such
/// number does not compile.
const VERSION: c_int = match durable_core::version::number(env!("CARGO_PKG_VERSION")) {
    Some(number) => number,
    None => panic!("the crate's version needs three parts of at most two digits"),
};
