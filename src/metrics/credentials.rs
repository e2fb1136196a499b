//! What came of credentials.

use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetailLabels {
    detail: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PreferredLabels {
    principal: String,
    listed: &'static str,
}

/// Refused credentials, and accepted ones from addresses that a list does not know.
#[derive(Default)]
pub struct CredentialMetrics {
    refused: Family<DetailLabels, Counter>,
    preferred: Family<PreferredLabels, Counter>,
}

impl CredentialMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[
            (
                "credentials_refused",
                "Requests refused because of their credential, by what was wrong with it",
                &self.refused,
            ),
            (
                "preferred_source_requests",
                "Requests of principals that prefer a source, by whether it holds the address",
                &self.preferred,
            ),
        ]);
    }

    /// Counts a refused credential by a detail from the closed set.
    pub fn count_refused(&self, detail: &'static str) {
        self.refused.get_or_create(&DetailLabels { detail }).inc();
    }

    /// Counts a request of a principal that prefers a source.
    pub fn count_preferred(&self, principal: &str, listed: bool) {
        let listed = if listed { "yes" } else { "no" };
        self.preferred.get_or_create(&PreferredLabels { principal: principal.to_owned(), listed }).inc();
    }
}
