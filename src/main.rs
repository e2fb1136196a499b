//! Parses arguments, runs, maps the outcome to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushguard::cli::run(std::env::args_os())
}
