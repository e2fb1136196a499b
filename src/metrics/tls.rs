//! The metrics of TLS.

use super::ListenerLabels;
use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    listener: String,
    cause: &'static str,
}

/// Certificates and handshakes.
#[derive(Default)]
pub struct TlsMetrics {
    not_after: Family<ListenerLabels, Gauge<f64, AtomicU64>>,
    reload_successful: Family<ListenerLabels, Gauge>,
    failures: Family<FailureLabels, Counter>,
}

impl TlsMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[
                ("tls_certificate_not_after_timestamp_seconds", "When the certificate in use ends", &self.not_after),
                (
                    "tls_last_reload_successful",
                    "1 where the listener uses what its files last held, 0 where their problems kept the certificate before",
                    &self.reload_successful,
                ),
                (
                    "tls_handshake_failures",
                    "Connections that ended before they were encrypted, by cause",
                    &self.failures,
                ),]);
    }

    /// Notes which certificate a listener uses now.
    pub fn set_certificate(&self, listener: &str, not_after: SystemTime) {
        let labels = ListenerLabels { listener: listener.to_owned() };
        let end = not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.not_after.get_or_create(&labels).set(end.as_secs_f64());
        self.reload_successful.get_or_create(&labels).set(1);
    }

    /// Notes that the files of a listener hold nothing that can be used.
    pub fn set_reload_failed(&self, listener: &str) {
        self.reload_successful.get_or_create(&ListenerLabels { listener: listener.to_owned() }).set(0);
    }

    /// Counts a handshake that came to nothing.
    pub fn count_failure(&self, listener: &str, cause: &'static str) {
        self.failures.get_or_create(&FailureLabels { listener: listener.to_owned(), cause }).inc();
    }
}
