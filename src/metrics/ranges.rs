//! The metrics of the address sets.

use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The name of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SetLabels {
    /// A set that the policy names.
    pub set: String,
}

/// One figure for each set.
pub type SetGauge = Family<SetLabels, Gauge>;

/// Why a list was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabels {
    /// A set that the policy names.
    pub set: String,
    /// The rule.
    pub reason: &'static str,
}

/// A place that publishes lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FeedLabels {
    /// `github`, or the source that names it.
    pub feed: String,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FetchErrorLabels {
    /// `github`, or the source that names it.
    pub feed: String,
    /// The kind of error.
    pub kind: &'static str,
}

/// What is counted of the address sets.
#[derive(Clone, Debug, Default)]
pub struct RangeMetrics {
    /// IPv4 addresses that are served.
    pub ipv4_addresses: SetGauge,
    /// IPv6 /64 networks that are served.
    pub ipv6_networks: SetGauge,
    /// Prefixes that are served.
    pub entries: SetGauge,
    /// Those of them that have left the list.
    pub pending_removals: SetGauge,
    /// 1 where a refused list waits for an operator.
    pub refused_pending: SetGauge,
    /// Seconds since the source gave or confirmed the list.
    pub age: SetGauge,
    /// When it last did.
    pub last_success: SetGauge,
    /// When the list last changed.
    pub last_change: SetGauge,
    /// Prefixes that came.
    pub added: Family<SetLabels, Counter>,
    /// Prefixes that left.
    pub removed: Family<SetLabels, Counter>,
    /// Lists that were refused.
    pub refused: Family<RefusedLabels, Counter>,
    /// Fetches without a good answer.
    pub fetch_errors: Family<FetchErrorLabels, Counter>,
    /// Fetches that found nothing new.
    pub not_modified: Family<FeedLabels, Counter>,
}

impl RangeMetrics {
    /// Every figure of a set that is not a counter.
    pub fn gauges(&self) -> [&SetGauge; 8] {
        [
            &self.ipv4_addresses,
            &self.ipv6_networks,
            &self.entries,
            &self.pending_removals,
            &self.refused_pending,
            &self.age,
            &self.last_success,
            &self.last_change,
        ]
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("ranges");
        Table(registry).rows(&[
            ("ipv4_addresses", "IPv4 addresses in an address set", &self.ipv4_addresses),
            ("ipv6_networks", "IPv6 /64 networks in an address set", &self.ipv6_networks),
            ("entries", "Prefixes in an address set, those of pending removals included", &self.entries),
            (
                "pending_removals",
                "Prefixes that left the list and are served until their 48 h are over",
                &self.pending_removals,
            ),
            ("refused_pending", "1 where a refused list waits for pushguard ranges approve", &self.refused_pending),
            ("age_seconds", "Time since the source last gave or confirmed the list", &self.age),
            ("last_success_timestamp_seconds", "When the source last gave or confirmed the list", &self.last_success),
            ("last_change_timestamp_seconds", "When the list last changed", &self.last_change),
            ("added", "Prefixes that came into an address set", &self.added),
            ("removed", "Prefixes that left the list of an address set", &self.removed),
            ("refused", "Lists that were refused, by rule", &self.refused),
            ("fetch_errors", "Fetches without a good answer, by kind", &self.fetch_errors),
            ("not_modified", "Fetches that the source answered with 304", &self.not_modified),
        ]);
    }
}
