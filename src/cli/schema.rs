//! `pushguard schema`

use super::{Outcome, say};
use crate::config::{policy_schema, suite_schema};

/// Print the JSON Schema of a kind of file.
#[derive(Debug, clap::Args)]
#[command(after_help = "An editor with a YAML language server completes a file that begins with\n\
                        # yaml-language-server: $schema=FILE")]
pub(super) struct Schema {
    /// Which kind of file
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// A policy
    Policy,
    /// The tests of a policy
    Test,
}

impl Schema {
    pub(super) fn run(&self) -> Outcome {
        let schema = match self.kind {
            Kind::Policy => policy_schema(),
            Kind::Test => suite_schema(),
        };
        // The alternate form is the indented one.
        if say(format_args!("{schema:#}")) { Outcome::Ok } else { Outcome::Undecided }
    }
}
