//! The model: members that run the crate's code, over an adversarial server and network. Run it by
//! `make model`.

mod check;
mod chooser;
mod exchange;
mod exchange_traces;
mod next;
mod server;
mod steps;
mod traces;
mod world;
