//! The metrics of the sweeps, and of the gateway's own health.

use super::table::Table;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

/// Sweeps, and whether the gateway can be scraped.
#[derive(Default)]
pub struct CleaningMetrics {
    groups: Gauge,
    due: Gauge,
    removed: Counter,
    failures: Counter,
    stopped: Gauge,
    reporting: Gauge,
    last: Gauge<f64, AtomicU64>,
    up: Late,
    scrape_broken: Gauge,
}

/// A gauge that is absent until it is set.
#[derive(Clone, Debug)]
struct Late(Gauge);

impl Default for Late {
    fn default() -> Self {
        let unset = Gauge::default();
        unset.set(-1);
        Self(unset)
    }
}

impl EncodeMetric for Late {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.0.get() < 0
    }
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// Groups that the gateway held.
    pub groups: usize,
    /// Those that were due.
    pub due: usize,
    /// Those that were removed.
    pub removed: usize,
    /// Whether more were due than may go at once.
    pub stopped: bool,
    /// Whether it only reported.
    pub reporting: bool,
    /// Whether a reading or a removal failed.
    pub failed: bool,
}

impl CleaningMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[
            ("sweep_groups", "Groups that the gateway held at the last sweep", &self.groups),
            ("sweep_due_groups", "Groups that were due at the last sweep", &self.due),
            ("sweep_removed_groups", "Groups that sweeps removed", &self.removed),
            ("sweep_failures", "Sweeps that failed wholly or for a group", &self.failures),
            (
                "sweep_stopped",
                "1 where the last sweep removed nothing because more groups were due than may go at once",
                &self.stopped,
            ),
            (
                "sweep_report_only",
                "1 where the last sweep only reported, the first one under changed rules",
                &self.reporting,
            ),
            ("sweep_last_success_timestamp_seconds", "When the last good sweep ended", &self.last),
            ("gateway_up", "1 where the gateway answered the last look at it, 0 where it did not", &self.up),
            (
                "gateway_scrape_broken",
                "1 where the gateway's own metrics page cannot be scraped, so that everybody's metrics are lost",
                &self.scrape_broken,
            ),
        ]);
    }

    /// Notes a sweep that ended at `wall`.
    pub fn set_swept(&self, swept: Swept, wall: SystemTime) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.removed.inc_by(u64::try_from(swept.removed).unwrap_or(u64::MAX));
        if swept.failed {
            self.failures.inc();
            return;
        }
        self.groups.set(number(swept.groups));
        self.due.set(number(swept.due));
        self.stopped.set(i64::from(swept.stopped));
        self.reporting.set(i64::from(swept.reporting));
        self.last.set(wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }

    /// Whether the gateway was last seen not to be scraped.
    pub fn scrape_is_broken(&self) -> bool {
        self.scrape_broken.get() == 1
    }

    /// Notes whether the gateway answers.
    pub fn set_up(&self, up: bool) {
        self.up.0.set(i64::from(up));
    }

    /// Notes whether the gateway can be scraped.
    pub fn set_scrape_broken(&self, broken: bool) {
        self.scrape_broken.set(i64::from(broken));
    }
}
