//! The module on real servers.

mod slothint_view;
mod support;
mod tls;

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
mod slothint;
mod slothint_changes;
mod slothint_endpoints;
mod slothint_map;
mod slothint_storms;
mod slothint_tls;
mod slothint_tracking;
mod slothint_watch;
mod turns;
