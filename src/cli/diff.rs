//! `pushguard diff`

use super::logs::LogFlags;
use super::{Outcome, complain, random, say};
use crate::config::{Secrets, load, outline};
use crate::replay::{Differences, difference_json, difference_text, github};
use ring::rand::SystemRandom;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tell what a change of a policy changes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --log the rules themselves are listed where they differ, and the exit code is 0 whatever \
                        they change: what a change does is told by traffic.\n\
                        Exit codes: 0 nothing in the logs that was granted would be denied, 1 something would, 2 could \
                        not decide, 64 usage."
)]
pub(super) struct Diff {
    /// The policy as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    logs: LogFlags,
    /// Answer with one JSON object
    #[arg(long, conflicts_with = "github")]
    json: bool,
    /// Answer with a Markdown table for a job summary
    #[arg(long)]
    github: bool,
}

impl Diff {
    pub(super) fn run(&self) -> Outcome {
        let told = if self.logs.logs.is_empty() { self.rules() } else { self.decisions() };
        told.unwrap_or_else(|message| {
            complain(message);
            Outcome::Undecided
        })
    }

    fn decisions(&self) -> Result<Outcome, String> {
        let (mut old, mut new) = (self.logs.judge(&self.old)?, self.logs.judge(&self.new)?);
        let (mut differences, mut unread) = (Differences::default(), 0_u64);
        self.logs.each(|line| match &line.read {
            Ok(recorded) => {
                let (before, after) = (old.judge(recorded), new.judge(recorded));
                differences.request(|| line.place(), recorded, &before, &after);
            }
            Err(crate::access_log::LineError::Form(what)) => {
                unread += 1;
                if unread <= 3 {
                    complain(format_args!("{}: {what}", line.place()));
                }
            }
            Err(_) => {}
        })?;
        if unread > 0 {
            complain(format_args!("{unread} lines could not be read"));
        }
        let (old, new) = (self.old.display().to_string(), self.new.display().to_string());
        let out = match (self.json, self.github) {
            (true, _) => difference_json(&differences).to_string(),
            (_, true) => github(&differences, &old, &new),
            _ => difference_text(&differences),
        };
        let denied = differences.newly_denied() > 0;
        Ok(match (say(out.trim_end()), denied) {
            (false, _) => Outcome::Undecided,
            (true, true) => Outcome::Invalid,
            (true, false) => Outcome::Ok,
        })
    }

    /// Compares what the files say, where both are policies.
    fn rules(&self) -> Result<Outcome, String> {
        let system = SystemRandom::new();
        let read = |file: &PathBuf| {
            load(file, Secrets::Optional, &mut random::decoys(&system))
                .and_then(|_| outline(file))
                .map_err(|p| p.to_string())
        };
        let (old, new) = (read(&self.old)?, read(&self.new)?);
        let changes = changes(&old, &new);
        let out = if changes.is_empty() { "the rules are the same".to_owned() } else { changes.join("\n") };
        Ok(if say(out) { Outcome::Ok } else { Outcome::Undecided })
    }
}

/// One line for each value that is gone, new or changed.
fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let paths = old.keys().chain(new.keys().filter(|path| !old.contains_key(*path)));
    let mut paths: Vec<&String> = paths.collect();
    paths.sort();
    let change = |path: &String| match (old.get(path), new.get(path)) {
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => Some(format!("~ {path}: {before} -> {after}")),
        (Some(before), None) => Some(format!("- {path}: {before}")),
        (None, Some(after)) => Some(format!("+ {path}: {after}")),
        (None, None) => None,
    };
    paths.into_iter().filter_map(change).collect()
}
