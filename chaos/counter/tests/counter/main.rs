//! The counter test on real servers: what passes, what fails, and what it refuses to begin with.

#![forbid(unsafe_code)]

mod beginning;
mod faults;
mod program;
