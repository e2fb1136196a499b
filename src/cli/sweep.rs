//! `pushguard sweep`

use super::gateway::Gateway;
use super::progress::Bar;
use super::{Outcome, complain, random, say};
use crate::clock::{Clock, SystemClock};
use crate::config::{Secrets, load};
use crate::janitor::{Doubt, Mode, Report, Sweep as Order, drive};
use crate::policy::Ttl;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use std::path::PathBuf;
use std::sync::Arc;

/// Remove groups that are older than the policy keeps them.
#[derive(Debug, clap::Args)]
pub(super) struct Sweep {
    /// The policy file; its ttl says how long groups are kept
    #[arg(long = "policy.file", env = "PUSHGUARD_POLICY_FILE", value_name = "FILE")]
    policy_file: PathBuf,
    #[command(flatten)]
    gateway: Gateway,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Remove also more than 10 groups and a fifth of all, where the sweep would stop
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

impl Sweep {
    /// The table or document goes to standard output, everything else to standard error.
    pub(super) fn run(self) -> Outcome {
        let ttl = match load(&self.policy_file, Secrets::Optional, &mut random::decoys(&SystemRandom::new())) {
            Ok(loaded) => loaded.policy.ttl,
            Err(problems) => {
                eprintln!("{problems}");
                return if problems.unreadable { Outcome::Undecided } else { Outcome::Invalid };
            }
        };
        if ttl.keeps_all() {
            complain(format_args!(
                "{}: no rule of ttl lets a group go; add ttl: [{{ job: \"ci-*\", max_age: 30d }}]",
                self.policy_file.display()
            ));
            return Outcome::Invalid;
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(format_args!("cannot start: {error}"));
                return Outcome::Undecided;
            }
        };
        let swept = runtime.block_on(self.sweep(ttl));
        let (report, failure) = match swept {
            Ok(report) => (report, None),
            Err((report, failure)) => (report, Some(failure)),
        };
        if !self.tell(&report, failure.as_deref()) {
            return Outcome::Undecided;
        }
        match () {
            () if failure.is_some() || report.count("failed") > 0 => Outcome::Undecided,
            () if report.stopped_beyond.is_some() && !self.dry_run => Outcome::Invalid,
            () => Outcome::Ok,
        }
    }

    async fn sweep(&self, ttl: Ttl) -> Result<Report, (Report, String)> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let upstream = self.gateway.upstream(&clock).map_err(|why| (Report::default(), why))?;
        let mode = match (self.dry_run, self.force) {
            (true, _) => Mode::Report,
            (_, true) => Mode::Force,
            _ => Mode::Remove,
        };
        let sweep = Arc::new(Mutex::new(Order::new(ttl, Doubt::default(), mode)));
        let bar = Bar::new();
        drive(&upstream, &sweep, &clock, |done, all| bar.show(done, all, format_args!("{done}/{all} groups"))).await
    }

    fn tell(&self, report: &Report, failure: Option<&str>) -> bool {
        if let Some(failure) = failure {
            complain(format_args!("{}: {failure}", self.gateway.authority()));
        }
        if let Some(most) = report.stopped_beyond {
            let due = report.rows.len();
            let would = if self.dry_run { "a sweep would stop" } else { "stopped, nothing was removed" };
            complain(format_args!(
                "{would}: {due} groups are due, one sweep removes at most {most} (10, or a fifth of all); look at the \
                 list, and remove them with --force"
            ));
        }
        if report.count("removed") > 0 {
            complain(format_args!(
                "a push that came less than {:.1} s before its group was removed may be gone with it; serve sweeps \
                 without that window",
                report.window.as_secs_f64()
            ));
        }
        // A reading that failed at once has nothing to show.
        if failure.is_some() && report.groups == 0 && !self.json {
            return true;
        }
        if self.json {
            return say(format_args!("{:#}", report.json(failure)));
        }
        report.table().iter().chain([&report.summary()]).all(say)
    }
}
