//! `pushguard check`

use super::{Outcome, random, say};
use crate::config::{Secrets, load};
use ring::rand::SystemRandom;
use std::path::PathBuf;

/// Check policy files.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Policy files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Demand that the secret files which the policies name are there and usable
    #[arg(long)]
    secrets: bool,
}

impl Check {
    /// Problems go to standard output, one a line; warnings to standard error.
    pub(super) fn run(&self) -> Outcome {
        let secrets = if self.secrets { Secrets::Required } else { Secrets::Optional };
        let system = SystemRandom::new();
        let (mut outcome, mut said) = (Outcome::Ok, true);
        for file in &self.files {
            match load(file, secrets, &mut random::decoys(&system)) {
                Ok(loaded) => {
                    for warning in &loaded.warnings.list {
                        eprintln!("{} (warning)", warning.in_file(file));
                    }
                    said &= say(format_args!("{}: ok, {}", file.display(), count(loaded.policy.principals.len())));
                }
                Err(problems) => {
                    said &= say(&problems);
                    let this = if problems.unreadable { Outcome::Undecided } else { Outcome::Invalid };
                    outcome = outcome.max(this);
                }
            }
        }
        if said { outcome } else { Outcome::Undecided }
    }
}

fn count(principals: usize) -> String {
    match principals {
        0 => "no principals: everything is denied".to_owned(),
        1 => "1 principal".to_owned(),
        many => format!("{many} principals"),
    }
}
