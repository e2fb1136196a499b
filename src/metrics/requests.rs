//! Requests by what became of them.

use super::table::Table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Series of this metric, about: beyond, a new combination is counted for the principal `other`.
const MOST: usize = 1000;

/// The same for the principals that spend their quotas.
const MOST_SPENDERS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PrincipalLabels {
    principal: String,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `allow`, `deny` or `error`.
    pub verdict: &'static str,
    /// A code of the reasons table, or empty.
    pub reason: &'static str,
    /// An operation, or `none`.
    pub operation: &'static str,
    /// A principal of the policy, or `none`.
    pub principal: String,
}

/// All labels come from the policy and closed sets, but a large policy has many combinations, and clients choose which
/// of them appear.
#[derive(Default)]
pub struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    series: AtomicUsize,
    nearly_spent: Family<PrincipalLabels, Counter>,
    spenders: AtomicUsize,
}

impl RequestMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        Table(registry).rows(&[
            ("requests", "Requests by verdict, reason, operation and principal", &self.requests),
            (
                "quota_nearly_spent",
                "Requests that left less than a fifth of a quota, refused ones included, by principal",
                &self.nearly_spent,
            ),
        ]);
    }

    /// Counts a request that brought a quota near its end.
    pub fn count_nearly_spent(&self, principal: Option<&str>) {
        let labels = |principal: &str| PrincipalLabels { principal: principal.to_owned() };
        let mut found = labels(principal.unwrap_or("none"));
        if self.nearly_spent.get(&found).is_none() && self.spenders.fetch_add(1, Ordering::Relaxed) >= MOST_SPENDERS {
            found = labels("other");
        }
        self.nearly_spent.get_or_create(&found).inc();
    }

    /// Counts a request.
    pub fn count(&self, labels: RequestLabels) {
        if let Some(counter) = self.requests.get(&labels) {
            counter.inc();
            return;
        }
        let known = self.series.fetch_add(1, Ordering::Relaxed) < MOST;
        let labels = if known { labels } else { RequestLabels { principal: "other".to_owned(), ..labels } };
        self.requests.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_policy_of_many_principals_makes_no_more_series_than_are_bearable() {
        let metrics = Metrics::new();
        let reasons = ["", "job_not_granted", "label_not_granted", "quota_exhausted"];
        for principal in 0..5000 {
            for reason in reasons {
                let (verdict, operation, principal) = ("deny", "push", format!("team-{principal}"));
                metrics.requests.count(RequestLabels { verdict, reason, operation, principal });
            }
        }
        let page = metrics.render();
        let series = page.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series < 2000, "{series}");
        let counted: u64 = page
            .lines()
            .filter(|line| line.starts_with("pushguard_requests_total{"))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, 20_000, "none is lost");
        assert!(page.contains("reason=\"quota_exhausted\",operation=\"push\",principal=\"other\""));
    }
}
