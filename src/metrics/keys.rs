//! What is known of the signing keys of issuers.

use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: String,
    result: &'static str,
}

/// Keys of issuers; clones count together.
#[derive(Clone, Default)]
pub struct KeyMetrics {
    known: Family<IssuerLabels, Gauge>,
    success: Family<IssuerLabels, Gauge<f64, AtomicU64>>,
    fetches: Family<FetchLabels, Counter>,
}

fn of(issuer: &str) -> IssuerLabels {
    IssuerLabels { issuer: issuer.to_owned() }
}

impl KeyMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[
            ("issuer_keys", "Signing keys that are known of an issuer", &self.known),
            ("issuer_keys_last_success_timestamp_seconds", "When an issuer last published good keys", &self.success),
            ("issuer_keys_fetches", "Times that an issuer was asked for its keys, by what came of it", &self.fetches),
        ]);
    }

    /// Notes how many keys are known.
    pub fn set_known(&self, issuer: &str, keys: usize) {
        self.known.get_or_create(&of(issuer)).set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    /// Counts a good answer.
    pub fn fetched(&self, issuer: &str, wall: SystemTime) {
        let seconds = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.success.get_or_create(&of(issuer)).set(seconds);
        self.count(issuer, "ok");
    }

    /// Counts a bad answer, by its kind.
    pub fn failed(&self, issuer: &str, kind: &'static str) {
        self.count(issuer, kind);
    }

    fn count(&self, issuer: &str, result: &'static str) {
        self.fetches.get_or_create(&FetchLabels { issuer: issuer.to_owned(), result }).inc();
    }

    /// Forgets an issuer that the policy no longer names.
    pub fn forget(&self, issuer: &str) {
        self.known.remove(&of(issuer));
        self.success.remove(&of(issuer));
    }
}
