//! The command line.
//!
//! Exit codes: 0 ok, 1 invalid or denied, 2 could not decide or start, 64 usage.

mod check;
mod diff;
mod doctor;
mod explain;
mod gateway;
mod hash;
mod import;
mod limits;
mod lint;
mod listen;
mod logs;
mod manual;
mod progress;
mod random;
mod range_flags;
mod ranges;
mod replay;
mod schema;
mod serve;
mod sweep;
mod test;
mod world;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Lets through exactly the Pushgateway pushes that a policy grants.
#[derive(Debug, Parser)]
#[command(name = "pushguard", version, about, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 ok, 1 invalid or denied, 2 could not decide or start, 64 usage.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of a Pushgateway and enforce a policy
    Serve(Box<serve::Serve>),
    /// Check policy files and print every problem as FILE:LINE: PATH: MESSAGE
    Check(check::Check),
    /// Tell what would become of one request: every check, what decided, what the client would get
    Explain(Box<explain::Explain>),
    /// Run the tests of policies
    Test(test::Test),
    /// Print the JSON Schema of policies or of their tests, for editors
    Schema(schema::Schema),
    /// Run recorded traffic through a policy and tell what would have passed, what not, and why
    Replay(Box<replay::Replay>),
    /// Tell which decisions a change of a policy changes, by recorded traffic or by the rules themselves
    Diff(Box<diff::Diff>),
    /// Check a body as it would be checked on its way to the gateway
    Lint(lint::Lint),
    /// Read a password on standard input and print its argon2id hash; one line end behind it is not part of it
    Hash(hash::Hash),
    /// Take users over from the password file of another program
    Import(import::Import),
    /// Look at address lists, compare, fetch, export and approve them
    Ranges(Box<ranges::Ranges>),
    /// Say what is wrong with a Pushgateway, and which group breaks its scrape
    Doctor(doctor::Doctor),
    /// Remove groups that are older than the policy keeps them
    Sweep(sweep::Sweep),
    /// Print what makes a shell complete the command line
    Completions(manual::Completions),
    /// Write the manual: a page for each command
    Man(manual::Man),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// All is well.
    Ok,
    /// The input is invalid, or the answer is no.
    Invalid,
    /// There is no answer, or no start.
    Undecided,
}

/// Runs the command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Test(test) => test.run(),
        Command::Schema(schema) => schema.run(),
        Command::Replay(replay) => replay.run(),
        Command::Diff(diff) => diff.run(),
        Command::Lint(lint) => lint.run(),
        Command::Hash(hash) => hash.run(),
        Command::Import(import) => import.run(),
        Command::Ranges(ranges) => ranges.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    match outcome {
        Outcome::Ok => ExitCode::SUCCESS,
        Outcome::Invalid => ExitCode::from(1),
        Outcome::Undecided => ExitCode::from(2),
    }
}

/// Says on standard error why a command failed.
fn complain(message: impl std::fmt::Display) {
    eprintln!("pushguard: {message}");
}

/// Writes a line to standard output; false where nobody takes it.
fn say(line: impl std::fmt::Display) -> bool {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}
