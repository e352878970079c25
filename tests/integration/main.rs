//! The module on real servers.

mod support;

mod acknowledgement;
mod aof;
mod arguments;
mod client_pause;
mod client_states;
mod configuration;
mod counting;
mod fence;
mod giving_up;
mod io_threads;
mod leaving;
mod limits;
mod loading;
mod multi_and_scripts;
mod pipelines;
mod replies;
mod roles;
mod turns;
