//! The program `durable-bench`. All of it is in the library beside this file.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    durable_bench::main()
}
