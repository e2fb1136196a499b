//! `pushguard replay`

use super::logs::LogFlags;
use super::{Outcome, complain, say};
use crate::replay::{Report, Suggestion, html, json, text};
use std::path::PathBuf;

/// Run recorded traffic through a policy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the log was read, 2 it could not be read, 64 usage.")]
pub(super) struct Replay {
    /// The policy file
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    logs: LogFlags,
    /// Answer with one JSON object
    #[arg(long, conflicts_with = "suggest")]
    json: bool,
    /// Write the report as one HTML page as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the grants that cover the writes which were answered with success, as YAML
    #[arg(long)]
    suggest: bool,
}

impl Replay {
    pub(super) fn run(&self) -> Outcome {
        match self.report() {
            Ok(true) => Outcome::Ok,
            Ok(false) => Outcome::Undecided,
            Err(message) => {
                complain(message);
                Outcome::Undecided
            }
        }
    }

    fn report(&self) -> Result<bool, String> {
        if self.logs.logs.is_empty() {
            return Err("which log? --log FILE, or --log - for standard input".to_owned());
        }
        let mut judge = self.logs.judge(&self.policy)?;
        let (mut report, mut suggestion) = (Report::default(), Suggestion::default());
        self.logs.each(|line| {
            report.lines += 1;
            match &line.read {
                Ok(recorded) => {
                    let judged = judge.judge(recorded);
                    report.request(|| line.place(), recorded, &judged);
                    if self.suggest {
                        suggestion.note(recorded);
                    }
                }
                Err(error) => report.line(|| line.place(), line.text, error),
            }
        })?;
        if let Some(file) = &self.html {
            let page = html(&report, &self.policy.display().to_string());
            std::fs::write(file, page).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let out = match (self.suggest, self.json) {
            (true, _) => suggestion.yaml(),
            (_, true) => json(&report).to_string(),
            (_, false) => text(&report),
        };
        Ok(say(out.trim_end()))
    }
}
