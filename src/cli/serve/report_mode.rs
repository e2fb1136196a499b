//! Tells, while the process runs, which rules only report.

use crate::clock::Clock;
use crate::live::Live;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether a rule has come to its end or a new policy to its beginning.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps the metric true, and logs every change.
pub(super) struct ReportMode {
    pub(super) live: Arc<Live>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) logged: Vec<String>,
}

impl ReportMode {
    pub(super) fn look(&mut self) {
        let now = Some(self.clock.wall());
        let rules = self.live.load().policy.reporting();
        let rules: Vec<String> =
            rules.into_iter().filter(|(_, mode)| mode.reports(now)).map(|(name, _)| name).collect();
        let whole = rules.first().is_some_and(|name| name == "policy");
        self.metrics.set_report_mode(whole, rules.len() - usize::from(whole));
        if rules == self.logged {
            return;
        }
        if rules.is_empty() {
            tracing::info!(msg = "report mode has ended", detail = "every rule is enforced");
        } else {
            tracing::warn!(
                msg = "report mode",
                rules = rules.join(" "),
                detail = "what these rules refuse passes and is logged as would_deny",
            );
        }
        self.logged = rules;
    }

    pub(super) async fn run(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.look();
        }
    }
}
