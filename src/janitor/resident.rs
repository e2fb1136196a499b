//! Sweeps as long as the process serves, by the policy that is in use then.

use super::doubt::Doubt;
use super::drive::drive;
use super::report::{Report, What};
use super::sweep::{Mode, Sweep};
use crate::clock::Clock;
use crate::fetch::{Outcome, jitter, next_delay};
use crate::live::Live;
use crate::metrics::{Metrics, Swept};
use crate::policy::Ttl;
use crate::proxy::Upstream;
use crate::state::StateFile;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The first sweep comes this long after the start, or after the interval where that is shorter: a gateway that was
/// started beside us is still being pushed to by those who waited for it.
const FIRST: Duration = Duration::from_secs(60);
/// Log lines about single groups of one sweep.
const LINES: usize = 50;

/// The sweeps of `serve`.
pub struct Resident {
    /// The gateway, and the order of writes to it.
    pub upstream: Arc<Upstream>,
    /// The rules.
    pub live: Arc<Live>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// From one sweep to the next, ±10 %.
    pub interval: Duration,
    /// Where it is kept which rules have been reported, and what the gateway's clock is worth.
    pub state: Option<StateFile>,
}

/// What outlives a restart.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    /// The rules of the last sweep that was whole.
    rules: String,
    doubt: Doubt,
}

impl Resident {
    /// The file for what outlives a restart.
    pub fn state_file(folder: &Path) -> StateFile {
        StateFile::new(&folder.join("janitor"), "sweeps.json", "sweeps", 1)
    }

    /// Sweeps; ends only by being dropped.
    pub async fn run(self) {
        let mut memory = self.restore().await;
        let mut pause = next_delay(Outcome::Success, self.interval.min(FIRST), jitter());
        loop {
            tokio::time::sleep(pause).await;
            let ttl = self.live.load().policy.ttl.clone();
            if !ttl.keeps_all() {
                self.sweep(ttl, &mut memory).await;
                self.save(&memory).await;
            }
            pause = next_delay(Outcome::Success, self.interval, jitter());
        }
    }

    async fn sweep(&self, ttl: Ttl, memory: &mut Memory) {
        let rules = ttl.fingerprint();
        // A mistake in a rule is seen in the log before it removes anything.
        let mode = if memory.rules == rules { Mode::Remove } else { Mode::Report };
        let sweep = Arc::new(Mutex::new(Sweep::new(ttl, memory.doubt.clone(), mode)));
        let outcome = drive(&self.upstream, &sweep, &self.clock, |_, _| ()).await;
        memory.doubt = sweep.lock().doubt().clone();
        let (report, failure) = match outcome {
            Ok(report) => {
                memory.rules = rules;
                (report, None)
            }
            Err((report, failure)) => (report, Some(failure)),
        };
        self.tell(&report, mode == Mode::Report, failure.as_deref());
    }

    fn tell(&self, report: &Report, reporting: bool, failure: Option<&str>) {
        let swept = Swept {
            groups: report.groups,
            due: report.rows.len(),
            removed: report.count("removed"),
            stopped: report.stopped_beyond.is_some(),
            reporting,
            failed: failure.is_some() || report.count("failed") > 0,
        };
        self.metrics.cleaning.set_swept(swept, self.clock.wall());
        if let Some(seconds) = report.jumped {
            tracing::warn!(
                msg = "the gateway's clock has jumped",
                seconds,
                detail = "groups that may only seem older because of it are kept",
            );
        }
        for row in report.rows.iter().filter(|row| row.what != What::Gone).take(LINES) {
            let error = if let What::Failed(why) = &row.what { why.as_str() } else { "" };
            let (labels, rule) = (row.due.labels.to_string(), format!("ttl[{}]", row.due.rule));
            let (age_seconds, max_age_seconds) = (row.due.age.as_secs(), row.due.max_age.as_secs());
            let what = row.what.word();
            tracing::info!(msg = "group swept", what, labels, rule, age_seconds, max_age_seconds, error);
        }
        if let Some(most) = report.stopped_beyond {
            tracing::warn!(
                msg = "sweep stopped",
                due = swept.due,
                most,
                detail = "more groups are due than one sweep removes; see them with pushguard sweep --dry-run, and remove \
                          them with --force, or mend ttl in the policy",
            );
        }
        let summary = report.summary();
        match failure {
            Some(error) => tracing::warn!(msg = "sweep failed", error, summary),
            None => tracing::info!(msg = "swept", summary, report_only = reporting),
        }
    }

    async fn restore(&self) -> Memory {
        let Some(file) = self.state.clone() else { return Memory::default() };
        match tokio::task::spawn_blocking(move || file.load::<Memory>()).await {
            Ok(Ok(memory)) => memory.unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::warn!(msg = "state of the sweeps not used", %error);
                Memory::default()
            }
            Err(_) => Memory::default(),
        }
    }

    async fn save(&self, memory: &Memory) {
        let Some(file) = self.state.clone() else { return };
        let memory = memory.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || file.save(&memory)).await {
            tracing::warn!(msg = "state of the sweeps not saved", %error);
        }
    }
}
