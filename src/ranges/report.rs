//! Tells the log and the metrics what happens to the sets.

use super::ask::AskError;
use super::event::{Event, What};
use super::held::UnixTime;
use super::keeper::Keeper;
use super::set::Set;
use crate::metrics::{FeedLabels, FetchErrorLabels, RangeMetrics, RefusedLabels, SetGauge, SetLabels};
use std::time::Duration;

/// Writes lines and counts.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where it counts.
    pub metrics: RangeMetrics,
}

impl Report {
    /// Tells what happened.
    pub fn events(&self, keeper: &Keeper, events: &[Event], now: UnixTime) {
        for event in events {
            let set = keeper.sets().find(|set| set.name == event.set);
            self.event(event, set, now);
        }
    }

    fn event(&self, event: &Event, of: Option<&Set>, now: UnixTime) {
        let set = event.set.as_str();
        let labels = SetLabels { set: set.to_owned() };
        match &event.what {
            What::NotStored => tracing::info!(msg = "no stored ranges", set),
            What::Loaded { in_future } => {
                held("ranges loaded", of, now, None);
                if *in_future {
                    tracing::warn!(msg = "stored ranges are from the future", set, detail = "the clock is behind");
                }
            }
            What::Seeded => held("ranges seeded", of, now, None),
            What::OtherOrigin { origin } => {
                tracing::warn!(msg = "stored ranges not used", set, error = "they came from elsewhere", origin)
            }
            What::NotLoaded { error } => tracing::warn!(msg = "stored ranges not used", set, error),
            What::Confirmed => tracing::debug!(msg = "ranges unchanged", set),
            What::Updated { added, removed } => {
                self.metrics.added.get_or_create(&labels).inc_by(count(*added));
                self.metrics.removed.get_or_create(&labels).inc_by(count(*removed));
                held("ranges updated", of, now, Some((*added, *removed)));
            }
            What::Refused { unfit, kept } => {
                let reason = unfit.kind();
                self.metrics.refused.get_or_create(&RefusedLabels { set: set.to_owned(), reason }).inc();
                let approvable = unfit.approvable();
                tracing::warn!(msg = "ranges refused", set, reason, error = %unfit, kept, approvable);
            }
            What::Approved => {
                tracing::warn!(msg = "ranges approved", set, detail = "an operator let a refused list in")
            }
            What::ApprovalUnread { error } => tracing::warn!(msg = "approval not used", set, error),
            What::Ended { removed } => held("ranges removed", of, now, Some((0, *removed))),
            What::Old { age, past, served } => {
                let age_seconds = age.as_secs();
                tracing::warn!(msg = "ranges are old", set, age_seconds, past_max_age = past, served);
            }
            What::NotSaved { error } => {
                tracing::warn!(msg = "ranges not saved", set, error, detail = "a restart needs the network")
            }
        }
    }

    /// Tells of a fetch that came to nothing; `retry` is the time to the next.
    pub fn fetch_failed(&self, feed: &str, error: &AskError, failures: u32, retry: Duration, kept: bool) {
        let labels = FetchErrorLabels { feed: feed.to_owned(), kind: error.kind() };
        self.metrics.fetch_errors.get_or_create(&labels).inc();
        let (kind, retry_seconds) = (error.kind(), retry.as_secs());
        tracing::warn!(msg = "ranges refresh failed", feed, kind, %error, failures, retry_seconds, kept);
    }

    /// Tells of a source that has nothing new.
    pub fn not_modified(&self, feed: &str) {
        self.metrics.not_modified.get_or_create(&FeedLabels { feed: feed.to_owned() }).inc();
    }

    /// Shows sets no more that nobody names any more.
    pub fn forget(&self, sets: &[String]) {
        for set in sets {
            let labels = SetLabels { set: set.clone() };
            self.metrics.gauges().into_iter().for_each(|family| {
                family.remove(&labels);
            });
        }
    }

    /// Brings the gauges up to date.
    pub fn gauges(&self, keeper: &Keeper, now: UnixTime) {
        let served = keeper.served(now);
        for set in keeper.sets() {
            let labels = SetLabels { set: set.name.clone() };
            let put = |family: &SetGauge, value: u128| {
                family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
            };
            let metrics = &self.metrics;
            let coverage = served.get(&set.name).map(|set| set.coverage()).unwrap_or_default();
            put(&metrics.ipv4_addresses, coverage.0.into());
            put(&metrics.ipv6_networks, coverage.1);
            put(&metrics.refused_pending, u128::from(set.refused().is_some()));
            let Some(held) = set.held() else { continue };
            put(&metrics.entries, count(held.listed.len() + held.leaving.len()).into());
            put(&metrics.pending_removals, count(held.leaving.len()).into());
            put(&metrics.age, held.age(now).as_secs().into());
            put(&metrics.last_success, held.verified.into());
            put(&metrics.last_change, held.changed.into());
        }
    }
}

/// One line with what is held now, and what changed.
fn held(msg: &'static str, set: Option<&Set>, now: UnixTime, change: Option<(usize, usize)>) {
    let Some((set, held)) = set.and_then(|set| Some((set, set.held()?))) else { return };
    let (addresses, ipv6_networks) = set.served().map(|served| served.coverage()).unwrap_or_default();
    let (added, removed) = change.unwrap_or_default();
    tracing::info!(
        msg,
        set = set.name,
        prefixes = held.listed.len(),
        added,
        removed,
        pending_removals = held.leaving.len(),
        addresses,
        ipv6_networks = u64::try_from(ipv6_networks).unwrap_or(u64::MAX),
        age_seconds = held.age(now).as_secs(),
    );
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
