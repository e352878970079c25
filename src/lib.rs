//! redis-durable: durable writes and slot hints for Redis and Valkey, as a loadable module.
//!
//! The server enters through `ffi/entry.rs`, which calls [`load`]. From then on it calls the
//! [commands], reports its [events], shows commands to the command filter (`durable/overhear.rs`),
//! and reads [settings](config) and [INFO](info). `ARCHITECTURE.md` follows one durable write and
//! one slot hint through the files.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod ffi;

mod commands;
mod config;
mod durable;
mod events;
mod info;
mod load;
mod slothint;
mod state;
mod unload;

use std::ffi::{c_int, CStr};

/// The module's name: the prefix of its settings and INFO fields, and the name of its ACL category.
const NAME: &CStr = c"durable";

/// 0.1.0 as one number, two digits a part.
const VERSION: c_int = 100;
