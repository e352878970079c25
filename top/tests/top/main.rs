//! `durable-top` on real servers: what it prints, and what it shows on a terminal.

#![forbid(unsafe_code)]

mod group;
mod printed;
mod program;
mod screen;
mod terminal;
