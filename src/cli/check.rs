//! `pushguard check`

use super::test::{is_test, tests_beside};
use super::world::SetFlags;
use super::{Outcome, complain, random, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Loaded, Problem, Secrets, advice, load};
use ring::rand::SystemRandom;
use std::path::{Path, PathBuf};

/// Check policy files.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Policy files; tests among them are left to pushguard test
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Demand that the secret files which the policies name are there and usable
    #[arg(long)]
    secrets: bool,
    /// Exit with 1 where there is a warning; one that a file is not here does not count
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    sets: SetFlags,
}

impl Check {
    /// Problems go to standard output, one a line; warnings to standard error.
    pub(super) fn run(&self) -> Outcome {
        let secrets = if self.secrets { Secrets::Required } else { Secrets::Optional };
        let system = SystemRandom::new();
        let (mut outcome, mut said) = (Outcome::Ok, true);
        for file in &self.files {
            if is_test(file) {
                said &= say(format_args!("{}: tests of a policy; run them with pushguard test", file.display()));
                continue;
            }
            match load(file, secrets, &mut random::decoys(&system)) {
                Ok(loaded) => {
                    let Ok(advice) = self.advice(file, &loaded) else { return Outcome::Undecided };
                    let mut warnings: Vec<&Problem> = loaded.warnings.list.iter().chain(&advice).collect();
                    warnings.sort_by_key(|warning| warning.line.unwrap_or(usize::MAX));
                    for warning in &warnings {
                        eprintln!("{} (warning)", warning.in_file(file));
                    }
                    if self.strict && warnings.len() > loaded.absent {
                        outcome = outcome.max(Outcome::Invalid);
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

    /// What the policy says in vain, and whether anything shows what it does.
    fn advice(&self, file: &Path, loaded: &Loaded) -> Result<Vec<Problem>, ()> {
        let sets = self.sets.known(&loaded.policy).map_err(complain)?;
        let mut advice = advice(loaded, &sets, SystemClock::default().wall());
        if tests_beside(file).is_none() {
            let name = file.with_extension("test.yaml");
            let message = format!("nothing tests it: write {} and run it with pushguard test", name.display());
            advice.push(Problem { line: None, path: String::new(), message });
        }
        Ok(advice)
    }
}

fn count(principals: usize) -> String {
    match principals {
        0 => "no principals: everything is denied".to_owned(),
        1 => "1 principal".to_owned(),
        many => format!("{many} principals"),
    }
}
