//! The entry point: parse, run, exit code. [`pgstow::main`] knows where to go next.

use std::process::ExitCode;

fn main() -> ExitCode {
    pgstow::main(std::env::args_os())
}
