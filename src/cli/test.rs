//! `pushguard test`

use super::{Outcome, complain, say, world};
use crate::config::suite;
use crate::suite::{Coverage, Ran, Suite, junit, run, text};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Run the tests of policies.
#[derive(Debug, clap::Args)]
#[command(after_help = "The tests of NAME.yaml stand beside it in NAME.test.yaml.")]
pub(super) struct Test {
    /// Test files, policies whose tests stand beside them, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub(super) fn run(&self) -> Outcome {
        let files = match self.files.iter().map(|file| test_files(file)).collect::<Result<Vec<_>, _>>() {
            Ok(files) => files.concat(),
            Err(message) => {
                complain(message);
                return Outcome::Undecided;
            }
        };
        let (mut outcome, mut all) = (Outcome::Ok, Vec::new());
        for file in &files {
            let (this, ran) = self.file(file);
            outcome = outcome.max(this);
            all.push((file.as_path(), ran));
        }
        let ran: Vec<&Ran> = all.iter().flat_map(|(_, ran)| ran).collect();
        let failed = ran.iter().filter(|test| test.failure.is_some()).count();
        let requests: usize = ran.iter().map(|test| test.requests).sum();
        if ran.is_empty() && outcome == Outcome::Ok {
            complain("no test was run");
            return Outcome::Invalid;
        }
        let several = files.len() > 1;
        let told = !several || say(format_args!("all: {} tests, {requests} requests, {failed} failed", ran.len()));
        if let Some(to) = &self.junit {
            let all: Vec<(&Path, &[Ran])> = all.iter().map(|(file, ran)| (*file, ran.as_slice())).collect();
            if let Err(error) = std::fs::write(to, junit(&all)) {
                complain(format_args!("{}: {error}", to.display()));
                return Outcome::Undecided;
            }
        }
        if told { outcome } else { Outcome::Undecided }
    }

    fn file(&self, file: &Path) -> (Outcome, Vec<Ran>) {
        let suite = match suite(file) {
            Ok(suite) => suite,
            Err(problems) => {
                say(&problems);
                return (if problems.unreadable { Outcome::Undecided } else { Outcome::Invalid }, Vec::new());
            }
        };
        let policy = match world::policy(&suite.policy) {
            Ok(policy) => Arc::new(policy),
            Err(problems) => {
                say(problems);
                return (Outcome::Invalid, Vec::new());
            }
        };
        let mut coverage = Coverage::default();
        let ran = self.chosen(&suite).map(|case| run(&policy, &suite, case, &mut coverage)).collect::<Vec<_>>();
        let skipped = suite.cases.len() - ran.len();
        // What was filtered out cannot have reached anything.
        let coverage = (skipped == 0).then_some((&coverage, &*policy));
        let told = say(text(file, &ran, skipped, coverage).trim_end());
        let failed = ran.iter().any(|test| test.failure.is_some());
        match (told, failed) {
            (false, _) => (Outcome::Undecided, ran),
            (true, true) => (Outcome::Invalid, ran),
            (true, false) => (Outcome::Ok, ran),
        }
    }

    fn chosen<'s>(&self, suite: &'s Suite) -> impl Iterator<Item = &'s crate::suite::Case> {
        let filter = self.filter.clone().unwrap_or_default();
        suite.cases.iter().filter(move |case| case.name.contains(&filter))
    }
}

/// Whether a file holds tests, by its name.
pub(super) fn is_test(file: &Path) -> bool {
    file.to_str().is_some_and(|name| name.ends_with(".test.yaml") || name.ends_with(".test.yml"))
}

/// The tests that stand beside a policy.
pub(super) fn tests_beside(policy: &Path) -> Option<PathBuf> {
    ["test.yaml", "test.yml"].map(|end| policy.with_extension(end)).into_iter().find(|file| file.exists())
}

/// The test files that a name stands for.
fn test_files(file: &Path) -> Result<Vec<PathBuf>, String> {
    if file.is_dir() {
        let entries = std::fs::read_dir(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.retain(|file| is_test(file));
        found.sort();
        if found.is_empty() {
            return Err(format!("{} holds no file that ends in .test.yaml", file.display()));
        }
        return Ok(found);
    }
    if is_test(file) {
        return Ok(vec![file.to_owned()]);
    }
    let beside = file.with_extension("test.yaml");
    match tests_beside(file) {
        None if file.exists() => Err(format!("{} has no tests; write them to {}", file.display(), beside.display())),
        found => Ok(vec![found.unwrap_or(beside)]),
    }
}
