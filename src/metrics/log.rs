//! The metrics of the log itself.

use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LostLabels {
    cause: &'static str,
}

/// Lines that were not written.
#[derive(Default)]
pub struct LogMetrics {
    lost: Family<LostLabels, Counter>,
}

impl LogMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[(
            "log_lines_lost",
            "Lines of the log that were not written: sampled, or stalled by the reader of standard error",
            &self.lost,
        )]);
        for cause in ["sampled", "stalled"] {
            drop(self.lost.get_or_create(&LostLabels { cause }));
        }
    }

    /// Counts a line; because the reader stalls, or else because there were too many like it.
    pub fn count(&self, stalled: bool) {
        let cause = if stalled { "stalled" } else { "sampled" };
        self.lost.get_or_create(&LostLabels { cause }).inc();
    }
}
