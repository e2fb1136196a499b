//! `pushguard ranges`: looks at address lists, and helps along what the running program does with them.

mod approve;
mod contains;
mod diff;
mod export;
mod fetch;
mod kept;
mod show;

use super::Outcome;

/// Look at address lists, compare, fetch, export and approve them.
#[derive(Debug, clap::Args)]
pub(super) struct Ranges {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print what is held of each list, and what was refused
    Show(show::Show),
    /// Say which lists hold which addresses; exits 1 unless every address is in one
    Contains(contains::Contains),
    /// Compare two lists, and say what the guard would make of the second; exits 1 where it would refuse it
    Diff(diff::Diff),
    /// Fetch lists once and keep them; exits 1 where one was refused
    Fetch(fetch::Fetch),
    /// Print the addresses for other programs
    Export(export::Export),
    /// Let in a list that the guard refused; a running pushguard takes it within seconds
    Approve(approve::Approve),
}

impl Ranges {
    pub(super) fn run(&self) -> Outcome {
        match &self.command {
            Command::Show(show) => show.run(),
            Command::Contains(contains) => contains.run(),
            Command::Diff(diff) => diff.run(),
            Command::Fetch(fetch) => fetch.run(),
            Command::Export(export) => export.run(),
            Command::Approve(approve) => approve.run(),
        }
    }
}
